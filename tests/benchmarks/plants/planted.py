"""Searches whose answer is known: references drawn by a planted recipe of the sample world, held-out shots to judge.

Plants are drawn by a rule that nobody tuned (``plant``); those that some FLAT mix already comes close to are left out.
What is measured of a recipe, on 64 prompts and seeds that neither the search nor the references have:

- ``part``: how much of the squared distance from the best of eleven FLAT mixes to the planted recipe is gone, 0 to 1.
  The planted recipe's own pictures of the same shots are known here, so distance is measured to these, shot by shot, in
  the metric of the style score and without bias: what the score would be with any number of pictures and references.
- ``score``: the panel's held-out score, as part of the way from the best FLAT's to the planted recipe's.
- ``lead``: the panel's own comparison with the FLAT mix or parent that does best in the proof, with its standard error.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from engine.recipes.recipe import Recipe
from engine.shots.shot import Shot
from scorers.encoders.opened import EncoderFiles
from scorers.features import Features
from scorers.panel.panel import Panel
from scorers.panel.settings import PanelSettings
from scorers.panel.verdict import PairedDifference
from scorers.scoring.style import Style
from search.history import Point, Slots, TrialRecord
from search.plan import SearchPlan
from search.space.build import build_space
from search.suggester import Suggester
from studies.drawing.sheets import as_bytes
from studies.sample.scenery.contents import CONTENTS
from studies.sample.shipping.gate import FIELDS, FLATS, SITES
from studies.sample.world import CHECKPOINTS, WORLD, SampleWorld, write_world
from tests.benchmarks.plants.kept_features import KeptFeatures

SPACE = build_space(sites=SITES, adjust=tuple(FIELDS))
SIDE, STEPS, CFG = 112, 5, 1.0
"""Side of the pictures in pixels, steps, guidance: subjects and looks are still drawn, for 0.4 of the demo's time."""
CALIBRATION = 4
"""Random recipes that calibrate the panel, beside A, B and three FLAT mixes."""
FAR = 4.0
"""A plant counts if its squared distance from the best FLAT is so many standard errors."""
BETTER = 0.3
"""and if the panel itself thinks it so much better, on the search's shots, than the best calibration recipe."""
RIVALS = (0.0, 1.0, 0.25, 0.5, 0.75)
"""What a study's proof compares its finalists with: A, B, and three FLAT mixes."""
CROSSED = frozenset({*(f"IN{n:02d}" for n in range(4, 9)), *(f"OUT{n:02d}" for n in range(2, 6))})
"""Blocks whose parents change places in the crossed pair; they cut through four of the six groups of the search."""
_CAPTIONS = [content.caption for content in CONTENTS]
random.Random(7).shuffle(_CAPTIONS)


def shots_of(prompts: Sequence[str], seed: int) -> list[Shot]:
    """One picture a prompt."""
    return [
        Shot(prompt=prompt, seed=seed + n, cfg=CFG, width=SIDE, height=SIDE, steps=STEPS)
        for n, prompt in enumerate(prompts)
    ]


SEARCHED = shots_of(_CAPTIONS[:16], 1)
PROOF = shots_of(_CAPTIONS[16:40], 3001)
HELD_OUT = shots_of(_CAPTIONS[16:48] * 2, 1001)
REFERENCES = shots_of(_CAPTIONS[48:], 5001)
"""Four sets that share no picture; the last two share no prompt with the first."""


