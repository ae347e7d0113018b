"""The kinds of axes that a plot can have: their names, what their values mean and do to a shot.

Four sorts: settings of a shot, models, VAEs, and SuperMerger's axes, which change one run of a recipe. Names and
meanings are those of scripts/xyz_grid.py in AUTOMATIC1111's WebUI 1.10; Prompt, Negative prompt, ENSD, Size, Emphasis,
Hires upscale and Recipe are not there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from math import factorial
from pathlib import Path
from typing import Any, Literal

from engine.errors import Named, Problems, did_you_mean
from engine.files import user_path
from engine.shots.hires import Hires
from engine.shots.options import USUAL
from engine.shots.other_names import webui_schedule
from engine.supermerger.axes import AXES, NONE, PICTURES_ONLY
from studies.errors import StudyError
from studies.pictures.plot_values import MOST_VALUES, items, numbers, texts, whole_numbers

ShotSettings = Mapping[str, Any]
"""Settings by the names of ``Shot``."""
ApplyValue = Callable[[ShotSettings, Any, Sequence[Any]], ShotSettings]
"""Returns the settings with one value of an axis put in; the last argument has all values of that axis."""
ReadValues = Callable[[str, Problems], list[Any]]
"""From a text to the values; what is wrong with any of them is collected."""

DECIMALS = 8
"""Digits after the point to which labels round, as the WebUI's do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AxisKind:
    r"""What an axis can be of.

    Attributes:
        name: as the WebUI or SuperMerger writes it.
        sort: what it changes.
        read: from text to values; None for SuperMerger's, which are read in the words of a recipe.
        lines: whether a text has lines, for which ``\n`` stands in it.
        put: of shots: what a value does to the settings.
        fields: of shots: the settings that a value replaces whole, by their options; none: it changes what is there.
        text_of: the text of a value.
        bare: whether the label is the value alone.
    """

    name: str
    sort: Literal["shot", "model", "merge", "vae"]
    read: ReadValues | None = None
    lines: bool = False
    put: ApplyValue | None = None
    fields: tuple[str, ...] = ()
    text_of: Callable[[Any], str] = str
    bare: bool = False


# ---------------------------------------------------------------------------------------------------------- values


def _each(read: Callable[[str], list[Any]]) -> ReadValues:
    """Items read one by one; those that cannot be read are problems."""

    def values(text: str, problems: Problems) -> list[Any]:
        found: list[Any] = []
        for item in items(text):
            with problems.collecting(Named(f"value {item!r}")):
                found += read(item)
        return found

    return values


def _size(item: str) -> list[tuple[int, int]]:
    found = re.fullmatch(r"(\d{1,9})\s*[xX]\s*(\d{1,9})", item)
    if found is None:
        raise StudyError("is not a size", remedy="write width and height, such as 512x768")
    return [(int(found[1]), int(found[2]))]


def _whole_texts(text: str, _problems: Problems) -> list[str]:
    return texts(text)


def _orders(text: str, problems: Problems) -> list[tuple[str, ...]]:
    words = items(text)
    if factorial(min(len(words), 20)) > MOST_VALUES:
        what = f"{len(words)} words have {factorial(min(len(words), 20))} orders or more"
        problems.add((), what, "take at most 7 words")
        return []
    return list(permutations(words))


def _schedules(item: str) -> list[str]:
    return [webui_schedule(item)]


def _rngs(item: str) -> list[str]:
    """What the WebUI calls GPU is what an NVIDIA card draws, as everywhere else here."""
    return ["NV" if item.upper() == "GPU" else item.upper()]


# -------------------------------------------------------------------------------------------------------- settings


def _put_size(fields: ShotSettings, value: Any, _: Sequence[Any]) -> ShotSettings:
    return {**fields, "width": value[0], "height": value[1]}


