"""What a new study takes from a picture: everything that a study file can hold; the rest is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from engine.shots.hires import Hires
from engine.shots.infotext import infotext
from engine.shots.options import PictureOptions
from engine.shots.shot import Shot
from studies.errors import StudyError
from studies.new_study.draft import StudyDraft, write_draft
from studies.new_study.from_picture import settings_from
from studies.pictures.pictures import save_picture
from studies.studyfile.read import read_study_file

SHOT = Shot(
    prompt='a girl, (detailed:1.2), "quoted"\nsecond line',
    negative="blurry",
    seed=987654321012,
    width=640,
    height=768,
    steps=28,
    cfg=5.5,
    sampler="Euler a",
    schedule="Karras",
    clip_skip=2,
    eta=0.5,
    s_noise=1.0,
    ensd=31337,
    rng="NV",
    hires=Hires(upscaler="Latent (nearest)", scale=1.5, steps=12, denoise=0.55),
    options=PictureOptions(emphasis="No norm", ngms=1.5),
)
HIRES = "Denoising strength: 0.5, Hires upscaler"
LINE = "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 5, Size: 512x512"


def with_text(path: Path, text: str) -> Path:
    chunks = PngInfo()
    chunks.add_text("parameters", text)
    Image.new("RGB", (8, 8)).save(path, pnginfo=chunks)
    return path


def notes_of(tmp_path: Path, text: str) -> str:
    return "\n".join(settings_from(with_text(tmp_path / "one.png", text)).notes)


def test_a_study_of_a_picture_draws_that_picture(tmp_path: Path) -> None:
    picture = np.zeros((8, 8, 3), np.uint8)
    save_picture(picture, tmp_path / "one.png", parameters=infotext(SHOT, model="x"))
    write_draft(StudyDraft(study=str(tmp_path / "study.toml"), picture=str(tmp_path / "one.png")))
    spec = read_study_file(tmp_path / "study.toml")
    assert spec.shots.trials[0].text == SHOT.text
    assert (len(spec.shots.trials), len(spec.shots.proof)) == (16, 24)
    assert {shot.negative for shot in spec.shots.every} == {"blurry"}
    assert {shot.steps for shot in spec.shots.every} == {28}


def test_a_picture_s_prompt_goes_before_a_list(tmp_path: Path) -> None:
    with_text(tmp_path / "one.png", f"a cat\n{LINE}")
    (tmp_path / "mine.txt").write_text("\n".join(["a cat", *(f"prompt {number}" for number in range(39))]))
    said = write_draft(
        StudyDraft(
            study=str(tmp_path / "study.toml"), picture=str(tmp_path / "one.png"), prompts=str(tmp_path / "mine.txt")
        )
    )
    trials = read_study_file(tmp_path / "study.toml").shots.trials
    assert (trials[0].prompt, trials[0].seed, trials[0].rng, trials[0].negative) == ("a cat", 5, "NV", "")
    assert "a cat" not in {shot.prompt for shot in trials[1:]}
    assert not any("are ours" in line for line in said)


@pytest.mark.parametrize(
    ("text", "note"),
    [
        (f"a cat\n{LINE}, VAE: fine.safetensors", 'not taken: its VAE fine.safetensors; write vae = "..."'),
        (f"a cat\n{LINE}, Variation seed: 3, Variation seed strength: 0.2", "not taken: Variation seed strength: 0.2"),
        (f"a cat\n{LINE}, Refiner: x", "not taken: Refiner: x, which a study has no key for"),
        (f"a cat\n{LINE}, Version: v1.5.0", "not taken: what an old WebUI did in another way"),
        (f"a cat\n{LINE}, Version: ComfyUI", "was made by ComfyUI; its settings are read as the WebUI 1.10 reads them"),
        (
            f"a cat\n{LINE}".replace("CFG scale: 7", "CFG scale: 99"),
            "render.cfg: must not be above 30 (99.0); the usual",
        ),
        (f"a cat\n{LINE}".replace("Euler a", "Magic 3"), "not taken: render.sampler"),
        (f'a cat\n{LINE}, TI hashes: "soft: 0123456789"', "uses embeddings (soft): write embeddings"),
        ("a cat\nSteps: 20, CFG scale: 7, Seed: 5", "its text does not say Sampler, Size: the usual values stay"),
        (f"\n{LINE}", "has no prompt"),
        (f"a cat\n{LINE}, {HIRES}: 4x-Sharp", "4x-Sharp is a file"),
        (
            f"a cat\n{LINE}, {HIRES}: Latent, Hires upscale: 99",
            "hires fix is not taken",
        ),
    ],
)
def test_what_cannot_be_taken_is_said_and_the_rest_is_a_right_study(tmp_path: Path, text: str, note: str) -> None:
    assert note in notes_of(tmp_path, text)
    write_draft(StudyDraft(study=str(tmp_path / "study.toml"), picture=str(tmp_path / "one.png")))
    spec = read_study_file(tmp_path / "study.toml")
    assert spec.shots.trials[0].hires is None
    assert spec.shots.trials[0].steps == 20


def test_an_unknown_sampler_takes_no_schedule_with_it(tmp_path: Path) -> None:
    text = f"a cat\n{LINE}, Schedule type: Karras".replace("Euler a", "Magic 3")
    found = settings_from(with_text(tmp_path / "one.png", text))
    assert not {"sampler", "schedule", "eta"} & found.render.keys()


def test_a_picture_without_a_webui_s_text_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    chunks = PngInfo()
    chunks.add_text("prompt", "{}")
    Image.new("RGB", (8, 8)).save(tmp_path / "comfy.png", pnginfo=chunks)
    with pytest.raises(StudyError, match=r"made by ComfyUI.*; leave --from out, and write the settings under"):
        write_draft(StudyDraft(study=str(tmp_path / "study.toml"), picture=str(tmp_path / "comfy.png")))
    assert not (tmp_path / "study.toml").exists()
