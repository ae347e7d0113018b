"""Searches whose answer is known: references drawn by a planted recipe of the sample world, held-out shots to judge.

Plants are drawn by a rule that nobody tuned (``plant``); those that some FLAT mix already comes close to are left out.
Three things are measured of a recipe, on 64 prompts and seeds that neither the search nor the references have:

- ``part``: how much of the squared distance from the best of eleven FLAT mixes to the planted recipe is gone, 0 to 1.
  The planted recipe's own pictures of the same shots are known here, so distance is measured to these, shot by shot, in
  the metric of the style score and without bias: what the score would be with any number of pictures and references.
- ``score``: the panel's held-out score, as part of the way from the best FLAT's to the planted recipe's.
- ``lead``: the panel's own comparison with the best FLAT, with its standard error.
"""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from engine.engine import Engine
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
from studies.sample.shipping.judging import CFG, SIDE, STEPS
from studies.sample.world import CHECKPOINTS, WORLD, SampleWorld, write_world

SPACE = build_space(sites=SITES, adjust=tuple(FIELDS))
PLAN = SearchPlan(line=6, groups=8, blocks=12, self_mode=4, adjust=6, refine=6, calibration=4)
"""The demo's."""
TRIALS = 42
"""What a search may spend beyond the nine calibration recipes, in trials: as many as the plan has."""
FAR = 4.0
"""A plant counts if its squared distance from the best FLAT is so many standard errors."""
BETTER = 0.3
"""and if the panel itself thinks it so much better, on the search's shots, than the best calibration recipe."""
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
REFERENCES = shots_of(_CAPTIONS[48:] * 2, 5001)
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
class Found:
    """What a recipe comes to on the held-out shots."""

    part: float
    part_error: float
    score: float
    lead: PairedDifference
    reported: PairedDifference
    """The same on the proof's shots, which is what a study tells of its winner."""
    value: float
    """The objective on the search's own shots."""


@dataclass(slots=True, kw_only=True)
class Planted:
    """One planted recipe with its panel, and how far along the way to it others are."""

    number: int
    engine: Engine
    panel: Panel
    references: Tensor
    wanted: Features
    flats: dict[float, Features]
    calibrated: list[TrialRecord]
    """The calibration recipes, judged."""
    costs: dict[str, float]
    widened: set[Slots] = field(default_factory=set[Slots])

    def features(self, recipe: Recipe, shots: Sequence[Shot]) -> Features:
        """Render and look."""
        self.engine.build(recipe)
        return _look(self.panel, self.engine.render(shots), shots)

    def tell(self, point: Point, number: int, stage: str, slots: Slots = ()) -> TrialRecord:
        """Make an ordinary trial, on the search's shots or on those of some slots, where FLAT_50 is made first."""
        if slots and slots[0] >= len(SEARCHED) and slots not in self.widened:
            self.panel.add_slots({"FLAT_50": self.features(SPACE.decode(SPACE.flat(0.5)), drawn(slots))})
            self.widened.add(slots)
        verdict = self.panel.judge(self.features(SPACE.decode(point), drawn(slots)))
        return TrialRecord(
            number=number, stage=stage, point=point, value=verdict.value, standard_error=verdict.standard_error,
            infeasible=verdict.value is None, slots=slots,
        )  # fmt: skip

    def proved(self, point: Point) -> float:
        """The score on the proof's shots, by which finalists are told apart."""
        return self._value(self.features(SPACE.decode(point), PROOF))

    def cost(self, name: str, work: Callable[[], object]) -> float:
        """Processor time of some work, in trials; measured once a world."""
        if "trial" not in self.costs:
            self.costs["trial"] = seconds_of(lambda: self.features(Recipe.flat(0.55), SEARCHED))
        if name not in self.costs:
            self.costs[name] = seconds_of(work) / self.costs["trial"]
        return self.costs[name]

    @property
    def way(self) -> tuple[float, float]:
        """Least squared distance of a FLAT mix from the planted recipe, and its standard error."""
        return min((self._distance(look) for look in self.flats.values()), key=lambda pair: pair[0])

    @property
    def best_flat(self) -> float:
        """The ratio with the best held-out score."""
        return max(self.flats, key=lambda ratio: self._value(self.flats[ratio]))

    def found(self, point: Point) -> Found:
        """Judge a recipe on the held-out shots."""
        look, flat = self.features(SPACE.decode(point), HELD_OUT), self.flats[self.best_flat]
        told = [self.features(SPACE.decode(one), PROOF) for one in (point, SPACE.flat(self.best_flat))]
        squared, error = self._distance(look)
        least, _ = self.way
        low, high = self._value(flat), self._value(self.wanted)
        return Found(
            part=1 - squared / least,
            part_error=error / least,
            score=(self._value(look) - low) / (high - low),
            lead=self.panel.compare(look, flat),
            reported=self.panel.compare(*told),
            value=self.tell(point, 0, "refine").value or np.nan,
        )

    def _value(self, look: Features) -> float:
        value = self.panel.judge(look).value
        return -np.inf if value is None else value

    def _distance(self, look: Features) -> tuple[float, float]:
        """Squared distance from the planted recipe's mean picture, unbiased, with its jackknife standard error."""
        style = next(s for s in self.panel.scorers if isinstance(s, Style))
        apart = style.relative(look) - style.relative(self.wanted)
        count, total, own = len(apart), apart.sum(0), np.square(apart).sum(1)
        whole = float((total @ total - own.sum()) / (count * (count - 1)))
        others = total - apart
        without = (np.square(others).sum(1) - (own.sum() - own)) / ((count - 1) * (count - 2))
        return whole, float(np.sqrt((count - 1) / count * np.square(without - without.mean()).sum()))