def _put_replaced(fields: ShotSettings, value: Any, values: Sequence[Any]) -> ShotSettings:
    """Prompt S/R: the first value is what is searched for, in the prompt and in the negative prompt."""
    old: str = values[0]
    texts: dict[str, str] = {name: fields.get(name, "") for name in ("prompt", "negative")}
    if not old or not any(old in text for text in texts.values()):
        raise StudyError(
            f"Prompt S/R did not find {old!r} in the prompt or the negative prompt",
            remedy="its first value is the text that is searched for",
        )
    return {**fields, **{name: text.replace(old, value) for name, text in texts.items()}}


def _put_ordered(fields: ShotSettings, value: Any, _: Sequence[Any]) -> ShotSettings:
    """Prompt order: the words change places, the text between them stays."""
    prompt: str = fields.get("prompt", "")
    rest, between = prompt, list[str]()
    for word in sorted(value, key=prompt.find):
        before, found, rest = rest.partition(word)
        if not word or not found:
            raise StudyError(f"Prompt order did not find {word!r} in the prompt, or only within another of its words")
        between.append(before)
    pieces = [piece for pair in zip(between, value, strict=True) for piece in pair]
    return {**fields, "prompt": "".join(pieces) + rest}


def _rounded(value: float) -> str:
    return str(round(value, DECIMALS))


def _shot_setting(
    name: str,
    field: str,
    read: ReadValues,
    *,
    text_of: Callable[[Any], str] = str,
    bare: bool = False,
    lines: bool = False,
) -> AxisKind:
    """An axis that replaces one setting."""

    def put(fields: ShotSettings, value: Any, _: Sequence[Any]) -> ShotSettings:
        return {**fields, field: value}

    return AxisKind(
        name=name, sort="shot", read=read, put=put, fields=(field,), text_of=text_of, bare=bare, lines=lines
    )


def _hires_setting(
    name: str, field: str, read: ReadValues, *, option: str = "", text_of: Callable[[Any], str] = str
) -> AxisKind:
    """An axis of hires fix; it makes a second pass where there was none, as its option does."""

    def put(fields: ShotSettings, value: Any, _: Sequence[Any]) -> ShotSettings:
        return {**fields, "hires": replace(fields.get("hires") or Hires(), **{field: value})}

    return AxisKind(name=name, sort="shot", read=read, put=put, fields=(option or f"hires_{field}",), text_of=text_of)


def _put_scale(fields: ShotSettings, value: Any, _: Sequence[Any]) -> ShotSettings:
    """A scale takes the place of a size that a second pass was given."""
    return {**fields, "hires": replace(fields.get("hires") or Hires(), scale=value, resize=(0, 0))}


def _option(name: str, field: str, read: ReadValues, *, text_of: Callable[[Any], str] = str) -> AxisKind:
    """An axis of a setting that pictures usually leave alone."""

    def put(fields: ShotSettings, value: Any, _: Sequence[Any]) -> ShotSettings:
        return {**fields, "options": replace(fields.get("options") or USUAL, **{field: value})}

    return AxisKind(name=name, sort="shot", read=read, put=put, text_of=text_of)


def _model_axis(name: str) -> AxisKind:
    return AxisKind(
        name=name,
        sort="model",
        read=_each(lambda item: [user_path(item, StudyError)]),
        text_of=lambda path: path.name,
        bare=True,
    )


def _vaes(item: str) -> list[Path | None]:
    """A file; None, or Automatic, is the model's own."""
    return [None if item.casefold() in {"none", "auto", "automatic"} else user_path(item, StudyError)]


def _merge_axis(name: str) -> AxisKind:
    return AxisKind(name=name.strip(), sort="merge", lines=True, text_of=_spaced)


def _spaced(value: str) -> str:
    """With blanks after commas, where lines may break."""
    return ", ".join(part.strip() for part in value.replace("\n", " / ").split(",")) or "none"


