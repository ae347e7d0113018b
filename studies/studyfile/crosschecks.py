"""Checks between the values of a study file; for merge and space see `studies.studyfile.merge_checks`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from os.path import realpath
from pathlib import Path
from typing import Any

from engine.errors import Place, Problem, RenderError, counted, did_you_mean
from engine.files import file_kind, user_path
from engine.shots.hires import UPSCALERS, Hires
from scorers.catalogue import lookup as catalogue
from studies.candidate import MERGED_VAE
from studies.errors import StudyError
from studies.studyfile.shots import proof_texts, shot_of
from studies.studyfile.spec import SEED_DISTANCE, TURNS, seed_in_turn
from studies.studyfile.tables.schema import (
    ModelsTable,
    PromptTable,
    ProofTable,
    RenderTable,
    ScorersTable,
    StudyTable,
    TargetTable,
)
from studies.studyfile.tables.schema_merge import SpaceTable

LONGEST_NAME = 255
"""The most bytes of a name that usual file systems take."""

FEWEST_PROVED = 3
"""The fewest pictures by which two recipes can be compared, as ``Panel.compare`` needs them."""


def across(parts: Mapping[str, Any]) -> list[Problem]:
    """Return the problems that lie between values."""
    problems: list[Problem] = []
    if "models" in parts:
        problems += _same_files(parts["models"])
    if "render" in parts and "space" in parts:
        problems += _two_vaes(parts["render"], parts["space"])
    if "render" in parts:
        problems += _hires_problems(parts["render"])
    if "study" in parts:
        problems += _half_a_place(parts["study"])
    target: TargetTable | None = parts.get("target")
    if target is not None and target.unlike is not None and target.like is None:
        what = "means nothing without like"
        problems.append(Problem(place=("target", "unlike"), what=what, seen=target.unlike, remedy="add like"))
    prompts: list[PromptTable] = parts.get("prompts", [])
    proof: ProofTable | None = parts.get("proof")
    problems += _repeated_pictures(prompts) + _shared_with_proof(prompts, proof) + _too_few_pictures(prompts, proof)
    problems += _proof_weights(proof)
    if "search" in parts and parts["search"].fresh_seeds:
        problems += _seeds_that_meet(prompts, proof)
    return problems


def _same_files(models: ModelsTable) -> Iterator[Problem]:
    first: dict[str, str] = {}
    for letter, path in models.paths.items():
        if path in first:
            what = f"is the same file as {first[path]}"
            yield Problem(place=("models", letter), what=what, seen=path, remedy="name different checkpoints")
        first.setdefault(path, letter)


def _half_a_place(study: StudyTable) -> Iterator[Problem]:
    """A database without a place for pictures that all machines reach, or such a place without a database."""
    if study.storage and not study.artifacts:
        what = "needs artifacts: pictures and features are not kept in the database, and other machines need them too"
        remedy = 'add artifacts = "s3://bucket/prefix", or the folder that all machines share'
        yield Problem(place=("study", "storage"), what=what, remedy=remedy)
    if study.artifacts and not study.storage:
        what = "is for studies over several machines, and this one keeps everything in its folder"
        remedy = "leave it out, or add storage"
        yield Problem(place=("study", "artifacts"), what=what, seen=study.artifacts, remedy=remedy)


def _two_vaes(render: RenderTable, space: SpaceTable) -> Iterator[Problem]:
    if render.vae is not None and space.choices.vae is not None:
        what = "is decided by space.choices.vae"
        yield Problem(place=("render", "vae"), what=what, seen=render.vae, remedy="leave one of them out")


def _hires_problems(render: RenderTable) -> list[Problem]:
    """Return what [render.hires] cannot make of [render], and options that clash."""
    if render.hires is None and render.options is None:
        return []
    try:
        shot_of("any", None, 0, render)
    except RenderError as error:
        tables = "[render.hires] or [render]" if render.hires else "[render.options]"
        return [problem.under("render").advised(f"change {tables}") for problem in error.problems]
    return []


def upscaler_problems(data: Mapping[str, Any]) -> Iterator[Problem]:
    """Return a problem for an upscaler's file without a folder, also where [render] has other problems."""
    render = data.get("render")
    hires = render.get("hires") if isinstance(render, dict) else None
    name = hires.get("upscaler") if isinstance(hires, dict) else None
    if isinstance(render, dict) and isinstance(name, str) and name.strip() and not render.get("upscalers"):
        model = Hires(upscaler=name).model
        if model:
            near = did_you_mean(model, UPSCALERS, otherwise="")
            otherwise = f"choose one of {', '.join(UPSCALERS)}, or set [render] upscalers to the folder of the file"
            remedy = f"{near} For a file, set [render] upscalers to its folder" if near.endswith("?") else otherwise
            what = "is not a built-in upscaler, and no folder of upscaler files is set"
            yield Problem(place=("render", "hires", "upscaler"), what=what, seen=model, remedy=remedy)


