"""From the tables of a TOML text to the fields of a recipe, with all problems reported at once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, Literal, cast

from engine.architecture.widths import FAMILIES, FamilyName
from engine.errors import Place, Problems, RecipeError, did_you_mean, value_text
from engine.modes.registry import calculation_mode, merge_mode
from engine.modes.sums import NORMAL, WEIGHT_SUM
from engine.recipes.adjust import parse_adjust
from engine.recipes.blocks import Site, blocks_of
from engine.recipes.dialects import DEFAULT_DIALECT, RECIPE_DIALECTS, Dialect
from engine.recipes.elemental import LARGEST, parse_elemental
from engine.recipes.presets import NO_PRESETS, OwnPresets, preset_weights
from engine.recipes.steps import (
    FORMS,
    PREVIOUS,
    AdjustStep,
    Filter,
    MergeStep,
    Ratio,
    SelfStep,
    Step,
    check_result_name,
)

FORMAT = 1
Table = dict[str, Any]

_HEAD = ("format", "dialect", "family", "save", "presets", "models", "steps")
_COMMON = ("kind", "name")
_MERGE = (
    "models", "mode", "calculation", "alpha", "beta", "elemental", "adjust", "include", "exclude", "gamma", "seed",
    "extended", "old_arithmetic",
)  # fmt: skip
_RATIO_HINT = (
    'write one number, a row of numbers (BASE first), a preset such as "FLAT_25", or a table such as '
    "{ flat = 0.35, BASE = 0, OUT05 = 0.15 }"
)


def read_recipe(
    content: Table, models: Collection[str] | None, problems: Problems, presets: OwnPresets = NO_PRESETS
) -> Table:
    """Dialect, family, save and steps.

    Args:
        content: the parsed text.
        models: the names that steps may take; None: any.
        problems: collects what is wrong.
        presets: presets of one's own by name.
    """
    check_names((), content, _HEAD, problems)
    _check_format(content, problems)
    family = cast("FamilyName", _choice(("family",), content.get("family", "sd1"), FAMILIES, problems))
    dialect = _choice(("dialect",), content.get("dialect", DEFAULT_DIALECT[family]), tuple(RECIPE_DIALECTS), problems)
    save = _choice(("save",), content.get("save", "fp16"), ("fp16", "computed"), problems)
    reader = _Reader(family, RECIPE_DIALECTS[dialect], models, presets, problems)
    return {"dialect": dialect, "family": family, "save": save, "steps": reader.steps(content.get("steps"))}


def _check_format(content: Table, problems: Problems) -> None:
    found = content.get("format")
    if found is True or found != FORMAT:
        seen = f"is {value_text(found)}" if "format" in content else "is missing"
        problems.add(("format",), seen, f"this program reads recipes with format = {FORMAT}")


class _Reader:
    """Reads steps; what is wrong is collected, and something harmless in its place."""

    def __init__(
        self,
        family: FamilyName,
        dialect: Dialect,
        models: Collection[str] | None,
        presets: OwnPresets,
        problems: Problems,
    ) -> None:
        self._family: FamilyName = family
        self._dialect, self._presets, self._problems = dialect, presets, problems
        self._models = None if models is None else [*models]

    def steps(self, value: object) -> tuple[Step, ...]:
        if not isinstance(value, list) or not value:
            what = "is missing" if value is None else "is empty" if value == [] else "is no list of tables"
            self._problems.add(("steps",), what, 'write [[steps]], with two brackets, and then kind = "merge"')
            return ()
        found: list[Step] = []
        for number, entry in enumerate(cast("list[Any]", value)):
            if step := self._step(("steps", number), entry):
                found.append(step)
            if self._models is not None:
                self._models += [f"step{number + 1}", *([step.name] if step and step.name else [])]
        return tuple(found)

    def _step(self, place: Place, value: object) -> Step | None:
        table = as_table(place, value, self._problems)
        readers = {"merge": self._merge, "self": self._self, "adjust": self._adjust}
        kind = table.get("kind", "merge")
        before = len(self._problems)
        try:
            if isinstance(kind, str) and kind in readers:
                return readers[kind](place, table)
            self._problems.add(
                (*place, "kind"), f"there is no kind of step {seen_text(kind)}", did_you_mean(str(kind), readers)
            )
        except RecipeError as error:
            if len(self._problems) == before:  # else it only follows from problems that are noted already
                self._problems.found += [problem.under(*place) for problem in error.problems]
        return None

    # ------------------------------------------------------------------------------------------------ three kinds

    def _merge(self, place: Place, table: Table) -> MergeStep:
        check_names(place, table, (*_COMMON, *_MERGE), self._problems)
        named = table.get("calculation", NORMAL.name)
        calculation = self._known((*place, "calculation"), named, calculation_mode, NORMAL.name)
        step = MergeStep(
            models=self._names((*place, "models"), table.get("models", ["A", "B"])),
            alpha=self._ratio((*place, "alpha"), table.get("alpha", 0.0)),
            beta=self._ratio((*place, "beta"), table.get("beta", 0.0)),
            mode=self._known((*place, "mode"), table.get("mode", WEIGHT_SUM.name), merge_mode, WEIGHT_SUM.name),
            calculation=calculation,
            elemental=self._rules((*place, "elemental"), table.get("elemental", ""), calculation),
            adjust=self._adjust_values((*place, "adjust"), table["adjust"]) if "adjust" in table else (),
            filter=self._filter(place, table),
            gamma=self._number((*place, "gamma"), table.get("gamma", 0.3)),
            seed=self._seed((*place, "seed"), table.get("seed")),
            extended=self._switch((*place, "extended"), table.get("extended", False)),
            old_arithmetic=self._switch((*place, "old_arithmetic"), table.get("old_arithmetic", False)),
            name=self._name((*place, "name"), table.get("name", "")),
        )
        for name in {*step.unused} & {*table}:
            self._problems.add((*place, name), f"means nothing in {step.mode}, {step.calculation}", "leave it out")
        return step

    def _self(self, place: Place, table: Table) -> SelfStep:
        check_names(place, table, (*_COMMON, "factors"), self._problems)
        if "factors" not in table:
            self._problems.add((*place, "factors"), "is missing", 'write factors = { "OUT05:attn1" = 0.88 }')
        pairs: list[tuple[Site, float]] = []
        for name, value in as_table((*place, "factors"), table.get("factors"), self._problems).items():
            factor = self._number((*place, "factors", name), value)
            with self._problems.collecting(*place, "factors", name):
                site = Site.parse(name)
                if site in dict(pairs):
                    self._problems.add((*place, "factors", name), f"gives {site} a second factor", "leave one of them")
                pairs.append((site, factor))
        return SelfStep(factors=tuple(pairs), name=self._name((*place, "name"), table.get("name", "")))

    def _adjust(self, place: Place, table: Table) -> AdjustStep:
        check_names(place, table, (*_COMMON, "values"), self._problems)
        values = self._adjust_values((*place, "values"), table.get("values"))
        return AdjustStep(values=values or self._zeros, name=self._name((*place, "name"), table.get("name", "")))

    # ------------------------------------------------------------------------------------------------- the values

    @property
    def _zeros(self) -> tuple[float, ...]:
        return (0.0,) * len(self._dialect.adjust_fields)

    def _names(self, place: Place, value: object) -> tuple[str, ...]:
        names = self._texts(place, value)
        if self._models is not None:
            known = [*self._models, PREVIOUS]
            for name in names:
                if name not in known:
                    self._problems.add(place, f"there is no model {name!r}", did_you_mean(name, known))
        return names

    def _known(self, place: Place, value: object, find: Callable[[str], object], usual: str) -> str:
        """The name of a mode; the usual one where there is none of that name."""
        before = len(self._problems)
        text = self._text(place, value)
        with self._problems.collecting(*place):
            if len(self._problems) == before:
                find(text)
        return text if len(self._problems) == before else usual

    def _rules(self, place: Place, value: object, calculation: str) -> str:
        """An elemental text; none where it cannot be read."""
        text = self._text(place, value)
        with self._problems.collecting(*place):
            parse_elemental(text, calculation)
            return text
        return ""

    def _name(self, place: Place, value: object) -> str:
        text = self._text(place, value)
        with self._problems.collecting(*place):
            check_result_name(text)
            return text
        return ""

    def _texts(self, place: Place, value: object) -> tuple[str, ...]:
        if isinstance(value, list) and all(isinstance(entry, str) for entry in cast("list[Any]", value)):
            return tuple(cast("list[str]", value))
        self._problems.add(place, f"is {seen_text(value)}", 'write a list of texts such as ["A", "B"]')
        return ()

    def _ratio(self, place: Place, value: object) -> Ratio:
        if isinstance(value, str):
            return self._row_text(place, value)
        if isinstance(value, dict):
            return self._ratio_table(place, cast("Table", value))
        if not isinstance(value, list):
            return self._number(place, value, _RATIO_HINT)
        row = cast("list[Any]", value)
        if len(row) not in FORMS:
            names = blocks_of(self._family)
            self._problems.add(
                place, f"has {len(row)} numbers", f"write {len(names)}: {', '.join(names[:2])} .. {names[-1]}"
            )
            return 0.0
        return tuple(self._number((*place, n), item) for n, item in enumerate(row))

    def _row_text(self, place: Place, text: str) -> Ratio:
        """SuperMerger's own text: numbers with commas, or the name of a preset."""
        if is_number(text):
            self._problems.add(place, f"is the text {text!r}", f"write the number without quotes: {text.strip()}")
            return 0.0
        if "," not in text:
            with self._problems.collecting(*place):
                return self._ratio(place, [*preset_weights(text, self._presets, self._family)])
            return 0.0
        try:
            return self._ratio(place, [float(word) for word in text.split(",")])
        except ValueError:
            self._problems.add(place, f"{text!r} has something that is no number", _RATIO_HINT)
        return 0.0

    def _ratio_table(self, place: Place, table: Table) -> Ratio:
        blocks = blocks_of(self._family)
        check_names(place, table, ("flat", "preset", *blocks), self._problems)
        numbers = dict.fromkeys(blocks, 0.0)
        if "preset" in table:
            preset = self._ratio((*place, "preset"), str(table["preset"]))
            numbers |= dict(zip(FORMS[len(preset)], preset, strict=True)) if isinstance(preset, tuple) else {}
        if "flat" in table:  # one ratio in the UNet; BASE is asked for by name
            numbers |= dict.fromkeys(blocks[1:], self._number((*place, "flat"), table["flat"]))
        numbers |= {name: self._number((*place, name), table[name]) for name in blocks if name in table}
        return tuple(numbers[name] for name in blocks)

    def _adjust_values(self, place: Place, value: object) -> tuple[float, ...]:
        fields = self._dialect.adjust_fields
        if not fields:
            self._problems.add(place, f"the dialect {self._dialect.name} has no Adjust", "leave it out")
            return ()
        if isinstance(value, str):
            return self._adjust_text(place, value)
        if isinstance(value, dict):
            named = cast("Table", value)
            check_names(place, named, fields, self._problems)
            return tuple(self._number((*place, name), named.get(name, 0)) for name in fields)
        row = cast("list[Any]", value) if isinstance(value, list) else None
        if row is None or len(row) != len(fields):
            seen = "missing" if value is None else f"{len(row)} numbers" if row is not None else repr(value)
            self._problems.add(place, f"is {seen}", f"the dialect {self._dialect.name} has {', '.join(fields)}")
            return self._zeros
        return tuple(self._number((*place, n), item) for n, item in enumerate(row))

    def _adjust_text(self, place: Place, text: str) -> tuple[float, ...]:
        """SuperMerger's text; a word in it, which SuperMerger takes for 0, was meant as something else."""
        words = [word.strip() for word in text.split(",") if word.strip()]
        if strange := [word for word in words if not is_number(word)]:
            what = f"has something that is no number ({', '.join(strange)})"
            self._problems.add(place, what, f"write numbers for {', '.join(self._dialect.adjust_fields)}", seen=text)
            return ()
        with self._problems.collecting(*place):
            return parse_adjust(text, self._dialect)
        return ()

    def _filter(self, place: Place, table: Table) -> Filter | None:
        kinds: list[Literal["include", "exclude"]] = [k for k in ("include", "exclude") if k in table]
        if not kinds:
            return None
        if len(kinds) > 1:
            self._problems.add(place, "has include and exclude", "SuperMerger knows one of them at a time")
        where = (*place, kinds[0])
        content = as_table(where, table[kinds[0]], self._problems)
        check_names(where, content, ("blocks", "elements"), self._problems)
        blocks, elements = (self._texts((*where, name), content.get(name, [])) for name in ("blocks", "elements"))
        with self._problems.collecting(*place):
            return Filter(kind=kinds[0], blocks=blocks, elements=elements)
        return None

    def _text(self, place: Place, value: object) -> str:
        if isinstance(value, str):
            return value
        self._problems.add(place, f"is {seen_text(value)}", "write a text in quotes")
        return ""

    def _switch(self, place: Place, value: object) -> bool:
        if isinstance(value, bool):
            return value
        self._problems.add(place, f"is {seen_text(value)}", "write true or false")
        return False

    def _seed(self, place: Place, value: object) -> int | None:
        if value is None or (isinstance(value, int) and not isinstance(value, bool)):
            return value
        self._problems.add(place, f"is {seen_text(value)}", "write a whole number")
        return None

    def _number(self, place: Place, value: object, hint: str = "write a number such as 0.35") -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= LARGEST:
            self._problems.add(place, f"is {seen_text(value)}", hint)
            return 0.0
        return float(value)


def check_names(place: Place, table: Table, names: Sequence[str], problems: Problems) -> None:
    """Note every name of a table that is unknown there."""
    for name in table:
        if name not in names:
            problems.add((*place, name), "is unknown here", did_you_mean(name, names))


def as_table(place: Place, value: object, problems: Problems) -> Table:
    """A table, or an empty one and a problem."""
    if value is None or isinstance(value, dict):
        return cast("Table", value or {})
    problems.add(place, f"is {seen_text(value)}", "a table is needed")
    return {}


def _choice(place: Place, value: object, choices: Sequence[str], problems: Problems) -> str:
    if isinstance(value, str) and value in choices:
        return value
    what = f"is {seen_text(value)}" if place == ("save",) else f"there is no {place[-1]} {seen_text(value)}"
    unquoted = not isinstance(value, str) and str(value) in choices
    problems.add(place, what, f'write "{value}", in quotes' if unquoted else did_you_mean(str(value), choices))
    return choices[0]


def is_number(text: str) -> bool:
    """Whether a text is a number; infinite ones too."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def seen_text(value: object) -> str:
    """A value as it stands in a recipe file; texts in single quotes."""
    return repr(value) if isinstance(value, str | int) and not isinstance(value, bool) else value_text(value)
