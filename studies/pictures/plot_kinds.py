"""The kinds of axes that a plot can have: their names, what their values mean and do to a shot.

Four sorts: settings of a shot, models, VAEs, and SuperMerger's axes, which change one run of a recipe. Names and
meanings are those of scripts/xyz_grid.py in AUTOMATIC1111's WebUI 1.10; Prompt, Negative prompt, ENSD, Size and Recipe
are not there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from math import factorial
from pathlib import Path
from typing import Any, Literal

from engine.errors import did_you_mean
from engine.shots.hires import Hires
from engine.shots.samplers import SCHEDULES
from engine.supermerger.axes import AXES, NONE, PICTURES_ONLY
from studies.errors import StudyError
from studies.pictures.plot_values import MOST_VALUES, items, numbers, texts, whole_numbers

Fields = Mapping[str, Any]
"""Settings by the names of ``Shot``."""
Put = Callable[[Fields, Any, Sequence[Any]], Fields]
"""Settings, one value and all values of an axis to the new settings."""
Read = Callable[[str, list[str]], list[Any]]
"""A text and a list for mistakes to the values."""

DECIMALS = 8
"""To which labels round, as the WebUI's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    r"""What an axis can be of.

    Attributes:
        name: as the WebUI or SuperMerger writes it.
        sort: what it changes.
        read: from text to values; None for SuperMerger's, which are read in the words of a recipe.
        lines: whether a text has lines, for which ``\n`` stands in it.
        put: of shots: what a value does to the settings.
        fields: of shots: the settings that a value replaces whole, by their options; none: it changes what is there.
        shown: the text of a value.
        bare: whether the label is the value alone.
    """

    name: str
    sort: Literal["shot", "model", "merge", "vae"]
    read: Read | None = None
    lines: bool = False
    put: Put | None = None
    fields: tuple[str, ...] = ()
    shown: Callable[[Any], str] = str
    bare: bool = False


# ---------------------------------------------------------------------------------------------------------- values


def _each(read: Callable[[str], list[Any]]) -> Read:
    """Items read one by one; those that cannot be read are mistakes."""

    def values(text: str, mistakes: list[str]) -> list[Any]:
        found: list[Any] = []
        for item in items(text):
            try:
                found += read(item)
            except StudyError as error:
                mistakes.append(f"value {item!r} {error}")
        return found

    return values


def _size(item: str) -> list[tuple[int, int]]:
    found = re.fullmatch(r"(\d{1,9})\s*[xX]\s*(\d{1,9})", item)
    if found is None:
        raise StudyError("is no size; write width and height, such as 512x768")
    return [(int(found[1]), int(found[2]))]


def _whole_texts(text: str, _mistakes: list[str]) -> list[str]:
    return texts(text)


def _orders(text: str, mistakes: list[str]) -> list[tuple[str, ...]]:
    words = items(text)
    if factorial(min(len(words), 20)) > MOST_VALUES:
        mistakes.append(
            f"{len(words)} words have {factorial(min(len(words), 20))} orders or more; take at most 7 words"
        )
        return []
    return list(permutations(words))


def _schedules(item: str) -> list[str]:
    return [{name.casefold(): name for name in SCHEDULES}.get(item.casefold(), item)]


def _rngs(item: str) -> list[str]:
    """What the WebUI calls GPU is what an NVIDIA card draws, as everywhere else here."""
    return ["NV" if item.upper() == "GPU" else item.upper()]


# -------------------------------------------------------------------------------------------------------- settings


def _put_size(fields: Fields, value: Any, _: Sequence[Any]) -> Fields:
    return {**fields, "width": value[0], "height": value[1]}


def _put_replaced(fields: Fields, value: Any, values: Sequence[Any]) -> Fields:
    """Prompt S/R: the first value is what is searched for, in the prompt and in the negative prompt."""
    old: str = values[0]
    texts: dict[str, str] = {name: fields.get(name, "") for name in ("prompt", "negative")}
    if not old or not any(old in text for text in texts.values()):
        raise StudyError(
            f"Prompt S/R did not find {old!r} in the prompt or the negative prompt; its first value is the text that "
            "is searched for"
        )
    return {**fields, **{name: text.replace(old, value) for name, text in texts.items()}}


def _put_ordered(fields: Fields, value: Any, _: Sequence[Any]) -> Fields:
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


def _setting(
    name: str, field: str, read: Read, *, shown: Callable[[Any], str] = str, bare: bool = False, lines: bool = False
) -> Kind:
    """An axis that replaces one setting."""

    def put(fields: Fields, value: Any, _: Sequence[Any]) -> Fields:
        return {**fields, field: value}

    return Kind(name=name, sort="shot", read=read, put=put, fields=(field,), shown=shown, bare=bare, lines=lines)


def _second(name: str, field: str, read: Read, *, option: str = "", shown: Callable[[Any], str] = str) -> Kind:
    """An axis of hires fix; it makes a second pass where there was none, as its option does."""

    def put(fields: Fields, value: Any, _: Sequence[Any]) -> Fields:
        return {**fields, "hires": replace(fields.get("hires") or Hires(), **{field: value})}

    return Kind(name=name, sort="shot", read=read, put=put, fields=(option or f"hires_{field}",), shown=shown)


def _of_models(name: str) -> Kind:
    return Kind(
        name=name,
        sort="model",
        read=_each(lambda item: [Path(item).expanduser()]),
        shown=lambda path: path.name,
        bare=True,
    )


def _vaes(item: str) -> list[Path | None]:
    """A file; None, or Automatic, is the model's own."""
    return [None if item.casefold() in {"none", "auto", "automatic"} else Path(item).expanduser()]


