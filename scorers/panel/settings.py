"""What a panel is made of, how the style weight is divided between scorers, and settings that cannot work."""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from engine.errors import Problem, Problems, did_you_mean
from scorers.catalogue import lookup as catalogue
from scorers.catalogue.sources import EncoderFiles, FileFinder
from scorers.errors import ScorerError, ScorerWarning
from scorers.features import Slot
from scorers.scoring.plugins import entry_points
from scorers.scoring.text_axis import NEUTRAL
from scorers.scoring.watch import TIME_LIMIT_S

PRECISIONS = ("fp32", "fp16", "bf16")
"""The number formats that encoders can run in."""
FEWEST_REFERENCES = 4
"""The fewest reference pictures that the style score can learn from."""
FEW_REFERENCES = 8
"""With fewer reference pictures than this there is a warning: their mean is a vague target."""
TEXT_SHARE = 0.3
"""The share of the style weight that the text scorer gets when there are words and enough references."""
TEXT_SHARE_FEW = 0.7
"""The share of the style weight that the text scorer gets with fewer than ``FEWEST_REFERENCES`` references."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelSettings:
    """What a panel is made of.

    Attributes:
        encoders: files of encoders by name; those of the catalogue are looked for in ``folder``.
        main: name of the encoder for style and prompts.
        references: pictures of the target style; at least 4, or 1 where ``like`` is given. 16 to 64 pictures of
            diverse subjects are good.
        like: the target style in words, or "".
        unlike: in words, what pictures should be less like than ``like``.
        weights: scorer to weight, at least 0; a scorer of weight 0 is only reported. Names are those of
            ``scorers.catalogue.lookup``, files and entry points of ``scorers.scoring.plugins``.
        keep: scorers that stay on even if their noise hides the differences between the calibration recipes.
        folder: where published files are looked for.
        files: published files elsewhere, by the name of their encoder or scorer.
        here: the folder that paths of plug-ins are relative to.
        trusted: files of plug-ins that may run, as ``scorers.scoring.plugins.open_plugin`` takes them; None: all.
        time_limit_s: seconds that one call of a plug-in may take; 0: as long as it likes.
        kept: the folder in which the references' features are kept for the next start, made where the folder above it
            is there; None: nowhere.
        precision: the number format that encoders run in, fp32, fp16 or bf16; half of the memory for numbers that are a
            little different, see the README. It is part of the panel's version.
        wait_on_host: whether encoders wait in main memory whenever they are not at work, so that all of the device is
            there for rendering.
        render_size: short side of the renders in pixels, where it may be less than the references'.
        picture_weights: how much the pictures of a prompt and seed count, above 0, 1 where none is given; empty: all
            count alike.
        prompt_weights: the weights that trials are judged by, as reports name them: prompt to weight.
    """

    encoders: Mapping[str, EncoderFiles] = field(default_factory=dict[str, EncoderFiles])
    main: str = "clip"
    references: tuple[Path, ...]
    like: str = ""
    unlike: str = NEUTRAL
    weights: Mapping[str, float] = field(default_factory=lambda: {"style": 1.0, "clip": 0.2, "stats": 0.3})
    keep: frozenset[str] = frozenset()
    folder: Path | None = None
    files: Mapping[str, Path] = field(default_factory=dict[str, Path])
    here: Path = Path()
    trusted: frozenset[tuple[str, str]] | None = None
    time_limit_s: float = TIME_LIMIT_S
    kept: Path | None = None
    precision: str = "fp32"
    wait_on_host: bool = False
    render_size: int | None = None
    picture_weights: Mapping[Slot, float] = field(default_factory=dict[Slot, float])
    prompt_weights: Mapping[str, float] = field(default_factory=dict[str, float])

    @property
    def shared_weights(self) -> dict[str, float]:
        """Weights of all scorers, with the style weight divided as in ``divide_style_weight``."""
        return divide_style_weight(self.weights, len(self.references), words=bool(self.like))

    def file_finder(self) -> FileFinder:
        """Where the files of these settings are looked for.

        Raises:
            ScorerError: ``files`` names an encoder or scorer that does not exist.
        """
        return FileFinder(self.main, self.encoders, self.folder, self.files)


def divide_style_weight(weights: Mapping[str, float], references: int, *, words: bool) -> dict[str, float]:
    """All scorers of a panel with their weights; 0 for those that are only reported.

    The weight of ``style`` is that of several scorers together. With words, ``text`` gets ``TEXT_SHARE`` of it, unless
    the weights name ``text`` themselves. With fewer than ``FEWEST_REFERENCES`` references ``margin`` takes the place of
    ``style``, and ``text`` gets ``TEXT_SHARE_FEW``.

    Args:
        weights: as the user gives them.
        references: the number of reference pictures.
        words: whether the target style is given in words too.
    """
    whole = weights.get("style")
    if whole is None:
        return dict(weights)
    few = references < FEWEST_REFERENCES
    others = {name: weight for name, weight in weights.items() if name != "style"}
    image, reported = ("margin", ()) if few else ("style", ("lda", "margin"))
    share = (TEXT_SHARE_FEW if few else TEXT_SHARE) if words and "text" not in weights else 0.0
    divided = {image: whole * (1 - share)} | ({"text": whole * share} if words else {})
    return divided | others | {name: 0.0 for name in reported if name not in others}


def check_settings(settings: PanelSettings, extra: Sequence[str]) -> None:
    """Refuse settings that cannot work, with all reasons at once; ``extra`` names scorers beyond the known ones.

    Raises:
        ScorerError: unknown scorers, weights that are negative or all 0, fewer than ``FEWEST_REFERENCES``.
    """
    problems = Problems(found=list(_name_problems(settings.weights, extra)))
    if settings.precision not in PRECISIONS:
        problems.add((), f"encoders run in {', '.join(PRECISIONS)}, not in {settings.precision!r}")
    for name in settings.keep - set(settings.weights):
        problems.add((), f"scorer {name!r} is to be kept, but has no weight")
    for name in (name for name in extra if name not in settings.weights):
        problems.add((), f"scorer {name!r} has no weight")
    bad = {name: weight for name, weight in settings.weights.items() if not (math.isfinite(weight) and weight >= 0)}
    for name, weight in bad.items():
        problems.add((), f"weight of {name!r} is {weight}", "it must be 0 or more")
    if not bad and sum(settings.weights.values()) <= 0:
        problems.add((), "no scorer has a weight above 0")
    if settings.main not in settings.encoders and catalogue.encoder_named(settings.main) is None:
        known = (*settings.encoders, *(encoder.name for encoder in catalogue.ENCODERS))
        problems.add((), f"no encoder {settings.main!r}", did_you_mean(settings.main, known))
    count = len(settings.references)
    if count < FEWEST_REFERENCES and not (count and settings.like):
        needed = f"at least {FEWEST_REFERENCES} are needed, 16 to 64 are good; or 1 and the style in words (like)"
        problems.add((), f"{count} reference pictures", needed)
    if settings.weights.get("text") and not settings.like:
        problems.add((), "scorer 'text' has a weight but no words", "give like, the target style in words")
    problems.raise_as(ScorerError, "the panel")
    if count < FEW_REFERENCES:
        warnings.warn(
            f"only {count} references; with fewer than {FEW_REFERENCES} the target is vague", ScorerWarning, 3
        )


def _name_problems(weights: Mapping[str, float], extra: Sequence[str]) -> Iterator[Problem]:
    """What is wrong with the scorers' names: unknown ones, and two for the same scorer."""
    plain: Counter[str] = Counter()
    points = entry_points()
    for name in weights:
        if name in extra or catalogue.is_plugin(name) or name in points:
            continue
        try:
            plain[catalogue.choice(name).plain] += 1
        except ScorerError as error:
            yield from error.problems
    for name, count in plain.items():
        if count > 1:
            yield Problem(what=f"scorer {name!r} is there {count} times, by several names")
