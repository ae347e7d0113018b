"""The frame and the search space that the tables `[models]`, `[merge]` and `[space]` of a study file describe."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

from engine.architecture.families import family_of
from engine.architecture.widths import FamilyName
from engine.checkpoints.header import read_header
from engine.errors import EngineError, Problem, Problems
from engine.modes.registry import calculation_mode
from search.space.build import GRID, build_space
from search.space.frame import SEPARATE, RecipeFrame
from search.space.knob import STEP, Knob
from search.space.space import Space
from studies.studyfile.merge_checks import MergeSettings, space_problems
from studies.studyfile.tables.schema_merge import BlocksTable, RatiosTable, SelfTable
from studies.studyfile.tables.space_values import blocks_of_range

REMEDY = "change the [space] tables"
"""The way out of what the search says of a space without naming one."""
UNNAMED = ("BASE", *SEPARATE)
"""Names that rest at 0 in a space unless they are asked for; in a study file, only where they are frozen."""


def family_of_files(paths: Sequence[Path]) -> FamilyName | None:
    """The family of the first file whose header shows one; None where none does."""
    for path in paths:
        try:
            header = read_header(path)
        except EngineError:
            continue  # what is wrong with a model is the preflight's business
        if family := family_of({name: info.shape for name, info in header.tensors.items()}):
            return family
    return None


def space_of(parts: Mapping[str, Any], family: FamilyName | None, problems: Problems) -> Space | None:
    """Build the search space.

    Args:
        parts: the tables that are valid by themselves, by name.
        family: of the checkpoints, where they show it.
        problems: what is wrong is added here.

    Returns:
        The space; None where there are problems.
    """
    if "merge" not in parts or "space" not in parts:
        return None
    paths = parts["models"].paths if "models" in parts else None
    settings = MergeSettings.of(parts["merge"], parts["space"], paths, family)
    found = list(space_problems(settings))
    problems.extend(found)
    return None if found else _built(settings, problems)


def _built(settings: MergeSettings, problems: Problems) -> Space | None:
    before = len(problems)
    with problems.collecting("space"):
        space = build_space(**_fields(settings))
        if not space.free:
            problems.add(("space",), "everything is frozen", "leave a block free")
        problems.extend(_impossible(space))
        return space
    problems.found[before:] = [problem.advised(REMEDY) for problem in problems.found[before:]]
    return None


def _impossible(space: Space) -> list[Problem]:
    """Combinations at the ends of the space that no recipe can have, for every choice of words."""
    choices = [knob for knob in space.of_kind("choice") if knob.name != "vae"]
    problems = Problems()
    for words in product(*(range(len(knob.options)) for knob in choices)):
        chosen = dict(zip((knob.name for knob in choices), map(float, words), strict=True))
        for ends in ({knob.name: knob.low for knob in space.free}, {knob.name: knob.high for knob in space.free}):
            with problems.collecting():
                space.decode(ends | chosen)
    found = {str(problem): replace(problem, place=("space",)).advised(REMEDY) for problem in problems.found}
    return [found[text] for text in sorted(found)]


# ---------------------------------------------------------------------------------------------- for the fingerprint


def frame_fingerprint(frame: RecipeFrame) -> dict[str, str]:
    """How a frame differs from a plain Weight sum of two SD1 models, by the keys of `[merge]`."""
    usual = RecipeFrame()
    names = ("family", "dialect", "mode", "calculation", "beta", "gamma", "separate")
    return {
        f"merge.{name}": str(getattr(frame, name)) for name in names if getattr(frame, name) != getattr(usual, name)
    }


def package_fingerprint(space: Space) -> dict[str, str]:
    """The installed packages that calculation modes of trials come from, by mode; ours are in none."""
    choices = {knob.name: knob.options for knob in space.knobs if knob.is_choice}
    modes = map(calculation_mode, choices.get("calculation", (space.frame.calculation,)))
    return {f"calculation mode {mode.name}": mode.package for mode in modes if mode.package}


def knob_fingerprint(knobs: Iterable[Knob]) -> dict[str, str]:
    """What every knob may be, by its name."""
    return {f"space.{knob.name}": _knob_text(knob) for knob in knobs}


def _knob_text(knob: Knob) -> str:
    """What a knob may be; studies begun with earlier versions hold the same words."""
    if knob.frozen is not None:
        return f"frozen at {knob.frozen:g}"
    if knob.tied is not None:
        return f"tied to {knob.tied}"
    if knob.is_choice:
        return f"one of {', '.join(knob.options)}"
    grid = "" if knob.step == GRID.get(knob.kind, STEP) else f", step {knob.step:g}"
    return f"{knob.low:g} to {knob.high:g}{grid}" + (f", group {knob.group}" if knob.group else "")


# ------------------------------------------------------------------------------------------------- what search takes


def _fields(settings: MergeSettings) -> dict[str, Any]:
    """The arguments of `build_space`."""
    blocks, second, own, adjust = settings.space.blocks, settings.second, settings.space.self_, settings.space.adjust
    single: dict[str, dict[str, Any]] = {"bounds": {}, "freeze": {}, "ties": {}, "steps": {}}
    _take(single, "", settings.blocks, blocks, settings.frozen(blocks))
    if second is not None:
        _take(single, "beta:", settings.blocks, second, settings.frozen(second))
    _take(single, "self:", settings.sites, own, own.freeze)
    for field, (low, high, *step) in adjust.items():
        single["bounds"][f"adjust:{field}"] = (low, high)
        single["steps"] |= {f"adjust:{field}": step[0]} if step else {}
    return {
        "frame": _frame(settings),
        "ratios": (blocks.low, blocks.high),
        "seconds": (second.low, second.high) if second else None,
        "factors": (own.low, own.high),
        "groups": _groups(blocks, settings.blocks),
        "sites": settings.sites,
        "adjust": list(adjust),
        "choices": settings.space.choices.given,
        **single,
    }


def _frame(settings: MergeSettings) -> RecipeFrame:
    return RecipeFrame(
        family=settings.family,
        dialect=settings.dialect.name,
        models=settings.letters,
        mode=settings.modes[0],
        calculation=settings.calculations[0],
        beta=settings.merge.beta or 0.0,
        gamma=settings.merge.gamma,
        separate=settings.merge.separate,
    )


def _take(
    single: dict[str, dict[str, Any]],
    start: str,
    names: Iterable[str],
    table: RatiosTable | SelfTable,
    freeze: Mapping[str, float],
) -> None:
    """Add what a table says of single knobs, whose names begin with `start`."""
    names = list(names)
    asked = [name for name in names if name in UNNAMED and name not in {*freeze, *table.ties, *table.bounds}]
    single["bounds"] |= {start + name: (table.low, table.high) for name in asked}
    single["bounds"] |= {start + name: (low, high) for name, (low, high, *_) in table.bounds.items()}
    single["freeze"] |= {start + name: value for name, value in freeze.items()}
    single["ties"] |= {start + name: start + leader for name, leader in table.ties.items()}
    if table.step != STEP:
        single["steps"] |= {start + name: table.step for name in names}
    single["steps"] |= {start + name: step[0] for name, (_, _, *step) in table.bounds.items() if step}


def _groups(table: BlocksTable, blocks: Sequence[str]) -> dict[str, tuple[str, ...]] | None:
    """The groups that the file names; None: the usual ones."""
    found = {
        name: tuple(block for text in texts for block in blocks_of_range(text, blocks))
        for name, texts in table.groups.items()
    }
    return found or None
