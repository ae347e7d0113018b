"""The panel: the encoders, the scorers, the references; pictures in, one objective out."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from scorers import guards
from scorers.base import Calibration, Looking, Scorer
from scorers.errors import ScorerError
from scorers.features import Features, joined
from scorers.observer import Observer
from scorers.panel_settings import PanelSettings, check_settings
from scorers.preprocess import load_pictures
from scorers.registry import embeddings_of, opened
from scorers.scale import Row, Scale, aligned, mean_of, rate, scale_of
from scorers.statistics import working_size
from scorers.style import Progress, Style
from scorers.tensor_files import sha256_of
from scorers.verdict import Difference, Part, Verdict, influence, interval, jackknife

BASE = "FLAT_50"
FLOOR = -6.0  # of a scaled part: one catastrophe must not flatten everything else a model of the objective sees
VERSION = "1"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fitted:
    recipes: Mapping[str, Features]  # equal slots in equal order, broken pictures left out
    bases: tuple[Features, ...]  # what values are measured from: FLAT_50, or all recipes
    scales: Mapping[str, Scale]


class Panel:
    """Judges recipes by their pictures; ``open`` it, ``calibrate`` it once, then ``judge`` and ``compare``.

    Attributes:
        references: features of the reference pictures.
        observer: looks at pictures.
    """

    def __init__(
        self, settings: PanelSettings, observer: Observer, scorers: Sequence[Scorer], pictures: Sequence[Tensor]
    ) -> None:
        """``pictures`` are the references."""
        self._settings = settings
        self._scorers = tuple(scorers)
        self._fitted: _Fitted | None = None
        self.observer = observer
        self.references = _seen(observer, settings.references, pictures)
        self._limits = guards.Limits.around(self.references.statistics)

    @classmethod
    def open(cls, settings: PanelSettings, device: str | torch.device = "cpu", extra: Sequence[Scorer] = ()) -> Panel:
        """Load the encoders and the references.

        Args:
            settings: what the panel is made of.
            device: of the encoders.
            extra: scorers beyond the built-in ones; each has its weight in ``settings.weights``.

        Raises:
            ScorerError: too few references, files that are not pictures (all named), weights or an encoder that
                cannot be used.
        """
        check_settings(settings, [scorer.name for scorer in extra])
        pictures = load_pictures(settings.references)
        encoders, scorers = opened(settings, device, extra)
        sides = [min(picture.shape[-2:]) for picture in pictures]
        size = working_size([*sides, *([settings.render_size] if settings.render_size else [])])
        looking = [scorer for scorer in scorers if isinstance(scorer, Looking)]
        return cls(settings, Observer(encoders, embeddings_of(scorers), looking, size), scorers, pictures)

    @property
    def version(self) -> str:
        """Hash of everything that decides a verdict besides the calibration recipes' own pictures."""
        made_of = {
            "panel": VERSION,
            "guards": guards.VERSION,
            "sees": dict(self.observer.wanted),
            "scorers": {scorer.name: scorer.version for scorer in self._scorers},
            "weights": {name: float(weight) for name, weight in self._settings.weights.items()},
            "references": sorted(sha256_of(path) for path in self._settings.references),
        }
        return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()

    @property
    def calibration_version(self) -> str:
        """Hash of the calibration recipes' features, on which a verdict's zero and unit depend."""
        digest = hashlib.sha256()
        for label, features in sorted(self._state.recipes.items()):
            digest.update(json.dumps([label, features.slots]).encode())
            for name, values in sorted(features.arrays().items()):
                digest.update(name.encode() + values.tobytes())
        return digest.hexdigest()

    @property
    def scales(self) -> Mapping[str, Scale]:
        """Every scorer's unit, noise and signal-to-noise ratio, as calibration found them."""
        return self._state.scales

    @property
    def _state(self) -> _Fitted:
        if self._fitted is None:
            raise ScorerError("the panel is not calibrated yet; call calibrate() with the features of some recipes")
        return self._fitted

    def features(self, images: Tensor, prompts: Sequence[str], seeds: Sequence[int]) -> Features:
        """Look at a recipe's pictures once; everything else is computed from what this returns.

        Args:
            images: ``[n, 3, h, w]`` float in 0..1, on any device.
            prompts: of the pictures.
            seeds: of the pictures.

        Raises:
            ScorerError: wrong shapes or range, a prompt and seed given twice, or a scorer failed.
        """
        return self.observer.see(images, prompts, seeds, self._limits)

    def reviewed(self, features: Features) -> Features:
        """Features kept from before, with what this panel calls broken.

        Raises:
            ScorerError: they lack something that this panel's scorers read; the pictures must be looked at again.
        """
        lacking = features.lacks(self.observer.wanted)
        if lacking:
            raise ScorerError(f"kept features lack {', '.join(lacking)}; look at the pictures again")
        return guards.marked(features, self._limits)

    def calibrate(self, recipes: Mapping[str, Features]) -> None:
        """Fit the scorers and measure their units and noise.

        Args:
            recipes: label, such as "A", "B", "FLAT_25", to features, all of the same slots; "FLAT_50" is what values
                are measured from when it is there, else the mean of all.

        Raises:
            ScorerError: fewer than three recipes, other slots, too few sound pictures, or a scorer failed.
        """
        same = aligned(recipes)
        calibration = Calibration(recipes=same, references=self.references)
        for scorer in self._scorers:
            scorer.fit(calibration)
        weights = self._settings.weights
        scales = {scorer.name: scale_of(scorer, weights[scorer.name], same) for scorer in self._scorers}
        bases = (same[BASE],) if BASE in same else tuple(same.values())
        self._fitted = _Fitted(recipes=same, bases=bases, scales=scales)

    def judge(self, features: Features) -> Verdict:
        """Judge one recipe.

        On the calibration's slots, or some of them, every picture is compared with the base recipe's picture of the
        same slot. On other slots values are comparable with each other, but not with those of the calibration's.

        Raises:
            ScorerError: the panel is not calibrated, a scorer failed, or fewer than 2 pictures are sound.
        """
        state = self._state
        reasons = guards.infeasible(features)
        if reasons:
            return Verdict(value=None, parts={}, reasons=reasons, standard_error=None)
        used, bases = self._paired(features)
        rows = {scorer.name: self._relative(scorer, used, bases) for scorer in self._scorers}
        parts = {name: self._part(state.scales[name], raw, off, drop) for name, (raw, off, drop) in rows.items()}
        total = sum(state.scales[name].weight * part.scaled for name, part in parts.items())
        error = jackknife(self._weighted({name: drop for name, (_, _, drop) in rows.items()}))
        remarks = tuple(
            f"seed {seed}: {why}" for (_, seed), why in zip(features.slots, features.broken, strict=True) if why
        )
        return Verdict(value=total, parts=parts, reasons=remarks, standard_error=error)

    def _paired(self, features: Features) -> tuple[Features, tuple[Features, ...]]:
        """The sound pictures, and the bases cut to the same slots if they have them all."""
        used = features.take(features.sound)
        if len(used) < 2:
            raise ScorerError(f"{len(used)} sound picture(s); a recipe is judged by 2 at least")
        bases = self._state.bases
        known = {slot: row for row, slot in enumerate(bases[0].slots)}
        rows = [known[slot] for slot in used.slots if slot in known]
        return used, tuple(base.take(rows) for base in bases) if len(rows) == len(used) else bases

    def _relative(self, scorer: Scorer, used: Features, bases: tuple[Features, ...]) -> tuple[float, float, Row]:
        """Raw value, difference from the base, and its influences."""
        own, base = rate(scorer, used), np.mean([rate(scorer, features) for features in bases], axis=0)
        paired = used.slots == bases[0].slots
        off = own - base if paired else own - mean_of(scorer, base)
        return mean_of(scorer, own), mean_of(scorer, off), influence(off, scorer.degree)

    def _part(self, scale: Scale, raw: float, off: float, drop: Row) -> Part:
        error = jackknife(drop)
        scaled = max(FLOOR, off / scale.sigma)
        return Part(raw=raw, scaled=scaled, standard_error=None if error is None else error / scale.sigma)

    def _weighted(self, rows: Mapping[str, Row]) -> Row:
        """Rows of all scorers in objective units, summed; scorers without weight have no part in it."""
        scales = (self._state.scales[name] for name in rows)
        return np.sum(
            [s.weight / s.sigma * row for s, row in zip(scales, rows.values(), strict=True) if s.weight], axis=0
        )

    def compare(self, a: Features, b: Features) -> Difference:
        """How much better ``a`` is than ``b``, over the slots that both have, sound in both; parts are not floored.

        Returns:
            In objective units; the interval is that of the delete-one-slot jackknife, for other prompts and seeds of
            the same kind.

        Raises:
            ScorerError: fewer than 3 common slots, or a scorer failed.
        """
        ours = {slot: row for row, slot in enumerate(a.slots) if not a.broken[row]}
        theirs = {slot: row for row, slot in enumerate(b.slots) if not b.broken[row]}
        common = [slot for slot in ours if slot in theirs]
        if len(common) < 3:
            raise ScorerError(f"{len(common)} slots (prompt and seed) in common; 3 at least are needed to compare")
        left, right = a.take([ours[slot] for slot in common]), b.take([theirs[slot] for slot in common])
        offs = {scorer.name: rate(scorer, left) - rate(scorer, right) for scorer in self._scorers}
        degrees = {scorer.name: scorer.degree for scorer in self._scorers}
        means = {
            s.name: np.array([mean_of(s, offs[s.name])]) for s in self._scorers if self._state.scales[s.name].weight
        }
        error = jackknife(self._weighted({name: influence(off, degrees[name]) for name, off in offs.items()}))
        return interval(float(self._weighted(means)[0]), math.nan if error is None else error, len(common))

    def progress(self, features: Features) -> Progress | None:
        """How far along the way from the base to the references a recipe is; None without style or on other slots."""
        style = next((scorer for scorer in self._scorers if isinstance(scorer, Style)), None)
        used, bases = self._paired(features)
        if style is None or used.slots != bases[0].slots:
            return None
        base = bases[0]
        return style.progress(used, base, list(self._state.recipes.values()))


def _seen(observer: Observer, paths: Sequence[Path], pictures: Sequence[Tensor]) -> Features:
    """Features of the references, whose pictures may have any sizes.

    Raises:
        ScorerError: pictures that show nothing; all are named.
    """
    parts = [observer.see(picture[None], [""], [number]) for number, picture in enumerate(pictures)]
    empty = [f"{path}: {part.broken[0]}" for path, part in zip(paths, parts, strict=True) if part.broken[0]]
    if empty:
        raise ScorerError(f"{len(empty)} of the reference pictures show nothing:\n  " + "\n  ".join(empty))
    return joined(parts)
