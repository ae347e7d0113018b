"""The card of recommended settings: Markdown, JSON, a text for the WebUI, and a grid of pictures for each step."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import counted
from engine.files import write_text
from engine.recipes.recipe import Recipe
from studies.after_recipe.settings.grids import SettingsGrid, write_grid
from studies.cards import recommended
from studies.cards.markup import fenced, link_address, markdown_escaped
from studies.cards.recommended_markdown import settings_fields, settings_table, step_table, values_table
from studies.results.settings import SettingsResult, SettingsStep

if TYPE_CHECKING:
    from engine.shots.shot import Shot
    from studies.after_recipe.settings.setup import SettingsSetup

TEXT, RECORD, PARAMETERS = "card.md", "card.json", "card.txt"
"""The files of a card, beside the result; the last one has the WebUI's text."""
SHORT = 10
"""Digits of the short hash of the WebUI, the first ones of a file's SHA-256."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CardModel:
    """A model that the pictures were made with."""

    letter: str
    file: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsCard:
    """What a card says.

    Attributes:
        result: what was found.
        models: of the recipe; of a checkpoint that was measured as it is, that one alone.
        shot: one of the study's, which gives everything that is not searched.
    """

    result: SettingsResult
    models: tuple[CardModel, ...]
    shot: Shot

    @property
    def recipe(self) -> Recipe:
        """The recipe that the settings are for."""
        return Recipe.parse(self.result.recipe)

    @property
    def parameters(self) -> str:
        """The WebUI's text of a picture with the recommended settings."""
        return self.parameters_of(self.result)

    def parameters_of(self, result: SettingsResult) -> str:
        """Return the WebUI's text of a picture with the final settings of a result."""
        model, short = f"{result.study} {result.subject}", ""
        if len(self.models) == 1:  # a checkpoint as it is
            model, short = Path(self.models[0].file).stem, self.models[0].sha256[:SHORT]
        return recommended.parameters_text(result, self.shot, model=model, model_hash=short, recipe_key=self.recipe.key)

    @property
    def shown(self) -> list[tuple[str, SettingsStep]]:
        """The steps that have a table and a grid, with their titles."""
        if not self.result.joint:
            return recommended.shown_steps(self.result)
        compared, title = tuple(recommended.joint_values(self.result)), recommended.JOINT
        return [(title, SettingsStep(axis=title, values=compared))] if len(compared) > 1 else []


def card_of(setup: SettingsSetup, result: SettingsResult) -> SettingsCard:
    """Return the card of a result.

    Args:
        setup: what the search worked with.
        result: what it found.
    """
    subject, spec = setup.subject, setup.measuring.spec
    files: Mapping[str, Path] = subject.models or spec.merge.models
    hashes: Mapping[str, str] = subject.hashes or setup.measuring.hashes
    letters = subject.candidate.recipe.models
    models = tuple(
        CardModel(letter=letter, file=files[letter].name, sha256=hashes.get(letter, "")) for letter in letters
    )
    return SettingsCard(result=result, models=models, shot=setup.pictures.judged.shots[0])


def write_settings_card(setup: SettingsSetup, result: SettingsResult) -> tuple[Path, ...]:
    """Write the card and the grids beside the result, from kept pictures, in place of those of an earlier search.

    Returns the files, the text first.

    Args:
        setup: what the search worked with.
        result: what it found.
    """
    card, folder = card_of(setup, result), setup.folder.with_name(result.name)
    grids = tuple(_written_grids(card, setup, folder))
    for old in sorted({*folder.glob("grid-*.png")} - {path for _, path in grids}):
        old.unlink()  # of an earlier search, by other steps
    write_text(folder / TEXT, markdown_text(card, {title: path.name for title, path in grids}))
    write_text(folder / RECORD, json.dumps(record(card), indent=1, ensure_ascii=False) + "\n")
    write_text(folder / PARAMETERS, card.parameters + "\n")
    return (*(folder / name for name in (TEXT, RECORD, PARAMETERS)), *(path for _, path in grids))


def _written_grids(card: SettingsCard, setup: SettingsSetup, folder: Path) -> Iterator[tuple[str, Path]]:
    pictures = setup.pictures
    shots = pictures.judged.shots[: pictures.judged.ends[0]]
    for number, (title, step) in enumerate(card.shown, start=1):
        grid = SettingsGrid(title=title, step=step, shots=shots, picture=pictures.picture)
        chosen = step.chosen.settings if step.chosen else None
        parameters = card.parameters_of(replace(card.result, final=chosen or card.result.final))
        name = re.sub(r"[^a-z0-9]+", "-", title.casefold()).strip("-")
        yield title, write_grid(grid, folder / f"grid-{number:02d}-{name}.png", parameters=parameters)


# ------------------------------------------------------------------------------------------------------------ the texts


def markdown_text(card: SettingsCard, grids: Mapping[str, str]) -> str:
    """Return a card as Markdown.

    Args:
        card: what it says.
        grids: file names of the grids, by title.
    """
    parts = (_head(card), _settings(card), _found(card, grids))
    return "\n\n".join("\n".join(lines) for part in parts if (lines := list(part))) + "\n"


def _head(card: SettingsCard) -> Iterator[str]:
    result = card.result
    yield f"# {recommended.HEADING}: {markdown_escaped(result.subject)}"
    yield ""
    yield f"Study {markdown_escaped(result.study)}, recipe `{card.recipe.key}`."
    yield ""
    yield "| model | file | AutoV2 | SHA-256 |"
    yield "|---|---|---|---|"
    for model in card.models:
        hashed = (f"`{model.sha256[:SHORT]}`", f"`{model.sha256}`") if model.sha256 else ("not known",) * 2
        yield f"| {model.letter} | {markdown_escaped(model.file)} | {' | '.join(hashed)} |"


def _settings(card: SettingsCard) -> Iterator[str]:
    yield from settings_table(card.result)
    yield ""
    yield from (f"* {markdown_escaped(line)}" for line in recommended.sentences(card.result))
    if untold := recommended.untold(card.result):
        yield f"* Could not be told: {markdown_escaped(', '.join(untold))}."
    yield from ("", 'For the WebUI: paste it into the prompt, and press the arrow; "PNG Info" reads it from the grids.')
    yield from ("", *fenced(card.parameters))


def _found(card: SettingsCard, grids: Mapping[str, str]) -> Iterator[str]:
    result = card.result
    yield "## How they were found"
    yield ""
    yield f"{counted(result.pictures, 'picture')}; prompts and seeds: {markdown_escaped(result.shots)}."
    yield f"Differences of less than {result.margin:.2f} do not count. {recommended.UNITS}"
    for title, step in card.shown:
        yield from ("", f"### {markdown_escaped(title)}", "")
        yield from step_table(step) if step.confidence else values_table(step.values)
        if title in grids:
            yield from ("", f"![{markdown_escaped(title)}](<{link_address(grids[title])}>)")


def record(card: SettingsCard) -> dict[str, Any]:
    """Return a card as values for JSON."""
    return {
        "study": card.result.study,
        "recipe": card.result.recipe,
        "recipe_key": card.recipe.key,
        "models": {model.letter: {"name": model.file, "sha256": model.sha256} for model in card.models},
        "recommended": settings_fields(card.result, card.parameters),
    }
