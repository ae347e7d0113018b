"""Whose text a picture has, what it leaves open, and which embeddings it names."""

from __future__ import annotations

import pytest

from engine.shots.infotext import read_fields
from engine.shots.infotext_origin import named_embeddings, origin_remarks, program_of
from tests.engine.shots.infotexts import parse_infotext

LINE = "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 64x72"


@pytest.mark.parametrize(
    ("pairs", "program"),
    [
        ("", ""),
        ("Version: v1.10.1", ""),
        ("Version: v1.6.0-2-g4afaaf8a", ""),
        ("Version: sd-recipe-search 0.3.0", ""),
        ("Version: ComfyUI", "ComfyUI"),
        ("Version: f2.0.1v1.10.1-previous-665-gae278f79", "Forge"),
        ("Version: f0.0.17v1.8.0rc-latest-276-g29be1da7", "Forge"),
        ("Version: neo", "Forge Neo"),
        ("Version: classic", "Forge Classic"),
        ("Version: reForge-1.2", "Forge (reForge)"),
        ("Version: 8cc5ae9, App: SD.Next", "SD.Next"),
        ("Version: 8cc5ae9", 'a program of version "8cc5ae9"'),
        ("Version: Fooocus v2.5.5", "Fooocus"),
        ("Version: v1.10.1, App: My Painter", "My Painter"),
    ],
)
def test_other_programs_are_named(pairs: str, program: str) -> None:
    fields = read_fields(f"a\n{LINE}" + (f", {pairs}" if pairs else ""))
    assert program_of(fields) == program
    remarks = list(origin_remarks(fields))
    assert len(remarks) == bool(program)
    if program:
        assert remarks[0].startswith(f"was made by {program}: its settings are read as the WebUI 1.10 reads them")
        assert ("its noise taken from the CPU" in remarks[0]) is (program == "ComfyUI")


def test_what_a_text_leaves_open_is_said() -> None:
    (remark,) = origin_remarks(read_fields("a\nSteps: 20, Sampler: Euler a, CFG scale: 7"))
    assert remark == "does not say Seed (1 unless an option says another), Size (512x512 unless an option says another)"


def test_sizes_are_those_that_a_webui_makes() -> None:
    text = f"a\n{LINE.replace('64x72', '500x703')}"
    shot = parse_infotext(text)
    assert (shot.width, shot.height) == (496, 696)
    (remark,) = origin_remarks(read_fields(text))
    assert remark == "says Size: 500x703, of which a WebUI makes 496x696"
    hires = f"{text}, Denoising strength: 0.5, Hires upscaler: Latent"
    assert parse_infotext(f"{hires}, Hires upscale: 2").picture_size == (1000, 1400)
    assert parse_infotext(hires).picture_size == (1000, 1400)
    assert parse_infotext(f"{hires}, Hires resize: 992x1392").picture_size == (992, 1392)


@pytest.mark.parametrize(
    ("size", "first", "second"),
    [
        ("Size: 1024x1536, First pass size: 512x768", (512, 768), (1024, 1536)),
        ("Size: 1024x1024, First pass size: 0x0", (512, 512), (1024, 1024)),
        ("Size: 1024x768, First pass size: 0x0", (640, 448), (1024, 768)),
    ],
)
def test_the_old_hires_fix_is_read_as_a_webui_reads_it(
    size: str, first: tuple[int, int], second: tuple[int, int]
) -> None:
    line = LINE.replace("Size: 64x72", size)
    shot = parse_infotext(f"a\n{line}, Denoising strength: 0.7")
    assert (shot.width, shot.height) == first
    assert shot.hires is not None
    assert shot.hires.resize == second
    assert shot.picture_size == second


def test_embeddings_are_named_with_their_hashes() -> None:
    ti = 'TI hashes: "EasyNegative: c74b4e810b03, bad_hand: 0123456789ab, EasyNegative: c74b4e810b03"'
    assert named_embeddings(read_fields(f"a\n{LINE}, {ti}")) == {
        "EasyNegative": "c74b4e810b03",
        "bad_hand": "0123456789ab",
    }
    hashes = 'Hashes: {"model": "1111111111", "embed:EasyNegative": "c74b4e81", "lora:x": "2"}'
    assert named_embeddings(read_fields(f"a\n{LINE}, {hashes}")) == {"EasyNegative": "c74b4e81"}
    assert named_embeddings(read_fields(f"a\n{LINE}, Hashes: [1]")) == {}
    assert named_embeddings(read_fields(f"a\n{LINE}, Version: v1.6.0")) == {}
