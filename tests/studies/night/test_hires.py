"""Hires fix in a study file: the table, its problems, what is checked and estimated, what a changed file does."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from engine.architecture.layout import Widths
from engine.shots.hires import Hires
from engine.shots.shot import Shot
from studies.errors import StudyError
from studies.inputs.assets import embedding_hashes, upscaler_hashes
from studies.new_study.template import study_template
from studies.night.continuing.fingerprint import inputs_of, refuse_changes
from studies.night.workshop import Workshop
from studies.preflight import estimate
from studies.preflight.checks import Finding, preflight
from studies.preflight.estimate import picture_seconds
from studies.store.storage import StudyStore
from studies.studyfile.read import read_study_file
from studies.studyfile.spec import StudySpec
from tests.engine.rendering.test_upscale import esrgan
from tests.studies.night.test_embeddings import write_embeddings
from tests.studies.sample_study import write_small_study
from tests.studies.study_text import STUDY, write_study
from tests.studies.studyfile.test_problems import problems

CPU = torch.device("cpu")


def with_table(text: str, table: str, render: str = "") -> str:
    """A study's text with `[render.hires]`, and further keys of `[render]`."""
    text = text.replace("[render]\n", f"[render]\n{render}\n")
    return text.replace("[[prompts]]", f"[render.hires]\n{table}\n\n[[prompts]]", 1)


def small_study(folder: Path, table: str, render: str = "") -> StudySpec:
    study = write_small_study(folder)
    study.write_text(with_table(study.read_text(), table, render))
    return read_study_file(study)


def write_upscaler(folder: Path, seed: int = 4) -> Path:
    """A real, tiny ESRGAN model as `up/2x-Tiny.pth`."""
    (folder / "up").mkdir(exist_ok=True)
    state = esrgan().state_dict()
    torch.manual_seed(seed)
    torch.save(
        {name: value + 0.01 * torch.randn_like(value) for name, value in state.items()}, folder / "up/2x-Tiny.pth"
    )
    return folder / "up"


# -------------------------------------------------------------------------------------------------------- the table


def test_without_the_table_there_is_no_second_pass(tmp_path: Path) -> None:
    spec = read_study_file(write_study(tmp_path))
    assert {shot.hires for shot in spec.shots.every} == {None}
    assert spec.rendering.upscalers is None


def test_an_empty_table_is_the_second_pass_at_its_defaults(tmp_path: Path) -> None:
    spec = read_study_file(write_study(tmp_path, with_table(STUDY, "")))
    assert {shot.hires for shot in spec.shots.every} == {Hires()}
    assert spec.panel_settings().render_size == 128


def test_every_key_is_read(tmp_path: Path) -> None:
    table = """
upscaler = "nearest"
resize = [128, 96]
steps = 9
denoise = 0.4
sampler = "DPM++ SDE Karras"
cfg = 3
prompt = "sharp"
negative = "soft"
"""
    spec = read_study_file(write_study(tmp_path, with_table(STUDY, table)))
    assert spec.shots.trials[0].hires == Hires(
        upscaler="Nearest", resize=(128, 96), steps=9, denoise=0.4, sampler="DPM++ SDE", schedule="Karras", cfg=3.0,
        prompt="sharp", negative="soft",
    )  # fmt: skip


def test_choices_in_the_second_pass_are_made_too(tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "colour.txt").write_text("red\n")
    text = with_table(STUDY, 'prompt = "a __colour__ cat"', 'wildcards = "lists"')
    hires = read_study_file(write_study(tmp_path, text)).shots.trials[0].hires
    assert hires is not None
    assert hires.prompt == "a red cat"


@pytest.mark.parametrize(
    ("table", "render", "said"),
    [
        ("scale = 9.0", "", ".scale: must not be above 8 (9.0); write for example scale = 2.0"),
        ("denoise = 0.001", "", ".denoise: must be 0, or 0.01 to 1 (0.001); write for example denoise = 0.5"),
        ("resize = [10, 0]", "", ".resize: sides must be 0, or 64 to 4096 ([10, 0]); write for example resize"),
        ("resize = [512]", "", ".resize: must be a width and a height ([512]); write for example resize"),
        ('sampler = "Eular"', "", '.sampler: unknown sampler ("Eular"); did you mean Euler?'),
        ('sampler = "DDIM"\nschedule = "Beta"', "", ".schedule: DDIM has noise levels of its own"),
        ("steps = 151", "", ".steps: must not be above 150 (151)"),
        ('scaling = "x"', "", '.scaling: unknown key ("x"); did you mean scale?'),
        ('sampler = "DDIM"\nsteps = 2', "", ".steps: DDIM needs at least 3 in a second pass (2); "),
        ('schedule = "Karras"', 'sampler = "UniPC"', ".schedule: UniPC has noise"),
        ("resize = [4096, 0]", "", ": the picture would be 4096x8192: its sides must be 64 to 4096"),
        ('upscaler = "Lanczoz"', "", ".upscaler: is not a built-in upscaler, and no folder of upscaler files is set"),
    ],
)
def test_problems_are_told_with_the_way_out(tmp_path: Path, table: str, render: str, said: str) -> None:
    (line,) = problems(tmp_path, with_table(STUDY, table, render).replace("height = 64", "height = 128"))
    assert line.startswith(f"render.hires{said}")


def test_a_misspelt_upscaler_is_recognised(tmp_path: Path) -> None:
    (line,) = problems(tmp_path, with_table(STUDY, 'upscaler = "Lanczoz"'))
    assert line.endswith('("Lanczoz"); did you mean Lanczos? For a file, set [render] upscalers to its folder')


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    text = with_table(STUDY, 'scale = "x"\nsteps = -1\ncfg = 99.0').replace("width = 64", "width = 65")
    assert len(problems(tmp_path, text)) == 4


