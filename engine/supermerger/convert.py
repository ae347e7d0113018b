"""A recipe in another of SuperMerger's dialects, so that it makes the same model, or with what would differ.

Texts stay as they are where they mean the same. Else block names are written out, and rules are added that give single
tensors what they had. Adjust's fields are translated exactly. The result is checked tensor by tensor, by name; the
arithmetic of the dialects agrees to rounding. EMA copies, which no picture is made with, are left aside.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from engine.architecture.widths import FamilyName
from engine.errors import RecipeError, did_you_mean
from engine.recipes.adjust import to_eight, to_seven
from engine.recipes.blocks import BLOCKS, EXTENDED_BLOCKS, blocks_of, place_of
from engine.recipes.dialects import Dialect, dialect_of
from engine.recipes.elemental import Rule, parse_elemental
from engine.recipes.recipe import Recipe
from engine.recipes.sites import idle_sites
from engine.recipes.steps import AdjustStep, MergeStep, Ratio, SelfStep, Step, as_run, number
from engine.supermerger.effects import Effect, Effects, known_keys
from engine.supermerger.rule_words import RatioNeed, rules_for

_NAMED = 3  # tensors named in a message


@dataclass(frozen=True, slots=True, kw_only=True)
class Converted:
    """A recipe in another dialect.

    Attributes:
        recipe: in the new dialect.
        differences: how its model differs from the old one, one sentence each; empty: the same model.
    """

    recipe: Recipe
    differences: tuple[str, ...]


def convert(recipe: Recipe, dialect: str) -> Converted:
    """Translate a recipe.

    The models are not read, and are taken to have the same keys: of one that A lacks and B and C have, Add
    difference keeps B minus C in 2023, and B since.

    Args:
        recipe: any recipe.
        dialect: the name of the new dialect.

    Raises:
        RecipeError: the new dialect cannot merge the family, or has no such calculation mode.
    """
    new = dialect_of(dialect)
    steps: list[Step] = []
    differences: list[str] = []
    for place, step in enumerate(recipe.steps, start=1):
        found, different = _converted(step, recipe.family, recipe.rules, new)
        steps.append(found)
        differences += [f"step {place}: {sentence}" for sentence in different]
    made = Recipe(steps=tuple(steps), dialect=dialect, family=recipe.family, save=recipe.save)
    return Converted(recipe=made, differences=tuple(differences))


def _converted(step: Step, family: FamilyName, old: Dialect, new: Dialect) -> tuple[Step, list[str]]:
    if isinstance(step, AdjustStep):
        return replace(step, values=_converted_adjust(step.values, family, old, new)), []
    before = as_run(step, family)
    if before.calculation not in new.calculations:
        raise RecipeError(
            f"there is no calculation mode {before.calculation!r} in the dialect {new.name}",
            remedy=did_you_mean(before.calculation, new.calculations),
        )
    target = Effects.of(before, family, old)
    plain = replace(
        before,
        adjust=_converted_adjust(before.adjust, family, old, new),
        old_arithmetic=before.old_arithmetic and not new.native_dtype,
    )
    found = [*_candidates(plain, target, new)]
    if not found:
        raise RecipeError(
            f"these weights and rules have no counterpart in the dialect {new.name}", remedy="write them anew"
        )
    best = min(found, key=lambda one: (len(one.different), one.mended, len(one.run.elemental)))
    keeps = isinstance(step, SelfStep) and best.run == plain and not _idle(step, family, new)
    return step if keeps else best.run, [*_sentences(best, target, new)]


def _idle(step: SelfStep, family: FamilyName, dialect: Dialect) -> bool:
    """Whether the dialect has nothing to multiply at one of the sites, so that it refuses the step."""
    return bool(idle_sites([site for site, _ in step.factors], family, dialect))


def _converted_adjust(values: tuple[float, ...], family: FamilyName, old: Dialect, new: Dialect) -> tuple[float, ...]:
    if not values or len(old.adjust_fields) == len(new.adjust_fields):
        return values
    found = to_eight(values, family) if len(new.adjust_fields) > len(values) else to_seven(values, family)
    return tuple(round(value, 12) for value in found)


# ------------------------------------------------------------------------------------------------------- candidates


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    """A run in the new dialect, whether rules were added to it, and the tensors that differ."""

    run: MergeStep
    mended: bool
    effects: Effects
    different: tuple[str, ...]


def _candidates(plain: MergeStep, target: Effects, new: Dialect) -> Iterator[_Candidate]:
    """Runs to choose from; only the first where it does it already."""
    random_keys = target.random_keys()
    for run, mends in _rewritten(plain, target, new):
        try:
            first = _candidate(run, target, new)
            yield first
            if not first.different:
                return
            if mends:
                yield _candidate(_mended(first, target, random_keys), target, new, mended=True)
        except RecipeError:  # such a text the new dialect refuses; there are others
            continue


def _rewritten(plain: MergeStep, target: Effects, new: Dialect) -> Iterator[tuple[MergeStep, bool]]:
    """The run as it is, with block names written out, and without rules; and whether rules may be added to it."""
    if plain.by_extended_block and not new.extended:
        plain = replace(plain, elemental="", extended=False, **_rows_by_block(plain, target, new))
    exact = plain.elemental
    if new.exact_blocks and not target.dialect.exact_blocks:
        exact = _exact_names(plain)
    texts = {plain.elemental: plain.elemental == exact, exact: True, "": True}
    for filtered in [plain.filter, None] if plain.filter and new.filters else [None]:
        for text, mends in texts.items():
            yield replace(plain, elemental=text, filter=filtered), mends


def _candidate(run: MergeStep, target: Effects, new: Dialect, *, mended: bool = False) -> _Candidate:
    effects = Effects.of(run, target.family, new)
    different = tuple(key for key, effect in target.by_key.items() if effects.by_key[key] != effect)
    return _Candidate(run=run, mended=mended, effects=effects, different=different)


def _mended(candidate: _Candidate, target: Effects, random_keys: frozenset[str]) -> MergeStep:
    """The run with rules behind the others that give tensors the effects they had."""
    needs = _ratio_needs(candidate, target, random_keys)
    rules = rules_for(needs)
    return replace(candidate.run, elemental=",".join(text for text in (candidate.run.elemental, rules) if text))


def _ratio_needs(candidate: _Candidate, target: Effects, random_keys: frozenset[str]) -> Iterator[RatioNeed]:
    effects = candidate.effects
    blocks: dict[str, list[str]] = defaultdict(list)
    for key in known_keys(target.family):
        if name := effects.block_of(key):
            blocks[name].append(key)
    different = {*candidate.different} - random_keys
    for name, keys in blocks.items():
        if different.isdisjoint(keys):
            continue
        ratios = {key: effects.ratio_for(key, target.by_key[key]) for key in keys}
        for ratio in dict.fromkeys(ratio for key in keys if (ratio := ratios[key]) is not None and key in different):
            mine = frozenset(key for key in keys if key in different and ratios[key] == ratio)
            others = (key for key in keys if ratios[key] != ratio and not _indifferent(effects, key))
            yield RatioNeed(block=name, ratio=ratio, keys=mine, others=frozenset(others) - mine)


def _indifferent(effects: Effects, key: str) -> bool:
    """Whether no rule changes anything about a tensor."""
    alone = effects.run.pair.calculation.inputs == "A"
    return alone and any(part in key for part in effects.dialect.self_skips)


# ------------------------------------------------------------------------------------------ block names written out


def _exact_names(run: MergeStep) -> str:
    """The elemental text with the whole names of blocks where it has parts of names."""
    rules = parse_elemental(run.elemental, run.calculation, extended=run.by_extended_block)
    names = EXTENDED_BLOCKS if run.by_extended_block else BLOCKS
    return ",".join(segment for rule in rules if (segment := _segment(rule, names)) is not None)


def _segment(rule: Rule, names: Iterable[str]) -> str | None:
    """A rule as text; None where it meets no block by name."""
    found = [name for name in names if any(token in name for token in rule.blocks)]
    if rule.blocks and not found and not rule.not_blocks:
        return None
    blocks = "" if not found or (len(found) == len([*names]) and not rule.not_blocks) else " ".join(found)
    inverted = "NOT " if rule.not_blocks and blocks else ""
    elements = " ".join(["NOT", *rule.elements] if rule.not_elements else rule.elements)
    ratio = rule.ratio if isinstance(rule.ratio, str) else number(rule.ratio)
    return f"{inverted}{blocks}:{elements}:{ratio}"


# ------------------------------------------------------------------------------------------------- 110 ratios as 20


def _rows_by_block(run: MergeStep, target: Effects, new: Dialect) -> dict[str, Ratio]:
    """Alpha and beta by block instead of by extended id: in every block what most of its tensors have."""
    if not any(isinstance(ratio, tuple) and len(ratio) == len(EXTENDED_BLOCKS) for ratio in (run.alpha, run.beta)):
        return {}
    found: list[dict[str, Counter[float]]] = [defaultdict(Counter), defaultdict(Counter)]
    for key, effect in target.by_key.items():
        place = place_of(key, target.family, new)
        if place is not None and effect is not None:
            for side, ratio in zip(found, effect, strict=True):
                side[place[0]][ratio] += 1
    names = blocks_of(target.family)
    alpha, beta = (tuple(side[name].most_common(1)[0][0] if side[name] else 0.0 for name in names) for side in found)
    return {"alpha": alpha, "beta": beta if isinstance(run.beta, tuple) else run.beta}


# -------------------------------------------------------------------------------------------------- what is different


def _sentences(best: _Candidate, target: Effects, new: Dialect) -> Iterator[str]:
    """What differs, the tensors with the same reason together."""
    groups: Mapping[str, list[str]] = defaultdict(list)
    for key in best.different:
        groups[_difference_reason(key, best, target, new)].append(key)
    for reason, found in groups.items():
        named = ", ".join(found[:_NAMED])
        more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        yield f"{reason}: {named}{more}"


def _difference_reason(key: str, best: _Candidate, target: Effects, new: Dialect) -> str:
    old_effect, new_effect = target.by_key[key], best.effects.by_key[key]
    before, after = _effect_text(old_effect, target), _effect_text(new_effect, best.effects)
    change = f"{before} in {target.dialect.name}, {after} in {new.name}"
    mode = best.run.pair.calculation
    if mode.inputs == "A" and any(part in key for part in new.self_skips) and old_effect:
        return f"{change}, whose {mode.name} never touches {', '.join(new.self_skips)}"
    if best.effects.block_of(key) is None:
        return f"{change}, which never merges these"
    if old_effect and new_effect and old_effect[1] != new_effect[1]:
        return f"{change}, where they belong to another block, and no rule changes beta"
    return change


def _effect_text(effect: Effect, effects: Effects) -> str:
    if effect is None:
        return "as in A"
    beta = f", beta {number(effect[1])}" if effect[1] else ""
    return f"{effects.run.pair.calculation.ratio_noun} {number(effect[0])}{beta}"
