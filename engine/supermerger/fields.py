"""What is set in SuperMerger's window for one run, as the texts and switches that it has there.

mergehistory.csv, the metadata of merged files and X/Y/Z plots all hold these; each is read by way of them. What a mode
does not use (beta in Weight sum, gamma in most) is not kept in the run that is made of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from engine.architecture.widths import FamilyName
from engine.errors import Named, RecipeError, did_you_mean
from engine.modes.pair import pair_of
from engine.modes.registry import MERGE_MODES
from engine.recipes.adjust import parse_adjust
from engine.recipes.blocks import BLOCKS, EXTENDED_BLOCKS, XL_BLOCKS
from engine.recipes.dialects import Dialect
from engine.recipes.elemental import parse_elemental
from engine.recipes.presets import NO_PRESETS, OwnPresets
from engine.recipes.recipe import Recipe
from engine.recipes.steps import Filter, MergeStep, Ratio, number
from engine.supermerger.weights import USUAL_RANDOM, RandomSettings, WeightsText, parse_weights, weights_line

FilterMode = Literal["Off", "Include", "Exclude"]

OLD_ARITHMETIC = "use old calc method"
"""What SuperMerger calls it among its save settings."""
GAMMA = 0.3
"""Where its gamma slider stands at first."""

_FILTER_NAMES = frozenset({*BLOCKS, *EXTENDED_BLOCKS, "Adjust", "VAE"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFields:
    """The settings of one run.

    Attributes:
        models: names of A, B and C, or "" for an empty C.
        mode: merge mode; ``Twice`` and its like, which SuperMerger takes too, are understood.
        calculation: calculation mode.
        mbw: whether "use MBW" is ticked, so that the weights count and not the sliders.
        alpha: slider.
        beta: slider.
        weights_alpha: BASE first, or a preset's name.
        weights_beta: the same for beta.
        elemental: elemental text.
        adjust: Adjust text.
        seed: of random numbers in weights and rules; None: there is none.
        gamma: slider.
        filter_mode: Off, Include or Exclude.
        filtered: names of blocks and parts of keys that the filter names, mixed.
        random: the settings of random numbers in weights.
        extended: "use extended XL".
        old_arithmetic: "use old calc method".
    """

    models: tuple[str, ...] = ("A", "B", "")
    mode: str = "Weight sum"
    calculation: str = "normal"
    mbw: bool = False
    alpha: float = 0.0
    beta: float = 0.0
    weights_alpha: str = ""
    weights_beta: str = ""
    elemental: str = ""
    adjust: str = ""
    seed: int | None = None
    gamma: float = GAMMA
    filter_mode: FilterMode = "Off"
    filtered: tuple[str, ...] = ()
    random: RandomSettings = USUAL_RANDOM
    extended: bool = False
    old_arithmetic: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A recipe made of somebody else's text.

    Attributes:
        recipe: what it says.
        sources: what is known of its models, by name: a file name, a hash.
        notes: what the text does not say, or says in vain.
    """

    recipe: Recipe
    sources: dict[str, str]
    notes: tuple[str, ...] = ()


def mode_of(text: str) -> str:
    """The merge mode that a text means; SuperMerger goes by a part of the name, as in ``Twice``.

    Raises:
        RecipeError: none.
    """
    for name, mode in MERGE_MODES.items():
        if mode.mark in text:
            return name
    raise RecipeError(f"there is no merge mode {text!r}", remedy=did_you_mean(text, MERGE_MODES))


def fields_of(run: MergeStep, dialect: Dialect, family: FamilyName) -> RunFields:
    """What to set for a run.

    One ratio beside a row of weights is written as a row of its own, since "use MBW" is one switch for both.

    Raises:
        RecipeError: the dialect is not SuperMerger's.
    """
    check_is_supermergers(dialect)
    by_block = run.pair.beta_by_block
    mbw = isinstance(run.alpha, tuple) or (isinstance(run.beta, tuple) and by_block)
    alpha, beta = (
        (_filled_row(run.alpha, run.beta, family), _filled_row(run.beta, run.alpha, family)) if mbw else ((), ())
    )
    chosen = run.filter
    return RunFields(
        models=(*run.models, "")[:3],
        mode=run.mode,
        calculation=run.calculation,
        mbw=mbw,
        alpha=_slider(alpha or run.alpha),
        beta=_slider(run.beta),
        weights_alpha=weights_line(alpha),
        weights_beta=weights_line(beta) if mbw and by_block else "",
        elemental=run.elemental,
        adjust=adjust_line(run.adjust),
        seed=run.seed,
        gamma=run.gamma,
        filter_mode="Off" if chosen is None else "Include" if chosen.kind == "include" else "Exclude",
        filtered=(*chosen.blocks, *chosen.elements) if chosen else (),
        extended=run.extended,
        old_arithmetic=run.old_arithmetic and not dialect.native_dtype,
    )


