"""Fonts for texts in any script; Japanese with nothing but what the package brings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont

from studies.drawing import lettering
from studies.drawing.lettering import BUNDLED, Lettering
from studies.errors import StudyError

JAPANESE = "桜の下の少女、制服「夜」ー"
BOX = "\U0010fffe"


def drawn(font: ImageFont.FreeTypeFont, text: str) -> bytes:
    image = Image.new("L", (64, 64))
    ImageDraw.Draw(image).text((8, 8), text, fill=255, font=font)
    return image.tobytes()


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine without any of the fonts that systems have."""
    monkeypatch.setattr(lettering, "SYSTEM_FONTS", ())
    lettering._installed.cache_clear()
    yield
    lettering._installed.cache_clear()


def test_japanese_needs_no_font_of_the_system(alone: None) -> None:
    letters = Lettering()
    assert letters.lacking([JAPANESE, "Seed: 1", "CFG Scale: 7.5 (±)"]) == ""
    font = letters.font(24, JAPANESE)
    assert Path(str(font.path)) == BUNDLED
    assert len({drawn(font, character) for character in JAPANESE}) == len(set(JAPANESE))
    assert drawn(font, BOX) not in {drawn(font, character) for character in JAPANESE}


def test_what_no_font_has_is_named_once(alone: None) -> None:
    assert Lettering().lacking(["한국 한", "a\n\tb\u200b", "국"]) == "한국"


def test_a_text_that_the_shipped_font_lacks_is_set_in_one_of_the_system() -> None:
    other = next((name for name in lettering.SYSTEM_FONTS if lettering._is_installed(name)), None)
    if other is None or Lettering().lacking(["→"]):
        pytest.skip("no other font on this machine")
    letters = Lettering()
    assert Path(str(letters.font(20, "a → b").path)) != BUNDLED
    assert Path(str(letters.font(20, "a b").path)) == BUNDLED


def test_a_font_of_ones_own_comes_first_and_the_shipped_one_helps_out(alone: None, tmp_path: Path) -> None:
    """Pillow's own font, which has no Japanese."""
    own = tmp_path / "own.ttf"
    source = ImageFont.load_default(20)
    assert isinstance(source, ImageFont.FreeTypeFont)
    own.write_bytes(source.font_bytes)
    letters = Lettering(own)
    assert Path(str(letters.font(20, "Seed: 1").path)) == own
    assert Path(str(letters.font(20, f"Seed {JAPANESE}").path)) == BUNDLED
    assert letters.lacking([JAPANESE]) == ""


def test_a_file_that_is_no_font_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.ttf").write_text("no font")
    for name in ("bad.ttf", "none.ttf"):
        with pytest.raises(StudyError, match=f"{name}: cannot be read as a font"):
            Lettering(tmp_path / name)


def test_the_font_brings_its_licence() -> None:
    assert "SIL OPEN FONT LICENSE" in BUNDLED.with_name("OFL.txt").read_text().upper()
    assert BUNDLED.stat().st_size < 2_500_000
