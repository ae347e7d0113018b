"""The panel: the encoders, the scorers, the references; pictures in, one objective out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from scorers.base import Calibration, ImageScorer, Scorer
from scorers.encoders.preprocess import short_sides
from scorers.errors import ScorerError
from scorers.extraction import guards
from scorers.extraction.observer import Observer
from scorers.extraction.statistics import working_size
from scorers.features import Features, Slot, Values
from scorers.panel.calibration import Scale, measure_scale, on_common_slots, too_noisy
from scorers.panel.judge import Judge
from scorers.panel.penalties import VERSION as PENALTIES_VERSION
from scorers.panel.penalties import Collapse, picture_penalties, statistic_penalties
from scorers.panel.references import References
from scorers.panel.registry import embeddings_of, open_scorers, report_embeddings
from scorers.panel.settings import FEWEST_REFERENCES, PanelSettings, check_settings
from scorers.panel.verdict import CONFIDENCE, PairedDifference, Verdict
from scorers.reporting.distances import ReferenceDistance, reference_distances
from scorers.reporting.separation import separation
from scorers.scoring.direction import ReferenceDirection

VERSION = "2"
"""Version of how a verdict is put together; part of ``Panel.made_of``."""


class Panel:
    """Judges recipes by their pictures; ``open`` it, ``calibrate`` it once, then ``judge`` and ``compare``.

    Attributes:
        references: features of the reference pictures.
        observer: turns pictures into features.
        scorers: all of them, also those without weight; fitted once the panel is calibrated.
        limits: beyond which a picture counts as broken.
        remarks: what calibration measured of the references, in words.
    """

    def __init__(self, settings: PanelSettings, observer: Observer, scorers: Sequence[Scorer]) -> None:
        self._settings = settings
        self.scorers = tuple(scorers)
        self._embeddings = report_embeddings(settings, scorers)
        self._judge: Judge | None = None
        self._direction: ReferenceDirection | None = None
        self.remarks: tuple[str, ...] = ()
        self.observer = observer
        found = References.look_up(observer, settings.references, settings.kept)
        self.references, self._reference_hashes = found.features, found.hashes
        self.limits = guards.Limits.around(self.references.statistics)

    @classmethod
    def open(cls, settings: PanelSettings, device: str | torch.device = "cpu", extra: Sequence[Scorer] = ()) -> Panel:
        """Load the encoders and the references.

        Args:
            settings: what the panel is made of.
            device: the encoders' device.
            extra: scorers beyond the built-in ones; each has its weight in ``settings.weights``.

        Raises:
            ScorerError: too few references, files that are not pictures (all are named), weights or an encoder that
                cannot be used.
        """
        check_settings(settings, [scorer.name for scorer in extra])
        settings = replace(settings, weights=settings.shared_weights)
        sides = short_sides(settings.references)
        encoders, scorers = open_scorers(settings, device, extra)
        size = working_size([*sides, *([settings.render_size] if settings.render_size else [])])
        image_scorers = [scorer for scorer in scorers if isinstance(scorer, ImageScorer)]
        return cls(settings, Observer(encoders, embeddings_of(scorers), image_scorers, size), scorers)

    @property
    def made_of(self) -> Mapping[str, Any]:
        """Everything that a verdict depends on, except the calibration recipes' pictures; JSON values.

        Studies store it, so keys and values never change without a change of the numbers.
        """
        return {
            "panel": VERSION,
            "guards": guards.VERSION,
            "penalties": PENALTIES_VERSION,
            "keep": sorted(self._settings.keep),
            "sees": dict(self.observer.versions),
            "scorers": {scorer.name: scorer.version for scorer in self.scorers},
            "weights": {name: float(weight) for name, weight in self._settings.weights.items()},
            "references": sorted(self._reference_hashes),
            "words": [self._settings.like, self._settings.unlike] if self._settings.like else [],
            **({"prompt weights": dict(self._settings.prompt_weights)} if self._settings.prompt_weights else {}),
        }

    @property
    def version(self) -> str:
        """SHA-256 of ``made_of``."""
        return hashlib.sha256(json.dumps(self.made_of, sort_keys=True).encode()).hexdigest()

    @property
    def scales(self) -> Mapping[str, Scale]:
        """Every scorer's unit, noise and signal-to-noise ratio, as calibration measured them."""
        return self._state.scales

    @property
    def switched_off(self) -> tuple[str, ...]:
        """Names of the scorers that calibration switched off: reported, but not part of the objective."""
        return tuple(name for name, scale in self.scales.items() if scale.off)

    @property
    def content_embedding(self) -> str | None:
        """Name of the embedding that says what pictures show; None where no scorer reads any."""
        return self._embeddings.content if self._embeddings else None

    @property
    def _state(self) -> Judge:
        if self._judge is None:
            raise ScorerError(
                "the panel is not calibrated yet", remedy="call calibrate() with the features of some recipes"
            )
        return self._judge

    def features(self, images: Tensor, prompts: Sequence[str], seeds: Sequence[int]) -> Features:
        """Compute the features of a recipe's pictures; everything else is computed from what this returns.

        The order of the pictures changes nothing. The batch size moves embeddings by 2e-6 and statistics by 1e-4 of
        their value at most, and verdicts by less than 1e-4 (on a CPU; a GPU was not measured).

        Args:
            images: ``[n, 3, h, w]`` float in 0..1, on any device.
            prompts: the pictures' prompts.
            seeds: the pictures' seeds.

        Raises:
            ScorerError: wrong shapes or range, a prompt and seed given twice, or a scorer failed.
        """
        return self._with_weights(self.observer.see(images, prompts, seeds, self.limits))

    def park(self) -> int:
        """Have the encoders leave the device until they are needed; return the bytes that it has more.

        They come back by themselves, each when it is needed, with the same numbers.
        """
        return self.observer.park()

    def wait_on_host(self) -> int:
        """Have the encoders leave the device after all their work, from now on; return the bytes that it has more."""
        return self.observer.wait_on_host()

    def reviewed(self, features: Features) -> Features:
        """Features stored earlier, with the pictures marked that this panel counts as broken.

        Raises:
            ScorerError: they lack something that this panel's scorers read.
        """
        lacking = features.lacks(self.observer.versions)
        if lacking:
            raise ScorerError(f"kept features lack {', '.join(lacking)}", remedy="compute them from the pictures again")
        return self._with_weights(guards.marked(features, self.limits))

    def _with_weights(self, features: Features) -> Features:
        known = self._settings.picture_weights
        if not known:
            return features
        return replace(features, weights=np.array([known.get(slot, 1.0) for slot in features.slots]))

    def calibrate(self, recipes: Mapping[str, Features], off: Collection[str] | None = None) -> None:
        """Fit the scorers, measure their units and noise, and switch off those that cannot rank recipes.

        Args:
            recipes: label, such as "A", "B", "FLAT_25", to features, all of the same slots. Values are measured from
                "FLAT_50" if it is among them, else from the mean of all.
            off: the scorers to switch off, as an earlier calibration decided; None decides it now.

        Raises:
            ScorerError: fewer than three recipes, different slots, too few intact pictures, or a scorer failed.
        """
        common = on_common_slots(recipes)
        calibration = Calibration(recipes=common, references=self.references)
        embeddings = self._embeddings
        penalties = picture_penalties(embeddings.style) if embeddings else statistic_penalties()
        collapse = Collapse(embeddings.content) if embeddings else None
        for scorer in (*self.scorers, *penalties, *([collapse] if collapse else [])):
            scorer.fit(calibration)
        weights = self._settings.weights
        scales = {scorer.name: measure_scale(scorer, weights[scorer.name], common) for scorer in self.scorers}
        switched_off = too_noisy(scales.values(), self._settings.keep) if off is None else off
        scales = {name: replace(scale, off=name in switched_off) for name, scale in scales.items()}
        self._judge = Judge(self.scorers, scales, penalties, collapse, common)
        self.remarks, self._direction = (), None
        if embeddings and "style" in scales and len(self.references) >= FEWEST_REFERENCES:
            self.remarks = (separation(calibration, embeddings.style).text,)
            self._direction = ReferenceDirection.fit(calibration, embeddings.style)

    @property
    def bases(self) -> tuple[str, ...]:
        """Labels of the calibration recipes that values are measured from: FLAT_50, or all if it is not among them."""
        return self._state.base_labels

    def has_slots(self, slots: Iterable[Slot]) -> bool:
        """Whether the bases' pictures of all these slots are known, intact or broken."""
        return self._state.known_slots.issuperset(slots)

    def add_slots(self, pictures: Mapping[str, Features]) -> None:
        """Add the bases' pictures of further slots, so that recipes can be compared with them there too.

        Units, metric and floors stay as calibration measured them. Pictures that are broken in a base are left out.

        Args:
            pictures: features by label, of all ``bases``, of slots that are not known yet.

        Raises:
            ScorerError: a base is missing, or the slots differ between bases or are known.
        """
        self._state.add_slots(pictures)

    def judge(self, features: Features) -> Verdict:
        """Judge one recipe.

        On slots of the calibration, or those that ``add_slots`` added, every picture is compared with the base recipe's
        picture of the same slot, and pictures of slots that the base lacks are left out. On other slots alone values
        can be compared with each other, but not with those on the calibration's slots; then there is no penalty for
        pictures that are alike or for scores below their floors, because other prompts change both.

        Raises:
            ScorerError: the panel is not calibrated, a scorer failed, or fewer than 2 pictures are intact.
        """
        return self._state.judge(features)

    def compare(self, a: Features, b: Features, *, confidence: float = CONFIDENCE) -> PairedDifference:
        """How much better ``a`` is than ``b``, over the slots whose pictures are intact in both.

        Scaled scores have no floor here. Penalties on single pictures count, penalties on a recipe as a whole do not.

        Args:
            a: features of one recipe.
            b: features of the other.
            confidence: level of the interval, between 0 and 1.

        Returns:
            The difference in objective units; its interval, for other prompts and seeds of the same kind, comes from
            the jackknife that leaves out one slot at a time.

        Raises:
            ScorerError: fewer than 3 common slots, or a scorer failed.
        """
        return self._state.compare(a, b, confidence=confidence)

    def differences(self, a: Features, b: Features) -> dict[Slot, float]:
        """How much better each picture of ``a`` is than that of ``b``, in objective units, by their slots.

        Only slots whose pictures are intact in both; the plain mean is that of ``compare`` where pictures count alike.

        Raises:
            ScorerError: fewer than 3 common slots, or a scorer failed.
        """
        return self._state.differences(a, b)

    def contributions(self, features: Features) -> dict[str, Values]:
        """The contribution of every picture, ``(n,)`` by scorer, in calibration's units; NaN for broken pictures.

        Only differences between pictures of the same slot can be interpreted.

        Raises:
            ScorerError: the panel is not calibrated, or a scorer failed.
        """
        return self._state.contributions(features)

    def pseudo_values(self) -> dict[str, Values]:
        """The jackknife's pseudo-values of the calibration recipes' pictures, ``(n,)`` by label, on the same slots.

        Their mean is the recipe's value and their scatter its noise, also for scores of pairs of pictures (Tukey 1958,
        "Bias and confidence in not-quite large samples").

        Raises:
            ScorerError: the panel is not calibrated, or a scorer failed.
        """
        state = self._state
        return {label: state.pseudo_values(features) for label, features in state.recipes.items()}

    def reference_distances(
        self, recipes: Mapping[str, Features], baselines: Sequence[str]
    ) -> dict[str, ReferenceDistance]:
        """Distances for reports, by label, of recipes rendered on the same slots.

        Args:
            recipes: label to features.
            baselines: labels of parents and FLAT mixes among them.
        """
        return reference_distances(recipes, self.references, baselines, self.content_embedding, self._direction)
