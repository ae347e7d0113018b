"""Checks between the tables `[models]`, `[merge]` and `[space]` of a study file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import cast

from pydantic_core import PydanticCustomError

from engine.architecture.widths import FamilyName
from engine.errors import Place, Problem, did_you_mean
from engine.modes.pair import ModePair, pair_of
from engine.modes.registry import calculation_mode, calculation_modes
from engine.recipes.blocks import Site, blocks_of
from engine.recipes.dialects import DEFAULT_DIALECT, Dialect, dialect_of
from engine.recipes.sites import idle_sites
from search.space.build import suggested_sites
from search.space.frame import SEPARATE, RecipeFrame
from studies.studyfile.problems import problems_of
from studies.studyfile.tables.schema_merge import MergeTable, RatiosTable, SecondTable, SpaceTable
from studies.studyfile.tables.space_values import SUGGESTED, blocks_of_range

NAMES: Mapping[FamilyName, str] = {"sd1": "SD1", "sd2": "SD2", "sdxl": "SDXL"}


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeSettings:
    """The tables `[merge]` and `[space]` with their defaults filled in."""

    merge: MergeTable
    space: SpaceTable
    paths: Mapping[str, str] | None
    """Of the models, by letter; None where the table is wrong."""
    family: FamilyName
    dialect: Dialect

    @classmethod
    def of(
        cls, merge: MergeTable, space: SpaceTable, paths: Mapping[str, str] | None, seen: FamilyName | None
    ) -> MergeSettings:
        """Fill in family and dialect: those of the file, else those that the models show, else SD1."""
        guess: FamilyName = "sdxl" if merge.dialect == "head" else "sd1"
        family = cast("FamilyName", merge.family or seen or guess)
        return cls(
            merge=merge,
            space=space,
            paths=paths,
            family=family,
            dialect=dialect_of(merge.dialect or DEFAULT_DIALECT[family]),
        )

    @property
    def modes(self) -> Sequence[str]:
        """All merge modes that trials may have."""
        return self.space.choices.mode or [self.merge.mode]

    @property
    def calculations(self) -> Sequence[str]:
        """All calculation modes that trials may have."""
        return self.space.choices.calculation or [self.merge.calculation]

    @property
    def runs(self) -> list[ModePair]:
        """Every mode with every calculation mode, as SuperMerger takes them."""
        return list(dict.fromkeys(pair_of(*names) for names in product(self.modes, self.calculations)))

    @property
    def letters(self) -> tuple[str, ...]:
        """The models."""
        return tuple(self.paths) if self.paths else tuple("ABC"[: max(run.models for run in self.runs)])

    @property
    def blocks(self) -> tuple[str, ...]:
        """Every block with a ratio of its own."""
        return blocks_of(self.family) + (SEPARATE if self.merge.separate else ())

    @property
    def second(self) -> SecondTable | None:
        """The searched second ratios; where the mode has them and the file leaves them open, they are searched."""
        usual = any(run.merge.beta for run in self.runs)
        return self.space.second or (SecondTable() if usual and self.merge.beta is None else None)

    @property
    def sites(self) -> tuple[str, ...]:
        """The sites of Self, the suggested ones in place of their word."""
        found: list[str] = []
        for name in self.space.self_.sites:
            known = RecipeFrame(family=self.family, dialect=self.dialect.name)
            found += suggested_sites(known) if name == SUGGESTED else [name]
        return tuple(dict.fromkeys(found))

    def frozen(self, table: RatiosTable) -> dict[str, float]:
        """Ratios that are frozen: BASE too, unless the file says otherwise."""
        explicit = "freeze" in table.model_fields_set
        return {
            name: value for name, value in table.freeze.items() if explicit or name not in {*table.bounds, *table.ties}
        }


def space_problems(settings: MergeSettings) -> Iterator[Problem]:
    """Everything that is wrong."""
    yield from _mode_problems(settings)
    yield from _model_problems(settings)
    yield from _second_problems(settings)
    yield from _block_problems(settings)
    yield from _self_and_adjust_problems(settings)


def _mode_problems(settings: MergeSettings) -> Iterator[Problem]:
    merge, dialect, choices = settings.merge, settings.dialect, settings.space.choices
    for name in ("mode", "calculation"):
        if name in choices.given and name in merge.model_fields_set:
            seen, what = getattr(merge, name), f"is decided by space.choices.{name}"
            yield Problem(place=("merge", name), what=what, seen=seen, remedy="leave one of them out")
    if settings.family not in dialect.families:
        what = f"SuperMerger stops with an error when it merges {NAMES[settings.family]} in this dialect"
        remedy = f"write classic, or {dialect.name}_patched for {dialect.name} with its block names put back"
        yield Problem(place=("merge", "dialect"), what=what, seen=dialect.name, remedy=remedy)
    if merge.separate and not (settings.family == "sdxl" and dialect.extended):
        what = f"TIME, OUT and LABEL have no separate ratios in {NAMES[settings.family]}, dialect {dialect.name}"
        remedy = "that takes SDXL in the dialect head; leave it out"
        yield Problem(place=("merge", "separate"), what=what, seen=True, remedy=remedy)
    for number, word in enumerate(settings.calculations):
        chosen: Place = ("space", "choices", "calculation", number)
        place = chosen if choices.calculation else ("merge", "calculation")
        if unsearched := calculation_mode(word).not_searched:
            what, remedy = unsearched
            yield Problem(place=place, what=what, seen=word, remedy=remedy)
        elif word not in dialect.calculations:
            what, remedy = f"is not known in the dialect {dialect.name}", did_you_mean(word, dialect.calculations)
            yield Problem(place=place, what=what, seen=word, remedy=remedy)
    if "gamma" in merge.model_fields_set and not any(calculation_mode(name).gamma for name in settings.calculations):
        names = " and ".join(mode.name for mode in calculation_modes().values() if mode.gamma)
        what = f"counts only in the calculation mode {names}"
        yield Problem(place=("merge", "gamma"), what=what, seen=merge.gamma, remedy="leave it out")


def _model_problems(settings: MergeSettings) -> Iterator[Problem]:
    if settings.paths is None:
        return
    three = [run for run in settings.runs if run.models == 3]
    place: Place = ("models", "C")
    if three and "C" not in settings.paths:
        remedy = 'name the third model, for example C = "models/base.safetensors"'
        yield Problem(place=place, what=f"is missing: {three[0].decisive} takes three models", remedy=remedy)
    elif not three and "C" in settings.paths:
        remedy = 'leave it out, or choose a mode for three, for example mode = "Add difference" under [merge]'
        what = f"is not used: {' and '.join(run.decisive for run in settings.runs)} takes two models"
        yield Problem(place=place, what=what, seen=settings.paths["C"], remedy=remedy)


def _second_problems(settings: MergeSettings) -> Iterator[Problem]:
    beta, second = settings.merge.beta, settings.space.second
    used = [run for run in settings.runs if run.uses_beta]
    place: Place = ("merge", "beta")
    if beta is not None and not used:
        what = f"there is no second ratio in {', '.join(run.merge.name for run in settings.runs)}"
        yield Problem(place=place, what=what, seen=beta, remedy="leave it out")
    if beta is not None and second is not None:
        what = "is one second ratio for all blocks, and [space.second] searches one for each"
        yield Problem(place=place, what=what, seen=beta, remedy="leave one of them out")
    if second is not None and not any(run.beta_by_block for run in settings.runs):
        what = f"there is no second ratio by block in {', '.join(run.decisive for run in settings.runs)}"
        remedy = "write beta under [merge]" if used else "leave the table out"
        yield Problem(place=("space", "second"), what=what, remedy=remedy)
    elif settings.second is not None and (single := [name for name in settings.calculations if _has_one_beta(name)]):
        what = f"{single[0]} has one second ratio for all blocks, and one for each block is searched"
        remedy = f"leave {single[0]} out, or write beta under [merge] and leave [space.second] out"
        yield Problem(place=("space", "choices", "calculation"), what=what, remedy=remedy)


def _has_one_beta(calculation: str) -> bool:
    return calculation_mode(calculation).beta == "number"


def _block_problems(settings: MergeSettings) -> Iterator[Problem]:
    for name, table in (("blocks", settings.space.blocks), ("second", settings.space.second)):
        if table is not None:
            frozen = settings.frozen(table)
            named = {"bounds": table.bounds, "freeze": frozen, "ties": table.ties}
            yield from _unknown_names(("space", name), named, settings.blocks, settings)
            yield from _double_problems(("space", name), named)
            yield from _tie_problems(("space", name, "ties"), table.ties)
    for name, texts in settings.space.blocks.groups.items():
        for number, text in enumerate(texts):
            try:
                blocks_of_range(text, settings.blocks)
            except PydanticCustomError as error:
                place: Place = ("space", "blocks", "groups", name, number)
                for problem in problems_of(error):
                    what = f"{problem.what} in {NAMES[settings.family]}"
                    yield Problem(place=place, what=what, seen=text, remedy=_known_blocks(settings))


def _unknown_names(
    place: Place, named: Mapping[str, Mapping[str, object]], blocks: Sequence[str], settings: MergeSettings
) -> Iterator[Problem]:
    for key, entries in named.items():
        leaders = [str(leader) for leader in entries.values()] if key == "ties" else []
        for name in dict.fromkeys([*entries, *leaders]):
            if name not in blocks:
                what = f"{name} is not a block with a ratio of its own in {NAMES[settings.family]}"
                yield Problem(place=(*place, key, name), what=what, remedy=_known_blocks(settings))


def _known_blocks(settings: MergeSettings) -> str:
    """Which blocks there are, and what there could be."""
    last = len(blocks_of(settings.family)) // 2 - 2
    apart = (
        "; TIME, OUT and LABEL with separate = true under [merge]"
        if settings.family == "sdxl" and settings.dialect.extended
        else ""
    )
    return f"there are BASE, IN00 to IN{last:02d}, M00, OUT00 to OUT{last:02d}{apart}"


def _double_problems(place: Place, named: Mapping[str, Mapping[str, object]]) -> Iterator[Problem]:
    """What has bounds, is frozen or tied, two of them."""
    for key, other in (("bounds", "freeze"), ("bounds", "ties"), ("freeze", "ties")):
        for name in named[key]:
            if name in named[other]:
                what = f"is under {other} too"
                yield Problem(place=(*place, key, name), what=what, remedy="leave it in one of them")


def _tie_problems(place: Place, ties: Mapping[str, str]) -> Iterator[Problem]:
    """What is tied to itself, or to what is tied."""
    for name, leader in ties.items():
        if leader == name:
            yield Problem(place=(*place, name), what="is tied to itself", remedy="leave it out, or name another one")
        elif leader in ties:
            what = f"is tied to {leader}, which is tied itself"
            yield Problem(
                place=(*place, name), what=what, remedy=f"name {ties[leader]}, or another one that is not tied"
            )


def _self_and_adjust_problems(settings: MergeSettings) -> Iterator[Problem]:
    """Sites and Adjust fields."""
    table, sites, fields = settings.space.self_, settings.sites, settings.dialect.adjust_fields
    named = {"bounds": table.bounds, "freeze": table.freeze, "ties": table.ties}
    for key, entries in named.items():
        leaders = table.ties.values() if key == "ties" else ()
        for name in dict.fromkeys([*entries, *leaders]):
            if name not in sites:
                what, remedy = f"{name} is not a site of this study", "add it to sites"
                yield Problem(place=("space", "self", key, name), what=what, remedy=remedy)
    yield from _double_problems(("space", "self"), named)
    yield from _tie_problems(("space", "self", "ties"), table.ties)
    if settings.family in settings.dialect.families:
        for site in idle_sites(map(Site.parse, sites), settings.family, settings.dialect):
            where = f"{NAMES[settings.family]}, dialect {settings.dialect.name}"
            what = f"no tensor that Self may multiply belongs to it in {where}"
            remedy = "attention lies in the IN and OUT blocks with transformers and in M00"
            yield Problem(place=("space", "self", "sites"), what=what, seen=str(site), remedy=remedy)
    for field in settings.space.adjust:
        if field not in fields:
            what = f"is not an Adjust field of the dialect {settings.dialect.name}"
            yield Problem(place=("space", "adjust", field), what=what, remedy=did_you_mean(field, fields))