def _of_merges(name: str) -> Kind:
    return Kind(name=name.strip(), sort="merge", lines=True, shown=_spaced)


def _spaced(value: str) -> str:
    """With blanks after commas, where lines may break."""
    return ", ".join(part.strip() for part in value.replace("\n", " / ").split(",")) or "none"


_WORD = _each(lambda item: [item])
_KINDS = (
    _setting("Seed", "seed", _each(whole_numbers)),
    _setting("Steps", "steps", _each(whole_numbers)),
    _setting("CFG Scale", "cfg", _each(numbers), shown=_rounded),
    _setting("Prompt", "prompt", _whole_texts, lines=True),
    _setting("Negative prompt", "negative", _whole_texts, lines=True),
    Kind(name="Prompt S/R", sort="shot", read=_whole_texts, lines=True, put=_put_replaced, bare=True),
    Kind(name="Prompt order", sort="shot", read=_orders, put=_put_ordered, shown=", ".join, bare=True),
    _setting("Sampler", "sampler", _WORD, bare=True),
    _setting("Schedule type", "schedule", _each(_schedules)),
    _setting("Sigma noise", "s_noise", _each(numbers), shown=_rounded),
    _setting("Eta", "eta", _each(numbers), shown=_rounded),
    _setting("ENSD", "ensd", _each(whole_numbers)),
    _setting("Clip skip", "clip_skip", _each(whole_numbers)),
    Kind(
        name="Size",
        sort="shot",
        read=_each(_size),
        put=_put_size,
        fields=("width", "height"),
        shown=lambda size: f"{size[0]}x{size[1]}",
    ),
    _setting("RNG source", "rng", _each(_rngs)),
    _second("Hires steps", "steps", _each(whole_numbers)),
    _second("Hires upscaler", "upscaler", _WORD),
    _second("Hires sampler", "sampler", _WORD),
    _second("Denoising", "denoise", _each(numbers), option="denoise", shown=_rounded),
    Kind(name="VAE", sort="vae", read=_each(_vaes), shown=lambda path: path.name if path else "None"),
    _of_models("Checkpoint name"),
    _of_models("Recipe"),
    *(_of_merges(name) for name in AXES if name not in {NONE, *PICTURES_ONLY}),
)
KINDS: dict[str, Kind] = {kind.name: kind for kind in _KINDS}
"""Every kind of axis by its name."""


def kind_of(name: str) -> Kind:
    """A kind by its name, upper or lower case.

    Raises:
        StudyError: there is no such axis.
    """
    by_fold = {known.casefold(): kind for known, kind in KINDS.items()}
    folded = " ".join(name.casefold().split())
    if folded in by_fold:
        return by_fold[folded]
    raise StudyError(f"there is no axis {name.strip()!r}; {did_you_mean(folded, KINDS)}")
