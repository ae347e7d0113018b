"""What a card says, in plain sentences without any markup."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence

from engine.errors import counted
from engine.shots.infotext import infotext
from engine.shots.infotext_values import written
from engine.shots.shot import Shot
from engine.supermerger.instructions import instructions
from studies.cards.card import CardPictures, RecipeCard
from studies.cards.recommended import parameters_text
from studies.store.judged.outcome import Comparison

NOT_STATED = "not stated"
"""Stands for a licence that nobody stated."""
UNITS = "Numbers are in units of the study's score; higher is closer to the wanted look."
"""What the numbers of a card mean."""
FAMILIES = {"sd1": "SD 1.x", "sd2": "SD 2.x", "sdxl": "SDXL"}
"""Names of model families, for people."""

_SIMPLE = re.compile(r"[\w./:+=@-]+", re.ASCII)
_SPECIAL = set('"$`\\!%')


def headline(card: RecipeCard) -> str:
    """Return the result in one sentence, without its full stop."""
    if card.proof is None:
        if card.promise is None:
            return "Not judged: no study says how its pictures are"
        return "Not proved: only the search has seen its pictures"
    if card.proof.broken:
        return "Its pictures are broken"
    held_out = _held_out(card.proof.leads)
    if card.proof.leads and all(lead.is_better for lead in card.proof.leads):
        return f"Proved on {held_out}: closer to the wanted look than {_listed(_rivals(card.proof.leads))}"
    doubtful = [lead for lead in card.proof.leads if not lead.is_better]
    return f"Not proved on {held_out} to be closer to the wanted look than {_listed(_rivals(doubtful), 'or')}"


def _held_out(leads: Sequence[Comparison]) -> str:
    pictures = max((lead.pictures for lead in leads), default=0)
    return counted(pictures, "held-out picture") if pictures else "held-out pictures"


def _rivals(leads: Iterable[Comparison]) -> list[str]:
    return [rival(lead.against) for lead in leads]


def rival(label: str) -> str:
    """Return what a recipe is compared with: `A`, or `FLAT_25 (the best mix by one ratio)`."""
    return f"{label} (the best mix by one ratio)" if label.startswith("FLAT_") else label


def _listed(words: Sequence[str], last: str = "and") -> str:
    return f" {last} ".join(filter(None, (", ".join(words[:-1]), words[-1]))) if words else "what it is compared with"


def result_lines(card: RecipeCard) -> Iterator[str]:
    """Return what is known of the recipe's pictures, a sentence each; warnings are apart."""
    if card.proof is not None:
        yield from card.proof.broken
        yield from (lead_sentence(lead, lead.level(card.proof.level)) for lead in card.proof.leads)
        yield from card.proof.notes
    elif card.promise is not None:
        error = "" if card.promise.error is None else f" \N{PLUS-MINUS SIGN} {card.promise.error:.2f}"
        yield (
            f"Trial {card.promise.trial} has a score of {_signed(card.promise.score)}{error} on "
            f"{counted(card.promise.pictures, 'picture')} of the search, counted from FLAT_50. The highest of many "
            "scores is a lucky one in part."
        )


def lead_sentence(lead: Comparison, level: str) -> str:
    """Return one comparison in words, with its interval and in how many pictures it is better."""
    if lead.is_better:
        result = f"Ahead of {rival(lead.against)} by {lead.mean:.2f}"
    elif lead.high < 0:
        result = f"Behind {rival(lead.against)} by {-lead.mean:.2f}"
    else:
        result = f"About as good as {rival(lead.against)} ({_signed(lead.mean)})"
    interval = f"{_signed(lead.low)} to {_signed(lead.high)}"
    won = f", and better in {lead.pictures_won} of {counted(lead.pictures, 'picture')}" if lead.pictures else ""
    return f"{result} ({level} interval: {interval}){won}."


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "\N{MINUS SIGN}")


def warnings(card: RecipeCard) -> tuple[str, ...]:
    """Return what to check before trusting the numbers, a sentence each."""
    return card.proof.warnings if card.proof is not None else ()