class World:
    """A pair's engine, and pictures of FLATs and calibration recipes, which are the same for all plants.

    The pair is the sample world's, or another one that was packed as that is.
    """

    def __init__(self, folder: Path, packed: Path = WORLD) -> None:
        self._folder = folder
        self._files: SampleWorld = write_world(folder, packed=packed, names=CHECKPOINTS)
        self.engine = Engine.open({"A": self._files.a, "B": self._files.b})
        self._known: dict[tuple[str, int], Tensor] = {}
        self._costs: dict[str, float] = {}

    def plants(self, count: int) -> list[Planted]:
        """Return the first plants that are far enough from every FLAT mix; say which are not."""
        chosen: list[Planted] = []
        for number in itertools.count():
            if len(chosen) == count:
                return chosen
            planted = self.planted(number)
            verdict = planted.panel.judge(planted.features(SPACE.decode(plant(number)), SEARCHED))
            best = max(one.value for one in planted.calibrated if one.value is not None)
            squared, error = planted.way
            fines = ", ".join(f"{fine.name} {fine.amount:.2f}" for fine in verdict.penalties) or "nothing"
            said = (
                f"plant {number}: {squared:.2f} +- {error:.2f} from FLAT {planted.best_flat:g}; on the search's shots "
                f"{verdict.value:+.2f}, fined for {fines}, best of calibration {best:+.2f}"
            )
            if squared >= FAR * error and verdict.value is not None and verdict.value >= best + BETTER:
                print(said, flush=True)
                chosen.append(planted)
            else:
                print(f"{said}: left out", flush=True)
        raise AssertionError("numbers do not end")

    def planted(self, number: int) -> Planted:
        """Draw the references and calibrate a panel."""
        panel, references = self._panel(number)
        calibration = Suggester(space=SPACE, plan=PLAN, seed=1).calibration()
        looks = {one.label: self._features(panel, SPACE.decode(one.point), SEARCHED) for one in calibration}
        panel.calibrate(looks)
        self.engine.build(SPACE.decode(plant(number)))
        wanted = _look(panel, self.engine.render(HELD_OUT), HELD_OUT)
        flats = {ratio: self._features(panel, Recipe.flat(ratio), HELD_OUT) for ratio in FLATS}
        told = [
            TrialRecord(
                number=n, stage="flat", point=one.point, value=verdict.value, standard_error=verdict.standard_error
            )
            for n, one in enumerate(calibration)
            if (verdict := panel.judge(looks[one.label])).value is not None
        ]
        return Planted(
            number=number, engine=self.engine, panel=panel, references=references, wanted=wanted, flats=flats,
            calibrated=told, costs=self._costs,
        )  # fmt: skip

    def _panel(self, number: int) -> tuple[Panel, Tensor]:
        self.engine.build(SPACE.decode(plant(number)))
        pictures = self.engine.render(REFERENCES)
        folder = self._folder / f"references-{number}"
        folder.mkdir(exist_ok=True)
        paths = [folder / f"{n:02d}.png" for n in range(len(pictures))]
        for path, picture in zip(paths, as_bytes(pictures), strict=True):
            Image.fromarray(picture).save(path)
        clip = EncoderFiles(config=self._files.clip_config, weights=self._files.clip_weights)
        return Panel.open(PanelSettings(encoders={"clip": clip}, references=tuple(paths), render_size=SIDE)), pictures

    def _features(self, panel: Panel, recipe: Recipe, shots: Sequence[Shot]) -> Features:
        key = (recipe.key, shots[0].seed)
        if key not in self._known:
            self.engine.build(recipe)
            self._known[key] = self.engine.render(shots)
        return _look(panel, self._known[key], shots)


def _look(panel: Panel, pictures: Tensor, shots: Sequence[Shot]) -> Features:
    return panel.features(pictures, [shot.prompt for shot in shots], [shot.seed for shot in shots])


def seconds_of(work: Callable[[], object]) -> float:
    """Processor time of some work, the second of two runs."""
    work()
    began = time.process_time()
    work()
    return time.process_time() - began


def unit(point: Point) -> np.ndarray:
    """A point as parts of every knob's range."""
    return np.array([(point[knob.name] - knob.low) / (knob.high - knob.low) for knob in SPACE.free])


def one_thread() -> None:
    """Shares of a busy machine are compared best by processor time of one thread."""
    torch.set_num_threads(1)
