"""Whole nights in other spaces: three models, second ratios, SDXL, ties and grids, words and VAEs to choose from."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from PIL import Image
from rich.console import Console
from safetensors.torch import load_file, save_file

from engine.architecture.widths import VAE
from engine.checkpoints.checkpoint import file_sha256
from engine.engine import Engine
from engine.merging.output import Output
from engine.recipes.blocks import EXTENDED_BLOCKS
from engine.recipes.recipe import MergeStep, Recipe
from engine.recipes.steps import Ratio
from engine.shots.shot import Shot
from studies.drawing import sheets
from studies.drawing.sheets import as_bytes
from studies.errors import StudyError
from studies.night.night import Night
from studies.preflight.checks import preflight
from studies.review.approval import approve_recipe
from studies.review.exporting.export import export_pin
from studies.review.judging.pairs import pair_of
from studies.review.judging.picking import opened_picking
from studies.review.judging.picks import read_picks
from studies.review.show import overview
from studies.sample.world import write_world
from studies.store.judged.outcome import Outcome, read_outcome
from studies.store.judged.pins import latest_pin, read_pins
from studies.store.storage import StudyStore
from studies.studyfile.read import read_study_file
from studies.studyfile.spec import StudySpec
from tests.engine.models.tiny_families import write_family
from tests.studies.sample_study import STUDY

QUIET = Console(quiet=True)
SMALL = STUDY.replace("{groups}", "2").replace("{{", "{").replace("}}", "}")
C = '\nC = "third.safetensors"\n'


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The sample world with a third model and two VAE files; and one of tiny SDXL models, with pictures of theirs."""

    sd1: Path
    sdxl: Path


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    found = World(sd1=tmp_path_factory.mktemp("sd1"), sdxl=tmp_path_factory.mktemp("sdxl"))
    write_world(found.sd1)
    a, b = (load_file(found.sd1 / f"{name}.safetensors") for name in ("closeups", "lamplight"))
    third = {key: (0.7 * a[key].float() + 0.3 * b[key].float()).to(a[key].dtype) for key in a}
    save_file(third, found.sd1 / "third.safetensors")
    vae = {key.removeprefix(VAE): value for key, value in b.items() if key.startswith(VAE)}
    for name, shift in (("lighter", 0.2), ("darker", -0.2)):
        bias = vae["decoder.conv_out.bias"] + shift
        save_file(vae | {"decoder.conv_out.bias": bias}, found.sd1 / f"{name}.safetensors")
    for path in sorted((found.sd1 / "references").glob("*.png"))[12:]:
        path.unlink()
    _write_sdxl(found.sdxl)
    return found


def _write_sdxl(folder: Path) -> None:
    """Random models draw noise; a night needs references that look like it, or every picture would count as broken."""
    kept = write_world(folder)
    for path in (kept.a, kept.b, *kept.references.iterdir()):
        path.unlink()
    models = {
        letter: write_family(path, "sdxl", number)
        for number, (letter, path) in enumerate((("A", kept.a), ("B", kept.b)))
    }
    shots = [Shot(prompt="a house", seed=seed, width=64, height=64, steps=2, cfg=2.0) for seed in range(8)]
    step = MergeStep(alpha=(0.0, *[0.5] * 19))
    with Engine.open(models) as engine:
        engine.build(Recipe(steps=(step,), family="sdxl", dialect="head"))
        for number, picture in enumerate(as_bytes(engine.render(shots))):
            Image.fromarray(picture).save(kept.references / f"{number}.png")


def study(
    folder: Path, name: str, *, models: str = "", tables: str = "", groups: int = 1, text: str = SMALL
) -> StudySpec:
    """A study with few trials beside the world's files."""
    text = text.replace('name = "small"', f'name = "{name}"')
    text = text.replace('B = "lamplight.safetensors"\n', f'B = "lamplight.safetensors"{models or chr(10)}')
    for stage in ("blocks", "self", "adjust", "refine"):
        text = text.replace(f"{stage} = 2", f"{stage} = 1")
    text = text.replace("groups = 2", f"groups = {groups}\ncalibration = 2").replace("finalists = 2", "finalists = 1")
    path = folder / f"{name}.toml"
    path.write_text(text.replace("[space.self]", f"{tables}\n[space.self]"))
    return read_study_file(path)