def _repeated_pictures(prompts: Sequence[PromptTable]) -> list[Problem]:
    """Return a problem for every picture that two [[prompts]] would both make."""
    first: dict[tuple[str, str | None, int], int] = {}
    problems: list[Problem] = []
    for number, prompt in enumerate(prompts):
        keys = [(prompt.text, prompt.negative, seed) for seed in prompt.seeds]
        again = [key for key in keys if key in first]
        if again:
            what = f"makes the same pictures as prompts[{first[again[0]] + 1}]"
            seeds = [seed for *_, seed in again]
            problems.append(
                Problem(place=("prompts", number, "seeds"), what=what, seen=seeds, remedy="use other seeds")
            )
        first |= {key: number for key in keys if key not in first}
    return problems


def _shared_with_proof(prompts: Sequence[PromptTable], proof: ProofTable | None) -> list[Problem]:
    """Return a problem if the proof would show pictures that the search has seen."""
    if proof is None:
        return []
    seen = {(prompt.text.strip(), seed) for prompt in prompts for seed in prompt.seeds}
    shared = sorted(
        {seed for text in proof_texts(prompts, proof) for seed in proof.seeds if (text.strip(), seed) in seen}
    )
    if not shared:
        return []
    what = "the proof shares prompts and seeds with [[prompts]], so it would not be independent"
    return [Problem(place=("proof", "seeds"), what=what, seen=shared, remedy="use seeds that no [[prompts]] has")]


def _too_few_pictures(prompts: Sequence[PromptTable], proof: ProofTable | None) -> list[Problem]:
    """Return a problem if the proof has too few pictures to compare recipes by."""
    count = 0 if proof is None else len(proof_texts(prompts, proof)) * len(proof.seeds)
    if proof is None or not prompts or count >= FEWEST_PROVED:
        return []
    what = f"gives {counted(count, 'picture')}, and comparing recipes takes at least {FEWEST_PROVED}"
    return [Problem(place=("proof", "seeds"), what=what, seen=proof.seeds, remedy="add seeds, or prompts")]


def _proof_weights(proof: ProofTable | None) -> list[Problem]:
    """Return a problem if the proof has other weights than one for each of its prompts."""
    if proof is None or proof.weights is None or len(proof.weights) == len(proof.prompts or ()):
        return []
    count = len(proof.prompts or ())
    what = f"needs one number for each of the proof's {count} prompts" if count else "means nothing without prompts"
    remedy = "write as many as prompts" if count else "leave it out: texts of [[prompts]] keep their weights"
    return [Problem(place=("proof", "weights"), what=what, seen=proof.weights, remedy=remedy)]


def _seeds_that_meet(prompts: Sequence[PromptTable], proof: ProofTable | None) -> Iterator[Problem]:
    """Return a problem for every prompt whose seeds come, with fresh seeds, to those of another shot of its text."""
    known = {(prompt.text, seed) for prompt in prompts for seed in prompt.seeds}
    known |= {(text, seed) for text in proof_texts(prompts, proof) for seed in proof.seeds} if proof else set()
    for number, prompt in enumerate(prompts):
        met = [s for s in prompt.seeds if any((prompt.text, seed_in_turn(s, t)) in known for t in range(1, TURNS))]
        if met:
            above = f"come again as seeds {SEED_DISTANCE} and more above"
            what = f"{above}, which another shot of this prompt has (fresh_seeds)"
            yield Problem(place=("prompts", number, "seeds"), what=what, seen=met, remedy="use seeds nearer together")


def folder_problems(study: StudyTable, target: TargetTable, here: Path) -> Iterator[Problem]:
    """Yield what is wrong with the study's folder: a name that no file system takes, or a folder of references."""
    text = study.folder or f"runs/{study.name}"
    place: Place = ("study", "folder") if study.folder else ("study", "name")
    if any(len(part.encode()) > LONGEST_NAME for part in Path(text).parts):
        what = f"has a name that is too long for a folder, at most {LONGEST_NAME} bytes"
        yield Problem(place=place, what=what, seen=text, remedy="give it a shorter one")
        return
    folder = realpath(path_from(here, text))
    for references in target.references:
        if realpath(path_from(here, references)) == folder:
            what = "is the folder of the references too, and the study's own pictures would lie among them"
            yield Problem(place=place, what=what, seen=text, remedy="give the study a folder of its own")


def missing_files(parts: Mapping[str, Any], here: Path) -> list[Problem]:
    """Return a problem for every path in a valid table that leads nowhere."""
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
    if "situations" in parts and parts["situations"].suite:
        named.append((("situations", "suite"), parts["situations"].suite))
    return [
        Problem(place=place, what="there is no such file", seen=text, remedy=f"paths start from {here}")
        for place, text in named
        if not file_kind(path_from(here, text))
    ]


def _scorer_files(table: ScorersTable) -> list[tuple[Place, str]]:
    """Every file that the table names; the preflight looks for those that are found by name."""
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
    return here / user_path(text, StudyError)


def is_file_name(text: str) -> bool:
    """Whether an encoder's `config` is a file, not the name of an architecture."""
    return text.endswith(".json")