def test_the_template_shows_the_table_and_its_lines_work(tmp_path: Path) -> None:
    lines = study_template().splitlines()
    start = next(number for number, line in enumerate(lines) if line.strip("# ") == "[render.hires]")
    lines[start : start + 5] = [line.removeprefix("#").strip() for line in lines[start : start + 5]]
    (tmp_path / "study.toml").write_text("\n".join(lines))
    assert read_study_file(tmp_path / "study.toml").shots.trials[0].hires == Hires()


# -------------------------------------------------------------------------------------------------------- preflight


def found_at(spec: StudySpec, where: str) -> list[Finding]:
    return [finding for finding in preflight(spec) if finding.where.startswith(where)]


def test_an_upscalers_file_is_opened_before_the_night(tmp_path: Path) -> None:
    write_upscaler(tmp_path)
    spec = small_study(tmp_path, 'upscaler = "2x-Tiny"', 'upscalers = "up"')
    assert found_at(spec, "render.upscalers") == []
    (tmp_path / "up" / "2x-Tiny.pth").write_bytes(b"broken")
    (broken,) = found_at(spec, "render.upscalers")
    assert (broken.level, "2x-Tiny.pth" in broken.line) == ("error", True)
    (tmp_path / "up" / "2x-Tiny.pth").unlink()
    (gone,) = found_at(spec, "render.upscalers")
    assert "holds no upscaler" in gone.line


def test_a_folder_of_upscalers_that_is_not_there_is_told(tmp_path: Path) -> None:
    text = with_table(STUDY, "", 'upscalers = "up"').replace("finalists = 2", "finalists = 0")
    with pytest.raises(StudyError, match=r"render\.upscalers: there is no such file"):
        read_study_file(write_study(tmp_path, text))


def test_odd_prompts_and_embeddings_of_the_second_pass_are_seen(tmp_path: Path) -> None:
    spec = small_study(tmp_path, 'prompt = "rust eyes:1.5"\nnegative = "EasyNegativeV2"', 'embeddings = "words"')
    write_embeddings(tmp_path / "words", 7)
    assert 'prompt "rust eyes:1.5"' in [finding.where for finding in preflight(spec)]
    assert set(embedding_hashes(spec.rendering, spec.shots)) == {"EasyNegativeV2"}


def test_a_second_pass_counts_in_time_and_disk_and_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimate, "matrix_speed", lambda device: 1e12)
    shot = Shot(prompt="x", seed=1, sampler="Euler")

    def seconds(hires: Hires | None) -> float:
        return picture_seconds(Shot(prompt="x", seed=1, sampler="Euler", hires=hires), Widths(), CPU)

    base, same, latent = seconds(None), seconds(Hires(scale=1.0)), seconds(Hires())
    assert shot.picture_size == (512, 512)
    assert same == pytest.approx(2 * base, rel=0.05)  # one decoding less
    assert 6 < latent / base < 7.5
    assert latent < seconds(Hires(upscaler="Lanczos")) < seconds(Hires(upscaler="4x")) < 1.3 * latent
    assert seconds(Hires(denoise=0.0)) < 1.5 * base
    plain, large = small_study(tmp_path / "a", "scale = 1.0"), small_study(tmp_path / "b", "scale = 4.0")
    (one, other) = ({f.where.split(":")[0]: f.problem.what for f in preflight(spec)} for spec in (plain, large))
    assert one["disk"] != other["disk"]
    assert one["memory"] != other["memory"]


# ----------------------------------------------------------------------------------------------- what a study is of


def test_a_changed_second_pass_or_file_is_refused(tmp_path: Path) -> None:
    write_upscaler(tmp_path)
    spec = small_study(tmp_path, 'upscaler = "2x-Tiny"', 'upscalers = "up"')
    assert set(upscaler_hashes(spec.rendering, spec.shots)) == {"2x-Tiny"}
    store = StudyStore(spec.storage.folder, spec.storage.name)
    workshop: Any = SimpleNamespace(panel=SimpleNamespace(version="1", made_of={}), device=torch.device("cpu"))
    refuse_changes(store, spec.storage, inputs_of(spec, {"A": "a", "B": "b"}, workshop.panel), workshop)
    refuse_changes(store, spec.storage, inputs_of(spec, {"A": "a", "B": "b"}, workshop.panel), workshop)
    write_upscaler(tmp_path, seed=5)
    with pytest.raises(StudyError, match=r"upscalers\.2x-Tiny: was [0-9a-f]{64}, is [0-9a-f]{64}"):
        refuse_changes(store, spec.storage, inputs_of(spec, {"A": "a", "B": "b"}, workshop.panel), workshop)
    write_upscaler(tmp_path)
    spec.storage.file.write_text(spec.storage.file.read_text().replace('upscaler = "2x', 'scale = 1.5\nupscaler = "2x'))
    with pytest.raises(StudyError, match=r"hires: was .*\(shots? 1"):
        refuse_changes(
            store,
            spec.storage,
            inputs_of(read_study_file(spec.storage.file), {"A": "a", "B": "b"}, workshop.panel),
            workshop,
        )


def test_pictures_of_another_upscaler_are_kept_apart(tmp_path: Path) -> None:
    write_upscaler(tmp_path)
    spec = small_study(tmp_path, 'upscaler = "2x-Tiny"', 'upscalers = "up"')
    places: set[Path] = set()
    for seed in (4, 5):
        write_upscaler(tmp_path, seed)
        workshop = Workshop.open(spec, {"A": "a", "B": "b"})
        places.add(workshop.renders.folder)
        workshop.close()
    assert len(places) == 2