def night(spec: StudySpec) -> Outcome:
    """A whole night, after the check that the command makes."""
    assert [finding.line for finding in preflight(spec) if finding.level == "error"] == []
    outcome = Night(spec, QUIET).run()
    assert outcome is not None
    return outcome


def export_shows_the_same(spec: StudySpec, out: Path, *, trial: int | None = None) -> Path:
    """Approve the first finalist or a trial, export it, load the file afresh, compare with the recipe's pictures."""
    pin = approve_recipe(spec.storage, finalist=None, trial=trial, note="for the test", by="tester")
    assert pin in read_pins(spec.storage.folder)
    done = export_pin(spec.storage, spec.merge, spec.rendering, pin, out, output=Output(arithmetic="folded"))
    with Engine.open(spec.merge.models) as parents:
        parents.build(Recipe.parse(pin.recipe))
        parents.use_vae(spec.rendering.vaes[pin.vae] if pin.vae else None)
        wanted = parents.render(spec.shots.proof)
    frame = spec.search.space.frame
    itself = Recipe(steps=(MergeStep(),), family=frame.family, dialect=frame.dialect)
    with Engine.open({"A": done.checkpoint.path, "B": done.checkpoint.path}) as afresh:
        afresh.build(itself)
        assert torch.equal(afresh.render(spec.shots.proof), wanted)
    assert done.supermerger is not None
    return done.supermerger


def row(ratio: Ratio) -> tuple[float, ...]:
    """A ratio that is one by block."""
    assert isinstance(ratio, tuple)
    return ratio


def merges(spec: StudySpec) -> list[MergeStep]:
    """The merge of every trial."""
    steps = [
        Recipe.parse(t.user_attrs["recipe"]).steps[0]
        for t in StudyStore(spec.storage.folder, spec.storage.name).trials()
    ]
    return [step for step in steps if isinstance(step, MergeStep)]


def test_add_difference_of_three_models(world: World, tmp_path: Path) -> None:
    spec = study(world.sd1, "difference", models=C, tables='[merge]\nmode = "Add difference"')
    outcome = night(spec)
    baselines = ["A", "B", "C", "FLAT_25", "FLAT_50", "FLAT_75", "FLAT_100"]
    assert [standing.label for standing in outcome.baselines] == baselines
    recipes = {standing.label: Recipe.parse(standing.recipe) for standing in outcome.baselines}
    assert recipes["C"].models == ("A", "C")
    half = recipes["FLAT_50"].steps[0]
    assert isinstance(half, MergeStep)
    assert (half.mode, half.models, set(row(half.alpha)[1:])) == ("Add difference", ("A", "B", "C"), {0.5})
    assert [c.against for c in outcome.finalists[0].comparisons][:3] == ["A", "B", "C"]
    assert {step.mode for step in merges(spec)} == {"Add difference"}
    assert "merge mode: Add difference" in export_shows_the_same(spec, tmp_path / "out.safetensors").read_text()
    other = study(world.sd1, "difference", models=C, tables='[merge]\nmode = "Triple sum"\n')
    with pytest.raises(StudyError, match=r"(?s)began with other inputs.*merge\.mode: was Add difference, is Triple"):
        Night(other, QUIET).run()