def check_is_supermergers(dialect: Dialect) -> None:
    """Refuse the dialect that is not SuperMerger's.

    Raises:
        RecipeError: it is AUTOMATIC1111's.
    """
    if dialect.webui:
        raise RecipeError(
            "the recipe is for AUTOMATIC1111's own merger (dialect webui), which has none of SuperMerger's texts",
            remedy="translate it with recipe-search recipe convert --dialect classic",
        )


def _filled_row(ratio: Ratio, other: Ratio, family: FamilyName) -> tuple[float, ...]:
    if isinstance(ratio, tuple):
        return ratio
    count = len(other) if isinstance(other, tuple) else len(XL_BLOCKS if family == "sdxl" else BLOCKS)
    return (ratio,) * count


def _slider(ratio: Ratio) -> float:
    return ratio[0] if isinstance(ratio, tuple) else ratio


def adjust_line(values: tuple[float, ...]) -> str:
    """The Adjust text, ``0,0,0,-1,0,1,1,1``; "" for none."""
    return ",".join(number(value) for value in values)


def step_of(fields: RunFields, dialect: Dialect, family: FamilyName, own: OwnPresets = NO_PRESETS) -> MergeStep:
    """The run that these settings make.

    Args:
        fields: the settings.
        dialect: of the SuperMerger that they were made in.
        family: of the models.
        own: presets of one's own by name.

    Raises:
        RecipeError: a text cannot be read; with the name of the field and the place in it.
    """
    pair = pair_of(mode_of(fields.mode), fields.calculation)
    by_block = pair.beta_by_block
    alpha = _parsed_weights(fields, "alpha", dialect, family, own) if fields.mbw else fields.alpha
    beta = _parsed_weights(fields, "beta", dialect, family, own) if fields.mbw and by_block else fields.beta
    more = [ratio.elemental for ratio in (alpha, beta) if isinstance(ratio, WeightsText) and ratio.elemental]
    rules = ",".join([*([fields.elemental] if fields.elemental.strip() else []), *more])
    _check_random_rules(rules, fields)
    return MergeStep(
        models=_models_taken(fields.models, pair.models),
        mode=pair.merge.name,
        calculation=fields.calculation,
        alpha=_numbers_or_slider(alpha),
        beta=_numbers_or_slider(beta),
        elemental=rules,
        adjust=parse_adjust(fields.adjust, dialect),
        filter=_filter_set(fields),
        gamma=fields.gamma,
        seed=fields.seed,
        extended=fields.extended,
        old_arithmetic=fields.old_arithmetic,
    )


def _check_random_rules(rules: str, fields: RunFields) -> None:
    """Refuse random rules with other settings than the usual ones, which a recipe has no place for."""
    if fields.random == USUAL_RANDOM:
        return
    letters = {rule.ratio for rule in parse_elemental(rules, fields.calculation) if isinstance(rule.ratio, str)}
    usual = replace(fields.random, alpha_limits=USUAL_RANDOM.alpha_limits, beta_limits=USUAL_RANDOM.beta_limits)
    if "X" not in letters:
        usual = replace(usual, lower=USUAL_RANDOM.lower, upper=USUAL_RANDOM.upper)
    if letters and usual != USUAL_RANDOM:
        raise RecipeError(
            f"recipes draw random ratios of rules ({', '.join(sorted(letters))}) between 0 and 1, with "
            f"{USUAL_RANDOM.decimals} decimals, and have no place for other limits",
            remedy="leave the limits out, or write numbers in the rules",
        )


def _parsed_weights(
    fields: RunFields,
    side: Literal["alpha", "beta"],
    dialect: Dialect,
    family: FamilyName,
    own: OwnPresets,
) -> WeightsText:
    text = fields.weights_alpha if side == "alpha" else fields.weights_beta
    try:
        return parse_weights(text, family, dialect, own=own, seed=fields.seed, side=side, random=fields.random)
    except RecipeError as error:
        raise error.under(Named(f"weights {side}")) from None


def _numbers_or_slider(ratio: WeightsText | float) -> Ratio:
    return ratio.numbers if isinstance(ratio, WeightsText) else ratio


def _models_taken(names: tuple[str, ...], count: int) -> tuple[str, ...]:
    """A, B and, where the mode takes it, C; an empty C is A, as in SuperMerger."""
    a, b, c = (*names, "", "")[:3]
    return (a, b) if count == 2 else (a, b, c or a)


def _filter_set(fields: RunFields) -> Filter | None:
    names = [name for name in fields.filtered if name and name != "print"]
    if fields.filter_mode == "Off":
        return None
    return Filter(
        kind="include" if fields.filter_mode == "Include" else "exclude",
        blocks=tuple(name for name in names if name in _FILTER_NAMES),
        elements=tuple(name for name in names if name not in _FILTER_NAMES),
    )
