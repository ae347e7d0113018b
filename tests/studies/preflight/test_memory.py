"""What `check` says of memory: where things lie, what it costs, and the ways out; with files of real size."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from engine.architecture.widths import FamilyName
from engine.checkpoints.checkpoint import Checkpoint
from engine.footprint.options import MemoryOptions
from engine.shots.hires import Hires
from studies.inputs.demand import demand_of
from studies.preflight import memory
from studies.preflight.findings import Finding
from studies.preflight.memory import Surroundings, machine_of, memory_findings
from studies.studyfile.read import read_study_file
from studies.studyfile.spec import StudySpec
from tests.engine.sparse_files import sparse_checkpoint
from tests.studies.study_text import STUDY, write_study

GB, GIB = 10**9, 2**30
RAM = 32 * GB


@pytest.fixture(autouse=True)
def _ram(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available_ram", lambda: RAM)
    monkeypatch.setattr(memory, "total_ram", lambda: 2 * RAM)


def study(folder: Path, family: FamilyName, side: int, **device: str) -> tuple[StudySpec, dict[str, Checkpoint]]:
    """A study of two parents of real size, whose files have no weights."""
    (folder / "wanted").mkdir(exist_ok=True)
    for name in ("clip.json", "clip.safetensors"):
        (folder / name).write_text("{}")
    models = {letter: sparse_checkpoint(folder / f"{letter.lower()}.safetensors", family) for letter in "AB"}
    lines = "\n".join(f'{key} = "{value}"' for key, value in device.items())
    text = STUDY.replace('[space.self]\nsites = ["OUT05:attn1"]\n', "") + f"\n[device]\n{lines}\n"
    spec = read_study_file(write_study(folder, text, width=str(side), height=str(side)))
    return spec, models


def found(spec: StudySpec, models: Mapping[str, Checkpoint], **around: float) -> list[Finding]:
    settings = spec.scoring.panel_settings(spec.target, spec.shots)
    return list(memory_findings(spec, models, Surroundings(**around), settings))  # pyright: ignore[reportArgumentType]


def test_the_plan_of_a_card_that_is_not_here(tmp_path: Path) -> None:
    total, plan = found(*study(tmp_path, "sdxl", 1024), vram=12)
    assert (total.level, plan.level) == ("note", "note")
    assert total.where == "memory: a card of 12 GB (12 GiB, 13 GB)", "a GB is 10^9 bytes, but in the names of cards"
    assert re.search(r"about 1\d GB; 13 GB are free; most while decoding: .*UNet 5\.1 GB", total.problem.what)
    assert plan.where == "memory plan"
    said = plan.problem.what
    where = r'parents = "host" \([\d.]+ GB on the device, [\d.]+ GB in main memory\); VAE in fp32 in strips; '
    assert re.match(where, said)
    assert "3 pictures at once" in said
    assert re.search(r"a trial moves [\d.]+ GB at most, about [\d.]+ s at 12 GB/s over PCIe$", said)


def test_what_compiling_costs_is_said(tmp_path: Path) -> None:
    *_, last = found(*study(tmp_path, "sd1", 512, speed="compile"), vram=24)
    assert (last.level, last.where) == ("note", "device.speed")
    assert "take a minute or more longer" in last.problem.what
    assert len(found(*study(tmp_path, "sd1", 512), vram=24)) == 2


def test_a_large_card_moves_nothing_and_a_small_one_nearly_everything(tmp_path: Path) -> None:
    spec, models = study(tmp_path, "sdxl", 1024)
    assert found(spec, models, vram=48)[1].problem.what == (
        'parents = "device" (10 GB on the device); VAE in fp32; 3 pictures at once; a trial moves nothing'
    )
    small = found(spec, models, vram=8)[1].problem.what
    assert "text encoders, VAE and scorers wait in main memory; VAE in fp32 in strips; 3 pictures" in small
    disk = replace(spec, rendering=replace(spec.rendering, memory=MemoryOptions(parents="disk")))
    assert 'parents = "disk" (10 GB in their files)' in found(disk, models, vram=48)[1].problem.what


def test_workers_share_a_card_and_main_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec, models = study(tmp_path, "sd1", 512)
    one = found(spec, models, vram=24)
    assert 'parents = "device"' in one[1].problem.what
    four = found(spec, models, vram=24, workers=4)
    assert "6.4 GB are free for each of 4 workers" in four[0].problem.what
    assert 'parents = "host"' in four[1].problem.what
    cpu = machine_of(spec, Surroundings(workers=4))
    assert (cpu.free.ram, cpu.whole.device, cpu.sharing) == (RAM // 4, 2 * RAM // 4, 4)


def test_what_does_not_fit_is_an_error_with_ways_out_that_fit(tmp_path: Path) -> None:
    spec, models = study(tmp_path, "sdxl", 2048, encoders="device", precision="fp32")
    (error,) = found(spec, models, vram=8)
    assert error.level == "error"
    assert re.fullmatch(r"about \d+ GB, and the GPU has 8\.6 GB", error.problem.what)
    assert re.fullmatch(
        r"leave parents, encoders and vae_precision under \[device\] at auto, and write \[device\] precision = "
        r'"fp16", and write \[render\] width = (\d+), height = \1 at most, together',
        error.problem.remedy,
    )
    (hopeless,) = found(spec, models, vram=4)
    assert re.fullmatch(r"models and encoders alone take \d+ GB: take a .*", hopeless.problem.remedy)
    half, models = study(tmp_path, "sdxl", 1024, encoders="device", precision="fp16")
    (error,) = found(half, models, vram=8)
    assert error.problem.remedy.startswith("leave parents, encoders and vae_precision under [device] at auto")
    width, height = (int(number) for number in re.findall(r"(?:width|height) = (\d+)", error.problem.remedy))
    render = [replace(shot, width=width, height=height) for shot in half.shots.trials]
    shots = replace(half.shots, trials=tuple(render), proof=tuple(render))
    assert found(replace(half, shots=shots), models, vram=8)[0].level == "note"


def test_half_precision_is_a_way_out(tmp_path: Path) -> None:
    spec, models = study(tmp_path, "sdxl", 1024, precision="fp32")
    (error,) = found(spec, models, vram=12)
    assert 'write [device] precision = "fp16"' in error.problem.remedy


def test_this_machines_main_memory_is_asked_on_a_cpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec, models = study(tmp_path, "sd1", 512, device="cpu")
    total, plan = found(spec, models)
    assert total.where == "memory: cpu"
    assert "32 GB are free" in total.problem.what
    assert plan.problem.what.startswith('parents = "device" (3.4 GB in main memory); VAE in fp32')
    monkeypatch.setattr(memory, "available_ram", lambda: 9 * GB)
    _, plan = found(spec, models)
    assert 'parents = "disk"' in plan.problem.what
    assert "GB/s from disk" in plan.problem.what
    monkeypatch.setattr(memory, "available_ram", lambda: 1 * GB)
    (warning,) = found(spec, models)
    assert (warning.level, warning.problem.remedy) == ("warning", "close other programs, or make smaller pictures")
    monkeypatch.setattr(memory, "total_ram", lambda: 4 * GB)
    (error,) = found(spec, models)
    assert error.level == "error"
    assert "and this machine has 4.0 GB" in error.problem.what


def test_the_largest_pass_counts_and_hires_fix_is_named_as_what_it_is(tmp_path: Path) -> None:
    spec, models = study(tmp_path, "sd1", 512)
    hires = Hires(upscaler="Latent", scale=4.0)
    shots = replace(spec.shots, trials=tuple(replace(shot, hires=hires) for shot in spec.shots.trials))
    large = replace(spec, shots=shots)
    settings = spec.scoring.panel_settings(spec.target, spec.shots)
    demand = demand_of(large, models, settings, is_gpu=True)
    assert (demand.width, demand.height, demand.precision, demand.rows) == (2048, 2048, "fp16", 2)
    asked = MemoryOptions(encoders="device")
    tight = replace(large, rendering=replace(large.rendering, memory=asked))
    (error,) = found(tight, models, vram=6)
    assert re.search(r"make pictures of (\d+) x \1 at most", error.problem.remedy)


def test_parts_of_a_prompt_are_rows(tmp_path: Path) -> None:
    spec, models = study(tmp_path, "sd1", 512)
    parts = [replace(shot, prompt="a cat AND a dog AND rain") for shot in spec.shots.trials]
    many = replace(spec, shots=replace(spec.shots, trials=tuple(parts)))
    settings = spec.scoring.panel_settings(spec.target, spec.shots)
    assert demand_of(many, models, settings, is_gpu=True).rows == 4