def test_second_ratios_ties_and_grids(world: World, tmp_path: Path) -> None:
    tables = """
[merge]
mode = "sum Twice"
[space.blocks]
low = -0.2
high = 1.2
step = 0.05
ties = { OUT05 = "IN05" }
[space.second]
high = 0.5
bounds = { M00 = [0.1, 0.3, 0.1] }
freeze = { BASE = 0.0, IN00 = 0.25 }
"""
    spec = study(world.sd1, "twice", models=C, tables=tables)
    night(spec)
    found = merges(spec)
    assert all(row(step.alpha)[1 + 5] == row(step.alpha)[1 + 12 + 1 + 5] for step in found)
    assert {row(step.beta)[1] for step in found} == {0.25}
    assert {row(step.beta)[1 + 12] for step in found} <= {0.1, 0.2, 0.3}
    assert all(abs(ratio * 20 - round(ratio * 20)) < 1e-6 for step in found for ratio in row(step.alpha))
    assert len({row(step.beta)[2] for step in found}) > 1
    assert "weights beta (BASE first)" in export_shows_the_same(spec, tmp_path / "out.safetensors").read_text()


@pytest.fixture(scope="module")
def chosen(world: World) -> StudySpec:
    """A night that chooses among two calculation modes and three VAEs."""
    tables = """
[space.choices]
calculation = ["normal", "tensor"]
vae = ["lighter.safetensors", "merged", "darker.safetensors"]
"""
    spec = study(world.sd1, "choices", tables=tables, groups=6)
    night(spec)
    return spec


def test_words_and_vaes_to_choose_from(chosen: StudySpec, tmp_path: Path) -> None:
    trials = StudyStore(chosen.storage.folder, chosen.storage.name).trials()
    assert {step.calculation for step in merges(chosen)} == {"normal", "tensor"}
    assert {trial.user_attrs["vae"] for trial in trials} == {*chosen.rendering.vaes}
    outcome = read_outcome(chosen.storage.folder)
    assert {standing.vae for standing in outcome.baselines} == {"lighter.safetensors"}
    assert Night(chosen, QUIET).run() == outcome, "a night that goes on makes the same of it"
    console = Console(width=200, record=True, file=io.StringIO())
    store = StudyStore(chosen.storage.folder, chosen.storage.name)
    for part in overview(chosen.storage, chosen.search, chosen.shots, store, top=len(trials)):
        console.print(part)
    shown = console.export_text()
    assert f"{outcome.finalists[0].label}, VAE {outcome.finalists[0].vae}" in shown
    assert "FLAT_50, VAE" not in shown
    assert re.search(r"[0-9a-f]{8} darker\.safetensors", shown)
    told = next(trial for trial in trials if trial.user_attrs["vae"] == "darker.safetensors")
    with Engine.open(chosen.merge.models) as engine:
        engine.build(Recipe.parse(told.user_attrs["recipe"]))
        engine.use_vae(chosen.rendering.vaes["darker.safetensors"])
        sheets.grid(as_bytes(engine.render(chosen.shots.trials)), tmp_path / "sheet.webp")
    artifacts = {path.read_bytes() for path in (chosen.storage.folder / "artifacts").iterdir()}
    assert (tmp_path / "sheet.webp").read_bytes() in artifacts, "its contact sheet was decoded by its VAE"


def test_pictures_with_different_vaes_can_be_told_apart_by_a_person(chosen: StudySpec) -> None:
    with opened_picking(chosen, by="me") as picking:
        pairs = picking.gallery.sample(1, frozenset())
        both = [(picking.gallery.candidate(pair.left), picking.gallery.candidate(pair.right), pair) for pair in pairs]
        left, right, pair = next(one for one in both if one[0].vae != one[1].vae)
        picking.answer(pair, "left")
    (kept,) = read_picks(chosen.storage.folder)
    assert (kept.left_vae, kept.right_vae) == (left.vae, right.vae)
    assert pair_of(kept) == pair


