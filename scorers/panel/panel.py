"""The panel: the encoders, the scorers, the references; pictures in, one objective out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from scorers.base import Calibration, Looking, Scorer
from scorers.catalogue.tensor_files import sha256_of
from scorers.encoders.preprocess import load_pictures
from scorers.errors import ScorerError
from scorers.extraction import guards
from scorers.extraction.observer import Observer
from scorers.extraction.statistics import working_size
from scorers.features import Features, Slot, joined
from scorers.panel.calibration import Row, Scale, aligned, scale_of, unable
from scorers.panel.judge import Judge
from scorers.panel.penalties import VERSION as PENALTIES_VERSION
from scorers.panel.penalties import Collapse, excesses, fines
from scorers.panel.registry import embeddings_of, opened
from scorers.panel.settings import FEWEST_REFERENCES, PanelSettings, check_settings
from scorers.panel.verdict import Difference, Verdict
from scorers.reporting.likeness import Likeness, likenesses
from scorers.reporting.separation import separation
from scorers.scoring.aspects import STYLE, aspect_of
from scorers.scoring.direction import Way

VERSION = "2"


class Panel:
    """Judges recipes by their pictures; ``open`` it, ``calibrate`` it once, then ``judge`` and ``compare``.

    Attributes:
        references: features of the reference pictures.
        observer: looks at pictures.
        scorers: built-in and further ones, those that do not count too; fitted once the panel is calibrated.
        limits: what counts as a broken picture.
        remarks: what calibration found out about the references, in words.
    """

    def __init__(
        self, settings: PanelSettings, observer: Observer, scorers: Sequence[Scorer], pictures: Sequence[Tensor]
    ) -> None:
        """``pictures`` are the references."""
        self._settings = settings
        self.scorers = tuple(scorers)
        self._views = _views(settings, scorers)
        self._judge: Judge | None = None
        self._way: Way | None = None
        self.remarks: tuple[str, ...] = ()
        self.observer = observer
        self.references = _seen(observer, settings.references, pictures)
        self.limits = guards.Limits.around(self.references.statistics)

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
        settings = replace(settings, weights=settings.shared_weights)
        encoders, scorers = opened(settings, device, extra)
        sides = [min(picture.shape[-2:]) for picture in pictures]
        size = working_size([*sides, *([settings.render_size] if settings.render_size else [])])
        looking = [scorer for scorer in scorers if isinstance(scorer, Looking)]
        return cls(settings, Observer(encoders, embeddings_of(scorers), looking, size), scorers, pictures)

    @property
    def made_of(self) -> Mapping[str, Any]:
        """Everything that decides a verdict besides the calibration recipes' own pictures, as JSON."""
        return {
            "panel": VERSION,
            "guards": guards.VERSION,
            "penalties": PENALTIES_VERSION,
            "keep": sorted(self._settings.keep),
            "sees": dict(self.observer.wanted),
            "scorers": {scorer.name: scorer.version for scorer in self.scorers},
            "weights": {name: float(weight) for name, weight in self._settings.weights.items()},
            "references": sorted(sha256_of(path) for path in self._settings.references),
            "words": [self._settings.like, self._settings.unlike] if self._settings.like else [],
        }

    @property
    def version(self) -> str:
        """Hash of ``made_of``."""
        return hashlib.sha256(json.dumps(self.made_of, sort_keys=True).encode()).hexdigest()

    @property
    def scales(self) -> Mapping[str, Scale]:
        """Every scorer's unit, noise and signal-to-noise ratio, as calibration found them."""
        return self._state.scales

    @property
    def switched_off(self) -> tuple[str, ...]:
        """Names of the scorers that have a weight and no part in the objective."""
        return tuple(name for name, scale in self.scales.items() if scale.off)

    @property
    def _state(self) -> Judge:
        if self._judge is None:
            raise ScorerError("the panel is not calibrated yet; call calibrate() with the features of some recipes")
        return self._judge

    def features(self, images: Tensor, prompts: Sequence[str], seeds: Sequence[int]) -> Features:
        """Look at a recipe's pictures once; everything else is computed from what this returns.

        The order of the pictures changes nothing. How many are looked at together moves embeddings by 2e-6 and
        statistics by 1e-4 of their value at most, and verdicts by less than 1e-4 (on a CPU; a GPU was not measured).

        Args:
            images: ``[n, 3, h, w]`` float in 0..1, on any device.
            prompts: of the pictures.
            seeds: of the pictures.

        Raises:
            ScorerError: wrong shapes or range, a prompt and seed given twice, or a scorer failed.
        """
        return self.observer.see(images, prompts, seeds, self.limits)

    def reviewed(self, features: Features) -> Features:
        """Features kept from before, with what this panel calls broken.

        Raises:
            ScorerError: they lack something that this panel's scorers read; the pictures must be looked at again.
        """
        lacking = features.lacks(self.observer.wanted)
        if lacking:
            raise ScorerError(f"kept features lack {', '.join(lacking)}; look at the pictures again")
        return guards.marked(features, self.limits)

    def calibrate(self, recipes: Mapping[str, Features], off: Collection[str] | None = None) -> None:
        """Fit the scorers, measure their units and noise, and switch off those that cannot rank recipes.

        Args:
            recipes: label, such as "A", "B", "FLAT_25", to features, all of the same slots; "FLAT_50" is what values
                are measured from when it is there, else the mean of all.
            off: the scorers that are switched off, as an earlier calibration found; None finds out.

        Raises:
            ScorerError: fewer than three recipes, other slots, too few sound pictures, or a scorer failed.
        """
        same = aligned(recipes)
        calibration = Calibration(recipes=same, references=self.references)
        views = self._views
        fined = fines(views.style) if views else excesses()
        collapse = Collapse(views.content) if views else None
        for scorer in (*self.scorers, *fined, *([collapse] if collapse else [])):
            scorer.fit(calibration)
        weights = self._settings.weights
        scales = {scorer.name: scale_of(scorer, weights[scorer.name], same) for scorer in self.scorers}
        silent = unable(scales.values(), self._settings.keep) if off is None else off
        scales = {name: replace(scale, off=name in silent) for name, scale in scales.items()}
        self._judge = Judge(self.scorers, scales, fined, collapse, same)
        self.remarks, self._way = (), None
        if views and "style" in scales and len(self.references) >= FEWEST_REFERENCES:
            self.remarks = (separation(calibration, views.style).text,)
            self._way = Way.learned(calibration, views.style)

    @property
    def bases(self) -> tuple[str, ...]:
        """Labels of the calibration recipes that values are measured from: FLAT_50, or all where it is not there."""
        return self._state.base_labels

    def knows(self, slots: Iterable[Slot]) -> bool:
        """Whether the bases' pictures of all these slots were seen, at calibration or by ``widen``, broken ones too."""
        return self._state.seen.issuperset(slots)

    def widen(self, pictures: Mapping[str, Features]) -> None:
        """Learn the bases' pictures of further slots, so that recipes can be compared with them there too.

        Units, metric and floors stay as calibration found them. Pictures that are broken in a base are left out.

        Args:
            pictures: by label, of all ``bases``, each of slots that are not known yet.

        Raises:
            ScorerError: a base is missing, or slots that differ between bases or are known.
        """
        self._state.widen(pictures)

    def judge(self, features: Features) -> Verdict:
        """Judge one recipe.

        On slots of the calibration, or those that ``widen`` added, every picture is compared with the base recipe's
        picture of the same slot, and pictures of slots that the base lacks are left out. On other slots alone values
        are comparable with each other, but not with those of the calibration's, and nothing is taken for pictures that
        are alike or for parts below their floors: prompts differ in both.

        Raises:
            ScorerError: the panel is not calibrated, a scorer failed, or fewer than 2 pictures are sound.
        """
        return self._state.judge(features)

    def compare(self, a: Features, b: Features) -> Difference:
        """How much better ``a`` is than ``b``, over the slots that both have, sound in both; parts are not floored.

        What single pictures are fined for counts; what a recipe is fined for as a whole does not.

        Returns:
            In objective units; the interval is that of the delete-one-slot jackknife, for other prompts and seeds of
            the same kind.

        Raises:
            ScorerError: fewer than 3 common slots, or a scorer failed.
        """
        return self._state.compare(a, b)

    def contributions(self, features: Features) -> dict[str, Row]:
        """What every picture contributes, ``(n,)`` by scorer, in the scorer's unit; NaN for broken pictures.

        Only differences between pictures of one slot mean something.

        Raises:
            ScorerError: the panel is not calibrated, or a scorer failed.
        """
        return self._state.contributions(features)

    def shares(self) -> dict[str, Row]:
        """What every picture of the calibration recipes adds to its recipe's value, ``(n,)`` by label.

        The jackknife's pseudo-values (Tukey, Bias and confidence in not quite large samples, 1958): a recipe's mean is
        its value, their scatter its noise, also for scores of pairs of pictures. All rows are of the same slots.

        Raises:
            ScorerError: the panel is not calibrated, or a scorer failed.
        """
        state = self._state
        return {label: state.shares(features) for label, features in state.recipes.items()}

    def likenesses(self, looks: Mapping[str, Features], baselines: Sequence[str]) -> dict[str, Likeness]:
        """Report numbers of recipes rendered on the same slots, by label; ``baselines`` are parents and FLAT mixes."""
        return likenesses(looks, self.references, baselines, self._views and self._views.content, self._way)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Views:
    style: str  # the embedding that looks and copies are seen in
    content: str  # the embedding that contents and sets are compared in


def _views(settings: PanelSettings, scorers: Sequence[Scorer]) -> _Views | None:
    """Style is seen where its scorers see it, contents by the main encoder.

    Nothing is embedded for guards and reports alone: they take what the scorers read, and where that is nothing, only
    the statistics are guarded.
    """
    seen = embeddings_of(scorers)
    if not seen:
        return None
    styles = embeddings_of([scorer for scorer in scorers if aspect_of(scorer) == STYLE])
    return _Views(style=next(iter(styles), seen[0]), content=settings.main if settings.main in seen else seen[0])


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