def drawn(slots: Slots) -> list[Shot]:
    """The search's shots, or those of some slots: from 16 on the same prompts with other seeds."""
    if not slots:
        return SEARCHED
    count = len(SEARCHED)
    return [replace(SEARCHED[n % count], seed=SEARCHED[n % count].seed + 100_003 * (n // count)) for n in slots]


def plant(number: int) -> dict[str, float]:
    """Every group nearly all A or nearly all B, at random; no multipliers and no Adjust values.

    Block weights decide the look here: each group holds a share of one axis of it. Ratios further inside make looks
    that some FLAT mix has as well.
    """
    draw = np.random.default_rng([number, 2026])
    point = dict(SPACE.neutral)
    for knobs in SPACE.groups.values():
        ratio, side = float(draw.integers(2)), abs(draw.normal(0, 0.15, len(knobs)))
        point |= {knob.name: knob.clip(abs(ratio - away)) for knob, away in zip(knobs, side, strict=True)}
    return {knob.name: knob.tidy(float(point[knob.name])) for knob in SPACE.free}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two parents: those of a packed pair, or these with some blocks changed for one another.

    A is then the packed A with the packed B's blocks there, and B the reverse, so ``u`` there is ``1 - u`` of the
    packed pair. Other recipes are FLAT mixes, and groups of blocks hold other shares of the looks. Both parents draw
    cleanly, since the packed pair was trained as what any merge by blocks stands for.
    """

    name: str
    crossed: frozenset[str] = frozenset()

    def recipe(self, point: Point) -> Recipe:
        """Return a point's recipe, as one of the packed pair."""
        turned = {k.name: k.tidy(k.low + k.high - point[k.name]) for k in SPACE.free if k.name in self.crossed}
        return SPACE.decode({**point, **turned})


SHIPPED, CROSSED_PAIR = Pair(name="shipped"), Pair(name="crossed", crossed=CROSSED)
PAIRS = {pair.name: pair for pair in (SHIPPED, CROSSED_PAIR)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a recipe comes to on the held-out shots."""

    part: float
    part_error: float
    score: float
    lead: PairedDifference
    reported: PairedDifference
    """The same on the proof's shots, which is what a study tells of its winner."""
    claimed: bool
    """Whether a study would call it a winner: better than both parents and the best FLAT mix, beyond the noise."""


@dataclass(frozen=True, kw_only=True)
class Planted:
    """One planted recipe with its calibrated panel, and how far along the way to it others are."""

    name: str
    """The plant's number, or the FLAT mix whose look is wanted, where there is nothing to find."""
    pair: Pair
    target: Point
    kept: KeptFeatures
    panel: Panel

    @property
    def findable(self) -> bool:
        """Whether something beats every FLAT mix: whether the wanted look is not that of one."""
        return not SPACE.is_flat(self.target)

    def features(self, point: Point, shots: Sequence[Shot]) -> Features:
        """Return what the panel sees of a point's pictures."""
        return self.panel.reviewed(self.kept.features(self.pair.recipe(point), shots, self.panel.observer))

    def tell(self, point: Point, number: int, stage: str, slots: Slots = ()) -> TrialRecord:
        """Make an ordinary trial, on the search's shots or on those of some slots, where FLAT_50 is made first."""
        shots = drawn(slots)
        if not self.panel.has_slots((shot.prompt, shot.seed) for shot in shots):
            self.panel.add_slots({"FLAT_50": self.features(SPACE.flat(0.5), shots)})
        verdict = self.panel.judge(self.features(point, shots))
        return TrialRecord(
            number=number, stage=stage, point=point, value=verdict.value, standard_error=verdict.standard_error,
            infeasible=verdict.value is None, slots=slots,
        )  # fmt: skip

    def proved(self, point: Point) -> float:
        """Return the score on the proof's shots, by which finalists are told apart."""
        return self._value(self.features(point, PROOF))

    @cached_property
    def flats(self) -> dict[float, Features]:
        """Held-out pictures of eleven FLAT mixes, by ratio."""
        return {ratio: self.features(SPACE.flat(ratio), HELD_OUT) for ratio in FLATS}

    @cached_property
    def way(self) -> tuple[float, float]:
        """Least squared distance of a FLAT mix from the planted recipe, and its standard error."""
        apart = (self._distance(look, HELD_OUT) for look in self.flats.values())
        return min(apart, key=lambda pair: pair[0])

    @cached_property
    def best_flat(self) -> float:
        """The ratio with the best held-out score."""
        return max(self.flats, key=lambda ratio: self._value(self.flats[ratio]))

    @cached_property
    def rival(self) -> float:
        """The FLAT mix that does best in the proof, which is what a study compares its winner with."""
        return max(RIVALS[2:], key=lambda ratio: self.proved(SPACE.flat(ratio)))

    @cached_property
    def _searched_way(self) -> float:
        looks = (self.features(SPACE.flat(ratio), SEARCHED) for ratio in RIVALS)
        return min(self._distance(look, SEARCHED)[0] for look in looks)

    def part_on_trial(self, point: Point) -> float:
        """Return the part of the way by the trial's own 16 pictures, shot by shot beside the planted recipe's.

        It tells without further pictures which trials were near; a search cannot know it.
        """
        return 1 - self._distance(self.features(point, SEARCHED), SEARCHED)[0] / self._searched_way

    def found(self, point: Point) -> Found:
        """Judge a recipe on the held-out shots."""
        look, proof = self.features(point, HELD_OUT), self.features(point, PROOF)
        squared, error = self._distance(look, HELD_OUT)
        low, high = (self._value(self.features(p, HELD_OUT)) for p in (SPACE.flat(self.best_flat), self.target))
        rivals = (0.0, 1.0, self.rival)
        reported = [self.panel.compare(proof, self.features(SPACE.flat(ratio), PROOF)) for ratio in rivals]
        return Found(
            part=1 - squared / self.way[0] if self.findable else np.nan,
            part_error=error / self.way[0] if self.findable else np.nan,
            score=(self._value(look) - low) / (high - low) if self.findable else np.nan,
            lead=self.panel.compare(look, self.features(SPACE.flat(self.rival), HELD_OUT)),
            reported=reported[-1],
            claimed=all(one.low > 0 for one in reported),
        )

    def _value(self, look: Features) -> float:
        value = self.panel.judge(look).value
        return -np.inf if value is None else value

    def _distance(self, look: Features, shots: Sequence[Shot]) -> tuple[float, float]:
        """Squared distance from the planted recipe's mean picture, unbiased, with its jackknife standard error."""
        style = next(s for s in self.panel.scorers if isinstance(s, Style))
        apart = style.relative(look) - style.relative(self.features(self.target, shots))
        count, total, own = len(apart), apart.sum(0), np.square(apart).sum(1)
        whole = float((total @ total - own.sum()) / (count * (count - 1)))
        others = total - apart
        without = (np.square(others).sum(1) - (own.sum() - own)) / ((count - 1) * (count - 2))
        return whole, float(np.sqrt((count - 1) / count * np.square(without - without.mean()).sum()))


class World:
    """A pair's files, with all that earlier runs kept of its pictures in a folder.

    The pair is the sample world's, or another one that was packed as that is, with its blocks crossed or not.
    """

    def __init__(self, folder: Path, packed: Path = WORLD, pair: Pair = SHIPPED) -> None:
        self._folder, self.pair = folder, pair
        self._files: SampleWorld = write_world(folder / "checkpoints", packed=packed, names=CHECKPOINTS)
        self.kept = KeptFeatures(folder / "features", self._files)

    def plants(self, count: int) -> Iterator[Planted]:
        """Return the first plants that are far enough from every FLAT mix; say which are not."""
        chosen = 0
        for number in itertools.count():
            if chosen == count:
                return
            planted = self.planted(str(number), plant(number))
            if _is_far(planted):
                chosen += 1
                yield planted

    def planted(self, name: str, target: Mapping[str, float]) -> Planted:
        """Draw the references of a look, and calibrate a panel."""
        panel = self._panel(name, target)
        planted = Planted(name=name, pair=self.pair, target=target, kept=self.kept, panel=panel)
        calibration = Suggester(space=SPACE, plan=SearchPlan(calibration=CALIBRATION), seed=1).calibration()
        panel.calibrate({one.label: planted.features(one.point, SEARCHED) for one in calibration})
        return planted

    def flat_look(self, ratio: float) -> Planted:
        """Return a study with nothing to find: its references were drawn by a FLAT mix."""
        return self.planted(f"FLAT_{100 * ratio:02.0f}", SPACE.flat(ratio))

    def _panel(self, name: str, target: Mapping[str, float]) -> Panel:
        folder = self._folder / "references" / f"{self.pair.name}-{name}"
        paths = [folder / f"{n:02d}.png" for n in range(len(REFERENCES))]
        if not all(path.exists() for path in paths):
            folder.mkdir(parents=True, exist_ok=True)
            pictures = as_bytes(self.kept.pictures(self.pair.recipe(target), REFERENCES))
            for path, picture in zip(paths, pictures, strict=True):
                Image.fromarray(picture).save(path)
        clip = EncoderFiles(config=self._files.clip_config, weights=self._files.clip_weights)
        kept = self._folder / "looked_at"
        return Panel.open(PanelSettings(encoders={"clip": clip}, references=tuple(paths), render_size=SIDE, kept=kept))


def _is_far(planted: Planted) -> bool:
    calibration = Suggester(space=SPACE, plan=SearchPlan(calibration=CALIBRATION), seed=1).calibration()
    best = max(planted.tell(one.point, 0, "flat").value or -np.inf for one in calibration)
    verdict = planted.panel.judge(planted.features(planted.target, SEARCHED))
    squared, error = planted.way
    fines = ", ".join(f"{fine.name} {fine.amount:.2f}" for fine in verdict.penalties) or "nothing"
    is_far = squared >= FAR * error and verdict.value is not None and verdict.value >= best + BETTER
    print(
        f"plant {planted.name} of the {planted.pair.name} pair: {squared:.2f} +- {error:.2f} from the nearest FLAT; on "
        f"the search's shots {verdict.value if verdict.value is not None else np.nan:+.2f}, fined for {fines}, best of "
        f"calibration {best:+.2f}{'' if is_far else ': left out'}",
        flush=True,
    )
    return is_far


def unit(point: Point) -> np.ndarray:
    """A point as parts of every knob's range."""
    return np.array([(point[knob.name] - knob.low) / (knob.high - knob.low) for knob in SPACE.free])


def one_thread() -> None:
    """Shares of a busy machine are compared best by processor time of one thread."""
    torch.set_num_threads(1)