def settings(card: RecipeCard) -> list[tuple[str, str]]:
    """Return the settings that the study's pictures were made with: what, and its values."""
    shots = card.shots
    if not shots:
        return []
    found = [
        ("Sampler", _values(f"{shot.sampler} {shot.schedule}".removesuffix(" Automatic") for shot in shots)),
        ("Steps", _values(str(shot.steps) for shot in shots)),
        ("CFG scale", _values(written(shot.cfg) for shot in shots)),
        ("Size", _values(f"{shot.width}\N{MULTIPLICATION SIGN}{shot.height}" for shot in shots)),
        ("Clip skip", _values(str(shot.clip_skip) for shot in shots)),
        ("Hires fix", _values(_hires_text(shot) for shot in shots if shot.hires)),
        ("Negative prompt", _values(shot.negative for shot in shots if shot.negative)),
        ("VAE", _vae_text(card)),
    ]
    return [(name, text) for name, text in found if text]


def _hires_text(shot: Shot) -> str:
    if shot.hires is None:
        return ""
    width, height = shot.picture_size
    size = f"{width}\N{MULTIPLICATION SIGN}{height}"
    return f"to {size}, {shot.hires.upscaler}, denoising {written(shot.hires.denoise)}"


def _vae_text(card: RecipeCard) -> str:
    if not card.vae:
        return "the merged one"
    where = "baked into the checkpoint" if card.bakes_vae else "not in the checkpoint: choose it where you render"
    return f"{card.vae}, {where}"


def _values(texts: Iterable[str]) -> str:
    """The different values, the most frequent first."""
    every = list(texts)
    return "; ".join(sorted(dict.fromkeys(every), key=lambda text: -every.count(text)))


def example(card: RecipeCard) -> str:
    """Return the text of one picture as the WebUI reads it, prompt and seed among it; "" where none is known.

    Its settings are the recommended ones where these were searched.
    """
    if not card.shots:
        return ""
    chosen = card.shots[0]
    if card.pictures is not None:
        row = card.pictures.rows[0]
        chosen = next((shot for shot in card.shots if (shot.prompt, shot.seed) == (row.prompt, row.seed)), chosen)
    short = card.checkpoint.autov2 if card.checkpoint else ""
    if card.recommended is not None:
        return parameters_text(card.recommended, chosen, model=card.title, model_hash=short, recipe_key=card.recipe.key)
    return infotext(chosen, model=card.title, model_hash=short, vae=card.vae, more={"Recipe": card.recipe.key})


def picture_note(pictures: CardPictures) -> str:
    """Return what the pictures are of."""
    kind = "held-out prompts, which the search has not seen" if pictures.held_out else "prompts of the search"
    return f"Equal prompts and seeds in every row; {kind}."


def rebuild_lines(card: RecipeCard, stem: str) -> tuple[str, ...]:
    """Return the commands that build the checkpoint from the card, whose files are all called ``stem``."""
    vae = f" --vae {shell_word(card.vae)}" if card.bakes_vae else ""
    recipe, merged = shell_word(f"{card.title}.toml"), shell_word(f"{card.title}.safetensors")
    return (
        f"recipe-search recipe convert {shell_word(f'{stem}.json')} {recipe}",
        f"recipe-search merge {recipe} {merged} --dtype {card.dtype}{vae}",
    )


def shell_word(text: str) -> str:
    """Return a text as one word of a command line, the same for sh, PowerShell and cmd where that can be."""
    if _SIMPLE.fullmatch(text):
        return text
    return shlex.quote(text) if _SPECIAL & set(text) else f'"{text}"'


def supermerger_text(card: RecipeCard) -> str:
    """Return what to set in SuperMerger, run by run."""
    return instructions(card.recipe, card.file_names)


def about_recipe(card: RecipeCard) -> str:
    """Return the kind of the recipe in a few words: family, dialect and number of steps."""
    recipe = card.recipe
    tool = "AUTOMATIC1111's Checkpoint Merger" if recipe.rules.webui else f"SuperMerger, dialect {recipe.dialect}"
    return f"{FAMILIES[recipe.family]}; {tool}; {counted(len(recipe.steps), 'step')}"
