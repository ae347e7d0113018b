"""The steps of a recipe, as frozen values.

A ``MergeStep`` is one run of SuperMerger, everything that can be set for it. ``SelfStep`` and ``AdjustStep`` are the
two runs that work on the result so far and have so little to say that they read better alone; ``as_run`` writes them
out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from engine.architecture.widths import FamilyName
from engine.errors import Problem, RecipeError
from engine.modes.pair import ModePair, pair_of
from engine.modes.record import limits_text
from engine.modes.self_factor import SELF
from engine.recipes.blocks import BLOCKS, ELEMENTAL_NAMES, EXTENDED_BLOCKS, XL_BLOCKS, Site, block_hint
from engine.recipes.dialects import EIGHT_FIELDS, SEVEN_FIELDS
from engine.recipes.elemental import LARGEST, parse_elemental

Ratio = float | tuple[float, ...]
"""One number for every key, or 26, 20 or 110 numbers, one a block (``BLOCKS``, ``XL_BLOCKS``, ``EXTENDED_BLOCKS``)."""

FORMS: dict[int, tuple[str, ...]] = {len(form): form for form in (BLOCKS, XL_BLOCKS, EXTENDED_BLOCKS)}
PREVIOUS = "previous"
"""The name, in a step's models, of what the step before it made."""

NUMBERED = re.compile(r"step\d+")
"""The name that every step's result has by its number: step1, step2, ..."""

