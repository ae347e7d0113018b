"""Fonts for text in pictures, one that holds Japanese among them.

The project ships Noto Sans JP (Google and Adobe, SIL Open Font License; fontsource's 5.3.0, unpacked to TrueType, which
every FreeType reads). A text with a character that it lacks is set in another font that has it, where there is one.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from PIL.ImageFont import FreeTypeFont

from engine.errors import first_line
from studies.errors import StudyError

BUNDLED = Path(__file__).with_name("fonts") / "NotoSansJP-Regular.ttf"
SYSTEM_FONTS: tuple[str, ...] = (
    "NotoSansCJK-Regular.ttc",
    "NotoSansCJKjp-Regular.otf",
    "YuGothM.ttc",
    "meiryo.ttc",
    "msyh.ttc",
    "malgun.ttf",
    "seguisym.ttf",
    "segoeui.ttf",
    "Hiragino Sans GB.ttc",
    "AppleSDGothicNeo.ttc",
    "Arial Unicode.ttf",
    "Apple Symbols.ttf",
    "NotoSans-Regular.ttf",
    "NotoSansSymbols2-Regular.ttf",
    "DejaVuSans.ttf",
    "FreeSans.ttf",
)
"""Files that Linux, Windows and macOS have, by the names under which Pillow finds them."""

_PROBE = 24  # pixels at which glyphs are compared
_NOBODY = "\U0010ffff"  # no character, so that every font shows its box for it


class Lettering:
    """Fonts by size, for texts in any script."""

    def __init__(self, chosen: Path | None = None) -> None:
        """Prefer the font file ``chosen`` to all others.

        Raises:
            StudyError: it cannot be read as a font.
        """
        self._first = [_checked(chosen), str(BUNDLED)] if chosen else [str(BUNDLED)]

    def font(self, size: int, text: str = "") -> FreeTypeFont:
        """The first font that has every character of the text; if none has, the one that lacks fewest.

        Args:
            size: pixels, at least 1.
            text: what is to be drawn.
        """
        return _opened(self._name(text), size)

    def lacking(self, texts: Iterable[str]) -> str:
        """The characters that no font has, which will show as boxes, once each."""
        found = (character for text in texts for character in _lacking_characters(self._name(text), text))
        return "".join(dict.fromkeys(found))

    def _name(self, text: str) -> str:
        best, fewest = self._first[0], len(_lacking_characters(self._first[0], text))
        for name in self._others():
            if not fewest:
                break
            if (count := len(_lacking_characters(name, text))) < fewest:
                best, fewest = name, count
        return best

    def _others(self) -> Iterator[str]:
        yield from self._first[1:]
        yield from _installed()


def _checked(path: Path) -> str:
    try:
        _opened(str(path), _PROBE)
    except OSError as error:
        what = f"cannot be read as a font ({error.strerror or first_line(error)})"
        raise StudyError(what, place=(path,), remedy="give a TrueType or OpenType file") from error
    return str(path)


@cache
def _opened(name: str, size: int) -> FreeTypeFont:
    """Laid out by Pillow itself, so that every machine draws the same."""
    return ImageFont.truetype(name, size, layout_engine=ImageFont.Layout.BASIC)


@cache
def _installed() -> tuple[str, ...]:
    """The fonts of ``SYSTEM_FONTS`` that this machine has."""
    return tuple(name for name in SYSTEM_FONTS if _is_installed(name))


def _is_installed(name: str) -> bool:
    try:
        _opened(name, _PROBE)
    except OSError:
        return False
    return True


def _lacking_characters(name: str, text: str) -> list[str]:
    return [character for character in dict.fromkeys(text) if not _has(name, character)]


@cache
def _has(name: str, character: str) -> bool:
    """Whether a font shows something else than its box; spaces and control characters need nothing to be shown."""
    if character.isspace() or unicodedata.category(character) in {"Cc", "Cf"}:
        return True
    return _glyph(name, character) != _glyph(name, _NOBODY)


@cache
def _glyph(name: str, character: str) -> bytes:
    image = Image.new("L", (2 * _PROBE, 2 * _PROBE))
    ImageDraw.Draw(image).text((_PROBE // 2, _PROBE // 4), character, fill=255, font=_opened(name, _PROBE))
    return image.tobytes()
