"""A recipe as tables for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table

from engine.recipes.dialects import EIGHT_FIELDS, SEVEN_FIELDS, Dialect
from engine.recipes.elemental import Rule, ignored_segments, parse_elemental
from engine.recipes.recipe import Recipe
from engine.recipes.steps import FORMS, AdjustStep, MergeStep, Ratio, SelfStep, Step, number
from studies.recipes.inputs import RecipeInput

_BLOCKS_A_ROW = (12, 6, 4, 3)
"""How many blocks a row may have, the most first."""


def overview(source: RecipeInput) -> Iterator[Any]:
    """Lines and tables for a rich console: the whole recipe, then notes on it."""
    recipe = source.recipe
    dialect = recipe.rules
    yield f"recipe {recipe.key}"
    whose = f"SuperMerger's dialect {dialect.name} (commit {dialect.commit})"
    if dialect.webui:
        whose = f"dialect {dialect.name}, the Checkpoint Merger of {dialect.commit}"
    yield f"{whose}, {recipe.family}, saved {_saved(recipe)}"
    for name in recipe.models:
        yield f"model {name}: {source.models.get(name) or source.sources.get(name) or 'any'}"
    for place, step in enumerate(recipe.steps, start=1):
        yield ""
        yield f"step {place}{f', {step.name}' if step.name else ''}: {_step_title(step)}"
        yield from _step(step, dialect)
    for note in source.notes:
        yield f"note: {note}"


def _saved(recipe: Recipe) -> str:
    return "as fp16 after each step" if recipe.save == "fp16" else "as computed after each step"


def _recipe_table(*headings: str, title: str | None = None) -> Table:
    table = Table(title=title, title_justify="left")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def _step_title(step: Step) -> str:
    if isinstance(step, SelfStep):
        return "self, factors on the result so far"
    if isinstance(step, AdjustStep):
        return "adjust on the result so far"
    return f"{step.mode}, {step.calculation}, of {', '.join(step.models)}"


def _step(step: Step, dialect: Dialect) -> Iterator[Any]:
    if isinstance(step, SelfStep):
        table = _recipe_table("block", "element", "factor")
        for site, factor in step.factors:
            table.add_row(site.block, site.element or "all of it", number(factor))
        yield table
    elif isinstance(step, AdjustStep):
        yield _adjust_table(step.values)
    else:
        yield from _merge(step, dialect)


def _merge(step: MergeStep, dialect: Dialect) -> Iterator[Any]:
    yield from _ratio("alpha", step.alpha)
    if step.beta:
        yield from _ratio("beta", step.beta)
    if step.elemental:
        yield from _elemental(step)
    if step.adjust:
        yield _adjust_table(step.adjust)
    if step.filter:
        named = [*step.filter.blocks, *step.filter.elements]
        yield f"{step.filter.kind}: {', '.join(named) or 'nothing'}"
    if "gamma" not in step.unused:
        yield f"gamma: {number(step.gamma)}"
    if step.seed is not None:
        yield f"seed: {step.seed}"
    if step.extended:
        yield "extended blocks: on"
    if step.old_arithmetic and not dialect.native_dtype:
        yield "use old calc method: on"


def _ratio(name: str, ratio: Ratio) -> Iterator[Any]:
    if not isinstance(ratio, tuple):
        yield f"{name}: {number(ratio)} everywhere"
        return
    if len({*ratio[1:]}) == 1:
        yield f"{name}: BASE {number(ratio[0])}, all other blocks {number(ratio[1])}"
        return
    yield _Blocks(name, FORMS[len(ratio)], ratio)


class _Blocks:
    """Rows of blocks of one kind, names above numbers; as many in a row as the terminal has room for."""

    def __init__(self, name: str, names: Sequence[str], ratio: Sequence[float]) -> None:
        self.name, self.names = name, names
        self.numbers = [number(round(one, 4)) for one in ratio]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw it."""
        unbounded = options.update(max_width=1000)
        tables = [self._table(count) for count in _BLOCKS_A_ROW]
        fitting = (one for one in tables if Measurement.get(console, unbounded, one).maximum <= options.max_width)
        yield next(fitting, tables[-1])

    def _table(self, count: int) -> Table:
        name, table = self.name, Table.grid(padding=(0, 1))
        for _ in range(count + 1):
            table.add_column(justify="right", no_wrap=True)
        for row in _block_rows(self.names, count):
            table.add_row(name, *(block for _, block in row))
            table.add_row("", *(self.numbers[place] for place, _ in row))
            name = ""
        return table


def _block_rows(names: Sequence[str], count: int) -> Iterator[list[tuple[int, str]]]:
    row: list[tuple[int, str]] = []
    for place, name in enumerate(names):
        kind = name.rstrip("0123456789")
        if row and (kind != row[0][1].rstrip("0123456789") or len(row) == count):
            yield row
            row = []
        row.append((place, name))
    yield row


def _elemental(step: MergeStep) -> Iterator[Any]:
    table = _recipe_table("blocks", "elements", "ratio", title="elemental rules, the last one that fits wins")
    for rule in parse_elemental(step.elemental, step.calculation, extended=step.by_extended_block):
        table.add_row(_tokens(rule, "blocks"), _tokens(rule, "elements"), _rule_ratio_text(rule))
    if table.row_count:
        yield table
    for segment in ignored_segments(step.elemental, step.calculation):
        yield f"ignored, as SuperMerger does: {segment}"


def _tokens(rule: Rule, what: str) -> str:
    words: tuple[str, ...] = getattr(rule, what)
    if not words:
        return "all"
    return ("all but " if getattr(rule, f"not_{what}") else "") + " ".join(word or "(any)" for word in words)


def _rule_ratio_text(rule: Rule) -> str:
    return rule.ratio if isinstance(rule.ratio, str) else number(rule.ratio)


def _adjust_table(values: Sequence[float]) -> Table:
    names = SEVEN_FIELDS if len(values) == len(SEVEN_FIELDS) else EIGHT_FIELDS
    table = _recipe_table(*names, title="Adjust")
    table.add_row(*map(number, values))
    return table