_WORDS = _each(lambda item: [item])
_AXIS_KINDS = (
    _shot_setting("Seed", "seed", _each(whole_numbers)),
    _shot_setting("Steps", "steps", _each(whole_numbers)),
    _shot_setting("CFG Scale", "cfg", _each(numbers), text_of=_rounded),
    _shot_setting("Prompt", "prompt", _whole_texts, lines=True),
    _shot_setting("Negative prompt", "negative", _whole_texts, lines=True),
    AxisKind(name="Prompt S/R", sort="shot", read=_whole_texts, lines=True, put=_put_replaced, bare=True),
    AxisKind(name="Prompt order", sort="shot", read=_orders, put=_put_ordered, text_of=", ".join, bare=True),
    _shot_setting("Sampler", "sampler", _WORDS, bare=True),
    _shot_setting("Schedule type", "schedule", _each(_schedules)),
    _shot_setting("Sigma noise", "s_noise", _each(numbers), text_of=_rounded),
    _shot_setting("Eta", "eta", _each(numbers), text_of=_rounded),
    _shot_setting("ENSD", "ensd", _each(whole_numbers)),
    _option("Var. seed", "variation_seed", _each(whole_numbers)),
    _option("Var. strength", "variation_strength", _each(numbers), text_of=_rounded),
    _option("Sigma Churn", "s_churn", _each(numbers), text_of=_rounded),
    _option("Sigma min", "s_tmin", _each(numbers), text_of=_rounded),
    _option("Sigma max", "s_tmax", _each(numbers), text_of=_rounded),
    _option("Schedule min sigma", "sigma_min", _each(numbers), text_of=_rounded),
    _option("Schedule max sigma", "sigma_max", _each(numbers), text_of=_rounded),
    _option("Schedule rho", "rho", _each(numbers), text_of=_rounded),
    _option("Negative Guidance minimum sigma", "ngms", _each(numbers), text_of=_rounded),
    _option("Skip Early CFG", "skip_early_cfg", _each(numbers), text_of=_rounded),
    _option("Emphasis", "emphasis", _WORDS),
    _shot_setting("Clip skip", "clip_skip", _each(whole_numbers)),
    AxisKind(
        name="Size",
        sort="shot",
        read=_each(_size),
        put=_put_size,
        fields=("width", "height"),
        text_of=lambda size: f"{size[0]}x{size[1]}",
    ),
    _shot_setting("RNG source", "rng", _each(_rngs)),
    _hires_setting("Hires steps", "steps", _each(whole_numbers)),
    _hires_setting("Hires upscaler", "upscaler", _WORDS),
    _hires_setting("Hires sampler", "sampler", _WORDS),
    AxisKind(
        name="Hires upscale",
        sort="shot",
        read=_each(numbers),
        put=_put_scale,
        fields=("hires_scale",),
        text_of=_rounded,
    ),
    _hires_setting("Denoising", "denoise", _each(numbers), option="denoise", text_of=_rounded),
    AxisKind(name="VAE", sort="vae", read=_each(_vaes), text_of=lambda path: path.name if path else "None"),
    _model_axis("Checkpoint name"),
    _model_axis("Recipe"),
    *(_merge_axis(name) for name in AXES if name not in {NONE, *PICTURES_ONLY}),
)
AXIS_KINDS: dict[str, AxisKind] = {kind.name: kind for kind in _AXIS_KINDS}
"""Every kind of axis by its name."""


def kind_of(name: str) -> AxisKind:
    """A kind by its name, upper or lower case.

    Raises:
        StudyError: there is no such axis.
    """
    kind = known_kind(name)
    if kind is None:
        raise StudyError(f"there is no axis {name.strip()!r}", remedy=did_you_mean(name.strip(), AXIS_KINDS))
    return kind


def fields_of(texts: Iterable[str]) -> set[str]:
    """The settings that axes replace whole, by their options; the texts are ``AXIS=VALUES``."""
    kinds = [known_kind(text.partition("=")[0]) for text in texts]
    return {field for kind in kinds if kind for field in kind.fields}


def known_kind(name: str) -> AxisKind | None:
    """A kind by its name, upper or lower case; None where there is no such axis."""
    return {known.casefold(): kind for known, kind in AXIS_KINDS.items()}.get(" ".join(name.casefold().split()))
