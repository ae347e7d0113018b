"""The pair's own answer to what people say of blocks: agrees, does not agree, or cannot be told.

A claim that some blocks are strong is tested by the mean size of their effects against the mean of the others, with a
normal interval of the difference; the pair agrees only where most of them are told from noise and stand among
the stronger half of all. Intervals allow for the number of claims that are tested (Bonferroni). Effects of two
knobs on the same shots mostly go up and down together; the interval takes them as independent, so it is too wide rather
than too narrow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot
from statistics import NormalDist, fmean

from studies.after_recipe.probe.drawing.matrix import number_text
from studies.after_recipe.probe.texts.claims import CLAIMS, Changes, Claim, ClaimTest, Stronger
from studies.results.folklore import AGREES, DISAGREES, OPEN, Answer, Folklore, FolkloreAnswer
from studies.results.probe import TIMES_NOISE, KnobEffect, ProbeMethod, ProbeResult

RISK = 0.05
"""Share of false answers that is accepted, of all claims together."""
SD1_FAMILIES = ("sd1", "sd2")
"""Families with the 26 blocks of which the claims speak."""
NOT_MOVED = "the probe did not move what this is about"
"""The reason where a claim cannot be told since a knob or a measure is lacking."""


def answered(result: ProbeResult, method: ProbeMethod | None = None) -> Folklore:
    """Return every claim with the pair's answer; those that can be told come first, in the order of the claims.

    Args:
        result: of the probe.
        method: whose effects count; None: the first with which it was measured.
    """
    if result.family not in SD1_FAMILIES:
        return Folklore(answers=(), remark="The claims speak of the 26 blocks of SD1; this pair has others.")
    used = method or result.methods[0]
    effects = _Effects(result, used)
    tested = [claim for claim in CLAIMS if effects.knows(claim.test)]
    level = NormalDist().inv_cdf(1 - RISK / 2 / max(1, len(tested)))
    answers = [_answer(claim, effects, level) for claim in CLAIMS]
    told = [one for one in answers if one.answer != OPEN]
    agree = sum(one.answer == AGREES for one in told)
    remark = (
        f"Of {len(CLAIMS)} claims, this pair agrees with {agree} and does not with {len(told) - agree}; "
        f"{len(CLAIMS) - len(told)} cannot be told. Another pair may answer otherwise."
    )
    return Folklore(answers=tuple(told + [one for one in answers if one.answer == OPEN]), remark=remark)


class _Effects:
    """The effects of one method, by knob and measure."""

    def __init__(self, result: ProbeResult, method: ProbeMethod) -> None:
        self.signed = {column.name: column.signed for column in result.columns}
        self.blocks = tuple(knob.name for knob in result.knobs if knob.kind == "block")
        self.names = tuple(knob.name for knob in result.knobs)
        self._effects = {
            (one.knob, one.column): one
            for one in result.effects
            if one.method == method and one.effect is not None and one.standard_error is not None
        }

    def of(self, knob: str, measure: str) -> KnobEffect | None:
        """Return an effect that was measured with its error; None where it was not."""
        return self._effects.get((knob, measure))

    def named(self, patterns: Sequence[str]) -> tuple[str, ...]:
        """Return the probed knobs of some names; `*:attn2` stands for all sites of that element."""
        return tuple(
            name
            for name in self.names
            if any(name.endswith(one[1:]) if one.startswith("*") else name == one for one in patterns)
        )

    def sides(self, test: Stronger) -> tuple[list[KnobEffect], list[KnobEffect]]:
        """Return the effects of the knobs that are said to be strong, and those of the others."""
        strong = self.named(test.knobs)
        others = self.named(test.than) if test.than else tuple(name for name in self.blocks if name not in strong)
        mine, theirs = ([self.of(name, test.measure) for name in names] for names in (strong, others))
        return [one for one in mine if one], [one for one in theirs if one]

    def knows(self, test: ClaimTest) -> bool:
        """Whether everything that a test needs was measured."""
        if isinstance(test, Stronger):
            mine, theirs = self.sides(test)
            whole = "*" in "".join(test.knobs) or len(mine) == len(test.knobs)
            return bool(mine and theirs) and whole
        return self.of(test.knob, test.measure) is not None


def _answer(claim: Claim, effects: _Effects, level: float) -> FolkloreAnswer:
    answer, reason = _tested(claim.test, effects, level) if effects.knows(claim.test) else (OPEN, NOT_MOVED)
    return FolkloreAnswer(claim=claim.text, source=claim.source, address=claim.address, answer=answer, reason=reason)


def _tested(test: ClaimTest, effects: _Effects, level: float) -> tuple[Answer, str]:
    if isinstance(test, Stronger):
        return _stronger(*effects.sides(test), test.measure, level)
    effect = effects.of(test.knob, test.measure)
    if effect is None:
        return OPEN, NOT_MOVED
    number = f"{test.measure} {number_text(effect, signed=effects.signed[test.measure])} {TIMES_NOISE}"
    if not effect.clear:
        return OPEN, f"{number}, not told from noise"
    is_so = isinstance(test, Changes) or (effect.effect or 0.0) > 0
    return AGREES if is_so else DISAGREES, number


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanSize:
    """The mean size of some effects, and its standard error; in the unit of the measure."""

    mean: float
    standard_error: float


def mean_size(effects: Sequence[KnobEffect]) -> MeanSize:
    """Return the mean of the sizes of effects, taken as independent."""
    return MeanSize(
        mean=fmean(abs(one.effect or 0.0) for one in effects),
        standard_error=hypot(*(one.standard_error or 0.0 for one in effects)) / len(effects),
    )


def _stronger(
    mine: Sequence[KnobEffect], theirs: Sequence[KnobEffect], measure: str, level: float
) -> tuple[Answer, str]:
    strong, others = mean_size(mine), mean_size(theirs)
    apart = strong.mean - others.mean
    margin = level * hypot(strong.standard_error, others.standard_error)
    places = _places(mine, theirs)
    named = ", ".join(f"{one.knob.partition(':')[2] or one.knob} {place}." for one, place in places)
    what = "what the others do" if len(theirs) > 1 else "what the other does"
    reason = f"{measure}: on average {_times(strong.mean, others.mean)} {what} ({named} of {len(mine) + len(theirs)})"
    if apart < -margin:
        return DISAGREES, reason
    if apart <= margin:
        return OPEN, f"{reason}, within the noise"
    half = (len(mine) + len(theirs)) / 2
    count = sum(one.clear and place <= half for one, place in places)
    return (AGREES, reason) if 2 * count > len(mine) else (OPEN, f"{reason}, but few of those named are strong")


def _times(one: float, other: float) -> str:
    if other <= 0:
        return "more than"
    return f"{one / other:.1f} times" if one / other >= 0.05 else "less than a tenth of"


def _places(mine: Sequence[KnobEffect], theirs: Sequence[KnobEffect]) -> list[tuple[KnobEffect, int]]:
    """Return each knob that is named with its place among all that are compared, by size."""
    ranked = sorted((*mine, *theirs), key=lambda one: -abs(one.effect or 0.0))
    return [(one, place) for place, one in enumerate(ranked, start=1) if one in mine]
