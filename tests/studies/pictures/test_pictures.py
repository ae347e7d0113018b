"""Picture files that say what they show, read back with Pillow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from engine.shots.infotext import infotext
from engine.shots.shot import Shot
from studies.errors import StudyError
from studies.pictures.pictures import parameters_of, refuse_unfit, save_picture
from tests.engine.shots.infotexts import parse_infotext

PICTURE = np.arange(8 * 16 * 3, dtype=np.uint8).reshape(8, 16, 3)
RECIPE = 'format = 1\ndialect = "classic"\nfamily = "sd1"'


def read(path: Path) -> dict[str, str]:
    with Image.open(path) as image:
        image.load()
        return dict(image.text)  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("prompt", ["a cat", "a: b, c\nd", "桜の下の少女", "é\u2028\x00"])
def test_texts_and_pixels_come_back(tmp_path: Path, prompt: str) -> None:
    shot = Shot(prompt=prompt, seed=1)
    path, text = tmp_path / "a.png", infotext(shot, model="m")
    save_picture(PICTURE, path, parameters=text, recipe=RECIPE)
    assert read(path) == {"parameters": text, "merge_recipe": RECIPE}
    assert parse_infotext(parameters_of(path)) == shot
    with Image.open(path) as image:
        assert np.array_equal(np.asarray(image), PICTURE)


@pytest.mark.parametrize("name", ["a.jpg", "a.JPEG", "a.webp"])
@pytest.mark.parametrize("prompt", ["a cat", "桜の下の少女", "é\u2028🌸"])
def test_other_formats_say_it_where_a_webui_does(tmp_path: Path, name: str, prompt: str) -> None:
    """EXIF UserComment as piexif's ``UserComment.dump(text, "unicode")`` writes it."""
    shot = Shot(prompt=prompt, seed=1)
    path, text = tmp_path / name, infotext(shot, model="m")
    save_picture(PICTURE, path, parameters=text, recipe=RECIPE)
    with Image.open(path) as image:
        assert image.size == (16, 8)
        comment = image.getexif().get_ifd(0x8769)[0x9286]
    assert comment == b"UNICODE\x00" + text.encode("utf-16-be")
    assert parse_infotext(parameters_of(path)) == shot


@pytest.mark.parametrize(
    ("name", "size", "text", "said"),
    [
        ("a.webp", (16384, 8), "x", "would have 16384x8 pixels, and .webp files have at most 16383 to a side"),
        ("a.jpg", (8, 65501), "x", "at most 65500 to a side; choose a name that ends in .png"),
        ("a.jpg", (8, 8), "x" * 33_000, "the text of the picture is too long for .jpg"),
        ("a.bmp", (8, 8), "x", r"its format is not known; the name must end in .png, .jpg, .jpeg, .webp"),
        ("a", (8, 8), "x", "its format is not known"),
    ],
)
def test_what_a_format_cannot_hold_is_refused(name: str, size: tuple[int, int], text: str, said: str) -> None:
    with pytest.raises(StudyError, match=said):
        refuse_unfit(Path(name), size, text)


def test_what_a_format_just_holds_is_written(tmp_path: Path) -> None:
    text = "x" * 32_200
    save_picture(np.zeros((1, 65500, 3), np.uint8), tmp_path / "a.jpg", parameters=text)
    save_picture(np.zeros((16383, 1, 3), np.uint8), tmp_path / "a.webp", parameters=text)
    assert parameters_of(tmp_path / "a.jpg") == parameters_of(tmp_path / "a.webp") == text


def test_without_a_recipe_there_is_no_chunk_for_it(tmp_path: Path) -> None:
    save_picture(PICTURE, tmp_path / "a.png", parameters="x")
    assert read(tmp_path / "a.png") == {"parameters": "x"}


def test_a_picture_is_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(self: Image.Image, path: Path, **_: object) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", stopped)
    with pytest.raises(StudyError, match=r"a.png: cannot be written \(No space left on device\)"):
        save_picture(PICTURE, tmp_path / "a.png", parameters="x")
    assert list(tmp_path.iterdir()) == []


def test_what_has_no_text_says_so(tmp_path: Path) -> None:
    Image.fromarray(PICTURE).save(tmp_path / "bare.png")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(StudyError, match='has no text "parameters"'):
        parameters_of(tmp_path / "bare.png")
    for name in ("broken.png", "none.png"):
        with pytest.raises(StudyError, match=f"{name}: cannot be read as a picture"):
            parameters_of(tmp_path / name)


def test_a_picture_of_another_program_is_known_by_its_texts(tmp_path: Path) -> None:
    graph = PngInfo()
    graph.add_text("prompt", "{}")
    graph.add_text("workflow", "{}")
    Image.new("RGB", (8, 8)).save(tmp_path / "comfy.png", pnginfo=graph)
    with pytest.raises(StudyError, match=r"comfy\.png: was made by ComfyUI.*give the settings as options"):
        parameters_of(tmp_path / "comfy.png")