def test_the_chosen_vae_is_in_the_export(chosen: StudySpec, tmp_path: Path) -> None:
    number = next(
        trial.number
        for trial in StudyStore(chosen.storage.folder, chosen.storage.name).trials()
        if trial.user_attrs["vae"] == "darker.safetensors"
    )
    words = export_shows_the_same(chosen, tmp_path / "out.safetensors", trial=number).read_text()
    assert "bake in VAE: darker.safetensors" in words
    pin, path = latest_pin(chosen.storage.folder), chosen.rendering.vaes["darker.safetensors"]
    assert path is not None
    assert (pin.vae, pin.vae_sha256) == ("darker.safetensors", file_sha256(path))
    content = load_file(path)
    bias = content["decoder.conv_out.bias"]
    assert torch.equal(load_file(tmp_path / "out.safetensors")[f"{VAE}decoder.conv_out.bias"], bias.half())
    save_file(content | {"decoder.conv_out.bias": bias + 0.1}, path)
    with pytest.raises(StudyError, match=r"not the ones that the recipe was approved with[\s\S]*VAE: .*darker"):
        export_pin(chosen.storage, chosen.merge, chosen.rendering, pin, tmp_path / "again.safetensors", output=Output())
    with pytest.raises(StudyError, match=r"began with other inputs[\s\S]*space\.vae\.darker\.safetensors: was"):
        Night(chosen, QUIET).run()


def test_a_night_of_sdxl(world: World, tmp_path: Path) -> None:
    tables = """
[merge]
separate = true
[space.blocks]
freeze = { BASE = 0.0, LABEL = 0.2 }
"""
    text = SMALL.replace("OUT11:attn1", "OUT05:attn1")
    spec = study(world.sdxl, "xl", tables=tables, text=text)
    assert (spec.search.space.frame.family, spec.search.space.frame.dialect) == ("sdxl", "head")
    assert len(spec.search.space.of_kind("block")) == 19 + 2
    outcome = night(spec)
    found = merges(spec)
    assert {len(row(step.alpha)) for step in found} == {len(EXTENDED_BLOCKS)}
    assert {row(step.alpha)[EXTENDED_BLOCKS.index("LABEL")] for step in found} == {0.2}
    assert len({row(step.alpha)[EXTENDED_BLOCKS.index("TIME")] for step in found}) > 5
    assert all(Recipe.parse(standing.recipe).family == "sdxl" for standing in outcome.baselines)
    export_shows_the_same(spec, tmp_path / "out.safetensors")


def test_sdxl_models_and_embeddings_that_do_not_fit_are_found_before(world: World, tmp_path: Path) -> None:
    for path in world.sdxl.iterdir():
        if path.suffix != ".toml" and path.name != "runs":
            (tmp_path / path.name).symlink_to(path)
    (tmp_path / "embeddings").mkdir()
    width = 64  # of the first of tiny SDXL's encoders
    save_file({"clip_l": torch.zeros(1, width), "clip_g": torch.zeros(1, 96)}, tmp_path / "embeddings/pair.safetensors")
    save_file({"emb_params": torch.zeros(1, width)}, tmp_path / "embeddings/single.safetensors")
    text = SMALL.replace("OUT11:attn1", "OUT05:attn1").replace("[render]\n", '[render]\nembeddings = "embeddings"\n')

    def wrong(written: str) -> list[str]:
        return [one.line for one in preflight(study(tmp_path, "xl", text=written)) if one.level == "error"]

    assert wrong(text.replace("a red cat", "a red cat, pair")) == []
    (line,) = wrong(text.replace("a red cat", "a red cat, single"))
    assert line.startswith('error: render.embeddings: the embedding "single"')
    b = tmp_path / "lamplight.safetensors"
    content = load_file(b) | {"v_pred": torch.zeros(0)}
    b.unlink()
    save_file(content, b)
    (line,) = wrong(text)
    assert line.startswith("error: models: the models are marked for different predictions (A nothing, B v_pred)")
    assert wrong(text.replace("[render]\n", '[render]\nprediction = "v"\n')) == []
    b.unlink()
    b.symlink_to(world.sd1 / "lamplight.safetensors")
    (line,) = wrong(text)
    assert line.startswith("error: models.B")
    assert "this is an SD1 checkpoint, and the study is of SDXL checkpoints; take models of one family" in line
