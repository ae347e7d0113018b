"""What can be wrong between the values of a study file; of merge and space, see `studies.studyfile.merge_checks`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.errors import RenderError, did_you_mean
from engine.shots.hires import UPSCALERS
from scorers.catalogue import lookup as catalogue
from studies.candidate import MERGED_VAE
from studies.studyfile.mistakes import Mistake, Place
from studies.studyfile.schema import ModelsTable, PromptTable, ProofTable, RenderTable, ScorersTable, TargetTable
from studies.studyfile.schema_merge import SpaceTable
from studies.studyfile.shots import FRESH, TURNS, proof_texts, seed_again, shot_of

FEWEST_PROVED = 3
"""Pictures by which two recipes can be compared at least, as ``Panel.compare`` wants them."""


def across(parts: Mapping[str, Any]) -> list[Mistake]:
    """Return the mistakes that lie between values."""
    mistakes: list[Mistake] = []
    if "models" in parts:
        mistakes += _same_files(parts["models"])
    if "render" in parts and "space" in parts:
        mistakes += _two_vaes(parts["render"], parts["space"])
    if "render" in parts:
        mistakes += _second_pass(parts["render"])
    target: TargetTable | None = parts.get("target")
    if target is not None and target.unlike is not None and target.like is None:
        what = "says what the look is told from, but not the look"
        mistakes.append(Mistake(place=("target", "unlike"), what=what, seen=target.unlike, remedy="add like"))
    prompts: list[PromptTable] = parts.get("prompts", [])
    proof: ProofTable | None = parts.get("proof")
    mistakes += _repeated(prompts) + _peeking(prompts, proof) + _too_few(prompts, proof)
    if "search" in parts and parts["search"].fresh_seeds:
        mistakes += _met_again(prompts, proof)
    return mistakes


def _same_files(models: ModelsTable) -> Iterator[Mistake]:
    first: dict[str, str] = {}
    for letter, path in models.paths.items():
        if path in first:
            what = f"is the same file as {first[path]}"
            yield Mistake(place=("models", letter), what=what, seen=path, remedy="name different checkpoints")
        first.setdefault(path, letter)


def _two_vaes(render: RenderTable, space: SpaceTable) -> Iterator[Mistake]:
    if render.vae is not None and space.choices.vae is not None:
        what = "is decided by space.choices.vae"
        yield Mistake(place=("render", "vae"), what=what, seen=render.vae, remedy="leave one of them out")


def _second_pass(render: RenderTable) -> list[Mistake]:
    """Return what [render.hires] cannot make of [render], and a model file that has no folder."""
    if render.hires is None:
        return []
    mistakes: list[Mistake] = []
    try:
        hires = shot_of("any", None, 0, render).hires
    except RenderError as error:
        lines = [line.strip() for line in str(error).splitlines()[1:]]
        remedy = "change [render.hires] or [render]"
        mistakes += [Mistake(place=("render", "hires"), what=line, remedy=remedy) for line in lines]
        return mistakes
    if hires is not None and hires.model and render.upscalers is None:
        remedy = f"set [render] upscalers to the folder of the file, or {did_you_mean(hires.model, UPSCALERS)}"
        what = "is no upscaler without a file, and there is no folder of files"
        mistakes.append(Mistake(place=("render", "hires", "upscaler"), what=what, seen=hires.model, remedy=remedy))
    return mistakes


def _repeated(prompts: Sequence[PromptTable]) -> list[Mistake]:
    """Return a mistake for every picture that two [[prompts]] would both make."""
    first: dict[tuple[str, str | None, int], int] = {}
    mistakes: list[Mistake] = []
    for number, prompt in enumerate(prompts):
        keys = [(prompt.text, prompt.negative, seed) for seed in prompt.seeds]
        again = [key for key in keys if key in first]
        if again:
            what = f"makes the same pictures as prompts[{first[again[0]] + 1}]"
            seeds = [seed for *_, seed in again]
            mistakes.append(
                Mistake(place=("prompts", number, "seeds"), what=what, seen=seeds, remedy="use other seeds")
            )
        first |= {key: number for key in keys if key not in first}
    return mistakes


def _peeking(prompts: Sequence[PromptTable], proof: ProofTable | None) -> list[Mistake]:
    """Return a mistake if the proof would show pictures that the search has seen."""
    if proof is None:
        return []
    seen = {(prompt.text.strip(), seed) for prompt in prompts for seed in prompt.seeds}
    shared = sorted(
        {seed for text in proof_texts(prompts, proof) for seed in proof.seeds if (text.strip(), seed) in seen}
    )
    if not shared:
        return []
    what = "the proof shares prompts and seeds with [[prompts]], so it would prove nothing"
    return [Mistake(place=("proof", "seeds"), what=what, seen=shared, remedy="use seeds that no [[prompts]] has")]


def _too_few(prompts: Sequence[PromptTable], proof: ProofTable | None) -> list[Mistake]:
    """Return a mistake if the proof has too few pictures to compare recipes by."""
    count = 0 if proof is None else len(proof_texts(prompts, proof)) * len(proof.seeds)
    if proof is None or not prompts or count >= FEWEST_PROVED:
        return []
    what = f"gives {count} picture{'s' * (count > 1)}, and recipes are compared by {FEWEST_PROVED} at least"
    return [Mistake(place=("proof", "seeds"), what=what, seen=proof.seeds, remedy="add seeds, or prompts")]


def _met_again(prompts: Sequence[PromptTable], proof: ProofTable | None) -> Iterator[Mistake]:
    """Return a mistake for every prompt whose seeds come, with fresh seeds, to those of another shot of its text."""
    known = {(prompt.text, seed) for prompt in prompts for seed in prompt.seeds}
    known |= {(text, seed) for text in proof_texts(prompts, proof) for seed in proof.seeds} if proof else set()
    for number, prompt in enumerate(prompts):
        met = [s for s in prompt.seeds if any((prompt.text, seed_again(s, t)) in known for t in range(1, TURNS))]
        if met:
            what = f"come again as seeds {FRESH} and more above, which another shot of this prompt has (fresh_seeds)"
            yield Mistake(place=("prompts", number, "seeds"), what=what, seen=met, remedy="use seeds nearer together")


def missing_files(parts: Mapping[str, Any], here: Path) -> list[Mistake]:
    """Return a mistake for every path of the file's right tables that leads nowhere."""
    named: list[tuple[Place, str]] = []
    if "models" in parts:
        named += [(("models", letter), text) for letter, text in parts["models"].paths.items()]
    if "target" in parts:
        named += [(("target", "references"), text) for text in parts["target"].references]
    if "render" in parts:
        paths = {key: getattr(parts["render"], key) for key in ("vae", "embeddings", "wildcards", "upscalers")}
        named += [(("render", key), text) for key, text in paths.items() if text]
    if "space" in parts:
        vaes = enumerate(parts["space"].choices.vae or ())
        named += [(("space", "choices", "vae", number), text) for number, text in vaes if text != MERGED_VAE]
    if "scorers" in parts:
        named += _scorer_files(parts["scorers"])
    return [
        Mistake(place=place, what="there is no such file", seen=text, remedy=f"paths start from {here}")
        for place, text in named
        if not path_from(here, text).exists()
    ]


def _scorer_files(table: ScorersTable) -> list[tuple[Place, str]]:
    """Every file that the table names; those that are looked for by name are the preflight's business."""
    named: list[tuple[Place, str]] = [(("scorers", "files", name), text) for name, text in table.files.items()]
    plugins = ((name, catalogue.PLUGIN.fullmatch(name)) for name in table.weights)
    named += [(("scorers", "weights", name), match["path"]) for name, match in plugins if match is not None]
    if table.encoder.weights:
        named += [(("scorers", "encoder", "weights"), table.encoder.weights)]
    if is_file_name(table.encoder.config):
        named += [(("scorers", "encoder", "config"), table.encoder.config)]
    return named


def path_from(here: Path, text: str) -> Path:
    """Return a path as the study file in folder `here` means it."""
    return here / Path(text).expanduser()


def is_file_name(text: str) -> bool:
    """Whether an encoder's `config` is a file, not the name of an architecture."""
    return text.endswith(".json")