DEFAULTS: dict[str, float | None] = {"beta": 0.0, "gamma": 0.3, "seed": None}
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """SuperMerger's Include/Exclude: which keys a run may touch.

    Attributes:
        kind: whether the named keys are the only ones touched, or the only ones left alone.
        blocks: names of blocks, in SDXL IN00..IN08, M00, OUT00..OUT08, not the shifted names of elemental rules; in the
            dialect ``head`` also the 110 ids; also ``Adjust`` (the six tensors of Adjust) and ``VAE``.
        elements: parts of key names.
    """

    kind: Literal["include", "exclude"]
    blocks: tuple[str, ...] = ()
    elements: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        known = {*BLOCKS, *EXTENDED_BLOCKS, "Adjust", "VAE"}
        if strange := [name for name in self.blocks if name not in known]:
            raise RecipeError.of(
                Problem(
                    place=(self.kind, "blocks"),
                    what=f"there is no block {name!r}",
                    remedy=block_hint(name, (*BLOCKS, "Adjust", "VAE")),
                )
                for name in strange
            )
        if "" in self.elements:
            raise RecipeError(
                "an empty element is part of every key", place=(self.kind, "elements"), remedy="leave it out"
            )

    @property
    def chooses(self) -> bool:
        """Whether it names anything; SuperMerger merges every key where nothing is ticked, in Include too."""
        return bool(self.blocks or self.elements)


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeStep:
    """One run of SuperMerger.

    Attributes:
        models: names of A, B and, where the mode takes three, C: models of the recipe, results of earlier steps, or
            ``previous``.
        alpha: ratio by block; what it weighs depends on the mode (in Weight sum, it is the share of B).
        beta: second ratio, of modes that have one.
        mode: merge mode, one of ``engine.modes.registry``.
        calculation: calculation mode, one of the dialect's.
        elemental: elemental text, see ``engine.recipes.elemental``.
        adjust: seven or eight Adjust fields, or none.
        filter: Include or Exclude.
        gamma: the option of some calculation modes.
        seed: of calculation modes that draw random numbers, and of random elemental ratios.
        extended: SDXL, dialect ``head``: elemental rules speak of the 110 ids.
        old_arithmetic: SuperMerger's option "use old calc method".
        name: what later steps call the result; without one, ``step1``, ``step2``, ... by its place.
    """

    models: tuple[str, ...] = ("A", "B")
    alpha: Ratio = 0.0
    beta: Ratio = 0.0
    mode: str = "Weight sum"
    calculation: str = "normal"
    elemental: str = ""
    adjust: tuple[float, ...] = ()
    filter: Filter | None = None
    gamma: float = 0.3
    seed: int | None = None
    extended: bool = False
    old_arithmetic: bool = False
    name: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "mode", self.pair.merge.name)
        _check_models(self)
        for what, ratio in (("alpha", self.alpha), ("beta", self.beta)):
            object.__setattr__(self, what, _checked_ratio(what, ratio))
        object.__setattr__(self, "adjust", _checked_adjust(self.adjust))
        _check_numbers(self)
        for name in self.unused:
            object.__setattr__(self, name, DEFAULTS[name])

    @property
    def pair(self) -> ModePair:
        """The records of its modes."""
        return pair_of(self.mode, self.calculation)

    @property
    def unused(self) -> tuple[str, ...]:
        """Those of beta, gamma and seed that mean nothing in this mode; they are kept at their defaults."""
        rules = parse_elemental(self.elemental, self.calculation, extended=self.by_extended_block)
        used = {
            "beta": self.pair.uses_beta,
            "gamma": self.pair.calculation.gamma,
            "seed": self.pair.calculation.seed or any(isinstance(rule.ratio, str) for rule in rules),
        }
        return tuple(name for name, is_used in used.items() if not is_used)

    @property
    def by_extended_block(self) -> bool:
        """Whether blocks are meant by their 110 ids."""
        return self.extended or (isinstance(self.alpha, tuple) and len(self.alpha) == len(EXTENDED_BLOCKS))


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfStep:
    """Multiplies the weights of some sites of the result so far (calculation mode ``self``).

    A key takes the factor of the last site (in site order) that matches it; which keys are never multiplied, and what
    a factor of 0 does, the dialect says.

    Attributes:
        factors: (site, factor) pairs; kept sorted by site, and a factor of 1 only where another one of its block comes
            before it, which it may undo.
        name: what later steps call the result.
    """

    factors: tuple[tuple[Site, float], ...]
    name: str = ""

    def __post_init__(self) -> None:
        sites = [site for site, _ in self.factors]
        if twice := sorted({str(site) for site in sites if sites.count(site) > 1}):
            raise RecipeError(f"a self step has two factors for {', '.join(twice)}", remedy="leave one")
        numbers = _checked_numbers((factor for _, factor in self.factors), [str(site) for site in sites], "factor")
        object.__setattr__(self, "factors", _effective_factors(sorted(zip(sites, numbers, strict=True))))
        check_result_name(self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdjustStep:
    """Adjust on the result so far.

    Attributes:
        values: eight fields, or seven in the dialect ``2023``; useful values lie within -10 .. 10.
        name: what later steps call the result.
    """

    values: tuple[float, ...]
    name: str = ""

    def __post_init__(self) -> None:
        if not self.values:
            raise RecipeError(
                "an adjust step has no values", remedy=f"write {len(EIGHT_FIELDS)}: {', '.join(EIGHT_FIELDS)}"
            )
        object.__setattr__(self, "values", _checked_adjust(self.values))
        check_result_name(self.name)


Step = MergeStep | SelfStep | AdjustStep


def is_neutral(step: Step) -> bool:
    """Whether a self or adjust step changes nothing."""
    if isinstance(step, SelfStep):
        return not step.factors
    return isinstance(step, AdjustStep) and not any(step.values)


def as_run(step: Step, family: FamilyName) -> MergeStep:
    """A step as the run of SuperMerger it stands for.

    Args:
        step: any step.
        family: of the models; SuperMerger has other names for the blocks of SDXL in elemental rules.
    """
    if isinstance(step, SelfStep):
        rules = elemental(step.factors, family)
        models = (PREVIOUS, PREVIOUS)
        return MergeStep(models=models, alpha=1.0, calculation=SELF.name, elemental=rules, name=step.name)
    if isinstance(step, AdjustStep):
        return MergeStep(models=(PREVIOUS, PREVIOUS), adjust=step.values, name=step.name)
    return step


def elemental(factors: Iterable[tuple[Site, float]], family: FamilyName = "sd1") -> str:
    """The elemental text of some sites, ``OUT05 OUT08:attn1:0.88``.

    Blocks with the same rules share their segments; the order within a block is kept, since the last rule wins.
    """
    names = ELEMENTAL_NAMES if family == "sdxl" else {}
    rules: dict[str, tuple[tuple[str, float], ...]] = {}
    for site, factor in factors:
        block = names.get(site.block, site.block)
        rules[block] = (*rules.get(block, ()), (site.element, factor))
    blocks: dict[tuple[tuple[str, float], ...], list[str]] = {}
    for block, rule in rules.items():
        blocks.setdefault(rule, []).append(block)
    segments = [f"{' '.join(names)}:{element}:{number(f)}" for rule, names in blocks.items() for element, f in rule]
    return ",".join(segments)


def number(value: float) -> str:
    """The shortest text that reads back as the same number: 0.35, 1, -0.2."""
    text = repr(float(value))
    return text.removesuffix(".0")


# ---------------------------------------------------------------------------------------------------------- checks


def check_name(name: str) -> None:
    """Refuse what cannot be the name of a model.

    Raises:
        RecipeError: it is no plain word.
    """
    if not _NAME.fullmatch(name):
        raise RecipeError(f"{name!r} is no name of a model", remedy="write a plain word such as A or Mind_alpha")


def check_result_name(name: str) -> None:
    """Refuse what cannot be the name of a step's result ("" is none).

    Raises:
        RecipeError: it is no plain word, or one that means something already.
    """
    if name:
        check_name(name)
    if name == PREVIOUS or NUMBERED.fullmatch(name):
        raise RecipeError(
            f"a result cannot be called {name!r}, which steps have as names anyway", remedy="choose another"
        )


def _effective_factors(pairs: list[tuple[Site, float]]) -> tuple[tuple[Site, float], ...]:
    kept: list[tuple[Site, float]] = []
    for site, factor in pairs:
        if factor != 1 or any(other.block == site.block for other, _ in kept):
            kept.append((site, factor))
    return tuple(kept)


def _check_models(step: MergeStep) -> None:
    needed = step.pair.models
    if len(step.models) != needed:
        raise RecipeError(
            f"{step.mode}, {step.calculation}: takes {needed} models, not {len(step.models)} "
            f"({', '.join(step.models) or 'none'})",
            remedy=f"write models = {list('ABC'[:needed])}",
        )
    for name in step.models:
        check_name(name)
    check_result_name(step.name)


def _checked_ratio(what: str, ratio: Ratio) -> Ratio:
    if isinstance(ratio, int | float):
        return _checked_numbers((ratio,), ("every block",), what)[0]
    if len(ratio) not in FORMS:
        raise RecipeError(
            f"{what} has {len(ratio)} numbers",
            remedy=f"it needs one, or {len(BLOCKS)} (BASE, IN00..IN11, M00, OUT00..OUT11), {len(XL_BLOCKS)} (SDXL: "
            f"BASE, IN00..IN08, M00, OUT00..OUT08) or {len(EXTENDED_BLOCKS)} (put a BASE of 0 "
            "in front of UNet weights alone)",
        )
    return _checked_numbers(ratio, FORMS[len(ratio)], what)


def _checked_adjust(values: tuple[float, ...]) -> tuple[float, ...]:
    if values and len(values) not in {len(SEVEN_FIELDS), len(EIGHT_FIELDS)}:
        raise RecipeError(
            f"Adjust has {len(values)} values",
            remedy=f"it needs {len(EIGHT_FIELDS)}: {', '.join(EIGHT_FIELDS)} (in the dialect 2023, "
            f"{len(SEVEN_FIELDS)}: {', '.join(SEVEN_FIELDS)})",
        )
    return _checked_numbers(values, SEVEN_FIELDS if len(values) == len(SEVEN_FIELDS) else EIGHT_FIELDS, "Adjust value")


def _check_numbers(step: MergeStep) -> None:
    _checked_numbers((step.gamma,), (step.calculation,), "gamma")
    if step.seed is not None and not 0 <= step.seed < 2**32:
        raise RecipeError(f"the seed is {step.seed}", remedy=f"write a whole number from 0 to {2**32 - 1}")
    if step.seed is None and "seed" not in step.unused:
        what = step.calculation if step.pair.calculation.seed else "a random ratio"
        raise RecipeError(f"{what} needs a seed", remedy="write one, such as seed = 1")
    _check_limits(step)


def _check_limits(step: MergeStep) -> None:
    mode = step.pair.calculation
    if mode.beta == "number" and isinstance(step.beta, tuple):
        raise RecipeError(f"{mode.name}: beta has {len(step.beta)} numbers", remedy="write one number for all blocks")
    limited = (("alpha", step.alpha, mode.alpha_limits), ("beta", step.beta, mode.beta_limits),
               ("gamma", step.gamma, mode.gamma_limits))  # fmt: skip
    for name, value, (low, high) in limited:
        for number in value if isinstance(value, tuple) else (value,):
            if name not in step.unused and not low <= number <= high:
                remedy = f"it must be {limits_text((low, high))}"
                raise RecipeError(f"{mode.name}: {name} is {number}", remedy=remedy)


def _checked_numbers(values: Iterable[float], names: Iterable[str], what: str) -> tuple[float, ...]:
    found = tuple(float(value) + 0.0 for value in values)  # + 0.0 makes a plain 0 of -0
    for value, name in zip(found, names, strict=False):
        if not abs(value) <= LARGEST:
            raise RecipeError(f"the {what} of {name} is {value}", remedy="write a number")
    return found
