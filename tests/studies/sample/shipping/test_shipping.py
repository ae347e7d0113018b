"""From nothing to files that ship, at sizes that take a moment; and a gate that says no."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.func import functional_call

from engine.checkpoints.checkpoint import check_finite, check_pair, open_complete
from engine.engine import Engine
from engine.recipes.blocks import BLOCKS
from studies.errors import StudyError
from studies.sample.scenery.looks import random_look
from studies.sample.shipping.__main__ import ship
from studies.sample.shipping.gate import GateRow, gate_table
from studies.sample.shipping.judging import by_blocks, gate_shots, shift_of
from studies.sample.shipping.packed import pack, packed_vae
from studies.sample.training.__main__ import train
from studies.sample.training.axes import MAIN, SECOND
from studies.sample.training.captions import small_ids, token_ids
from studies.sample.training.pictures import drawn
from studies.sample.training.run import Schedule, averages_of
from studies.sample.training.settings import GPU, PROCESSOR, Settings, StageSettings
from studies.sample.training.stages import Workshop, train_decoder, trained_vae
from studies.sample.training.unets import mixed, new_drawer
from studies.sample.training.vae import latents_of, round_trip
from studies.sample.world import CHECKPOINTS, write_world


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """Everything trained for two steps."""
    few = StageSettings(schedule=Schedule(steps=2, peak=1e-3, warm_up=1), drawings=8, batch=4)
    settings = Settings(vae=few, decoder=few, base=few, pair=few, clip=few, classifier=few, side=64)
    shop = Workshop(folder=tmp_path_factory.mktemp("world"), settings=settings, device=torch.device("cpu"))
    train(shop, "second")
    return shop


def test_what_is_not_trained_does_not_ship_and_says_all_that_it_lacks(shop: Workshop, tmp_path: Path) -> None:
    shots, packed = gate_shots(side=64, steps=1, share=0.2), shop.folder / "packed_main"
    pack(shop, MAIN, packed)
    assert len([*packed.iterdir()]) <= 8, "what a machine elsewhere gives back"
    _check_decoder(shop, packed)
    lacks = r"subjects recognised in pictures of A: is 0\.\d\d, and at least 0\.85 is wanted; train longer"
    with pytest.raises(StudyError, match=lacks) as told:
        ship(packed, MAIN, shots, tmp_path / "shipped")
    assert "lead of the wanted look" in str(told.value)
    assert not (tmp_path / "shipped").exists()
    rows = json.loads((packed / "gate.json").read_text())
    assert len(rows) == 16
    assert "| d' of BASE |" in (packed / "gate.md").read_text()
    assert json.loads((packed / "training.json").read_text())["pair_main"]["steps"] == 2
    assert sum(path.stat().st_size for path in packed.glob("*.*")) < 34e6
    _check_whole_files(shop.folder / "packed_main_whole")


def _check_decoder(shop: Workshop, packed: Path) -> None:
    pictures = drawn(2, 1, random_look, 64).pictures
    vae = trained_vae(shop)
    before = latents_of(vae, pictures), round_trip(vae, pictures).int()
    train_decoder(shop, vae)
    assert torch.equal(before[0], latents_of(vae, pictures)), "only the decoder was trained"
    after = round_trip(vae, pictures).int()
    assert not torch.equal(before[1], after)
    assert (round_trip(packed_vae(packed), pictures).int() - after).abs().max() <= 2


def _check_whole_files(folder: Path) -> None:
    a, b = (open_complete(folder / f"{name}.safetensors") for name in "ab")
    check_pair(a, b)
    for checkpoint in (a, b):
        check_finite(checkpoint)
        assert checkpoint.family == "sd1"


def test_the_second_pair_is_of_other_drawings_and_packed_as_the_first(shop: Workshop, tmp_path: Path) -> None:
    latents = {path.name for path in shop.folder.glob("latents_*")}
    assert latents == {"latents_2", f"latents_2_{'_'.join(SECOND.axes)}"}
    pack(shop, SECOND, tmp_path)
    assert json.loads((tmp_path / "training.json").read_text())["pair_second"]["steps"] == 2
    _check_whole_files(write_world(tmp_path / "whole", packed=tmp_path, names=CHECKPOINTS).a.parent)


def test_the_engine_merges_what_shipped_as_training_mixed_it(shop: Workshop, tmp_path: Path) -> None:
    other = _with_distant_parents(shop, tmp_path)
    pack(other, MAIN, tmp_path / "packed")
    files = write_world(tmp_path / "whole", packed=tmp_path / "packed", names=CHECKPOINTS)
    ratios = {block: 0.1 + 0.03 * place for place, block in enumerate(BLOCKS)}
    latents, levels = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0)), torch.tensor([50, 800])
    captions = ["a red cat in the city", ""]
    expected = _mixed_noise(other, torch.tensor([*ratios.values()]), latents, levels, captions)
    with Engine.open({"A": files.a, "B": files.b}) as engine, torch.no_grad():
        engine.build(by_blocks(ratios))
        live = engine.weights.live
        context = live.text_encoder(token_ids(captions)).last_hidden_state
        seen = live.unet(latents, levels, encoder_hidden_states=context).sample
    assert torch.allclose(seen, expected, atol=0.01 * float(expected.std()))


def _with_distant_parents(shop: Workshop, folder: Path) -> Workshop:
    """The same training, but its parents are far apart, so that a wrong ratio of any block is seen."""
    for path in shop.folder.glob("*.pt"):
        (folder / path.name).symlink_to(path)
    (folder / "drawings_vae.npz").symlink_to(shop.folder / "drawings_vae.npz")
    state = torch.load(shop.file("pair_main"), weights_only=True)
    generator = torch.Generator().manual_seed(1)
    for tensor in state["averages"].values():
        tensor.add_(0.03 * torch.randn(tensor.shape, generator=generator))
    (folder / "pair_main.pt").unlink()
    torch.save(state, folder / "pair_main.pt")
    return replace(shop, folder=folder)


@torch.no_grad()
def _mixed_noise(
    shop: Workshop, ratios: torch.Tensor, latents: torch.Tensor, levels: torch.Tensor, captions: list[str]
) -> torch.Tensor:
    drawer = new_drawer(torch.device("cpu"))
    parts: dict[str, dict[str, torch.Tensor]] = {}
    for part in ("text", "unet"):
        base = averages_of(shop.file("base"), part)
        a, b = (base | averages_of(shop.file("pair_main"), f"{parent}_{part}") for parent in "ab")
        parts[part] = mixed("text" if part == "text" else "unet", a, b, ratios)
    context = functional_call(drawer.text, parts["text"], (small_ids(captions),)).last_hidden_state
    return functional_call(drawer.unet, parts["unet"], (latents, levels, context)).sample


def test_a_shift_is_seen_and_chance_is_not() -> None:
    rng = np.random.default_rng(0)
    same, other = rng.normal(size=(2, 16, 30))
    assert abs(shift_of(same, other)) < 2
    assert shift_of(same, other + 1.0) > 6
    assert shift_of(same, other + 1.0) == pytest.approx(shift_of(same * 7, (other + 1.0) * 7))


def test_rows_pass_or_not() -> None:
    enough = GateRow(what="d'", measured=2.5, wanted=2.0)
    much = GateRow(what="error", measured=0.05, wanted=0.03, at_most=True)
    assert enough.passed
    assert not much.passed
    assert gate_table((enough, much)).splitlines()[2:] == [
        "| d' | 2.50 | at least 2 | yes |",
        "| error | 0.05 | at most 0.03 | **no** |",
    ]


def test_shots_of_different_purposes_are_different_pictures() -> None:
    shots = gate_shots()
    seeds = [
        shot.seed for group in (shots.shifted, shots.held_out, shots.references, shots.recognised) for shot in group
    ]
    assert len(seeds) == len(set(seeds)) == 16 + 24 + 48 + 48
    assert not {shot.prompt for shot in shots.references} & {shot.prompt for shot in (*shots.shifted, *shots.held_out)}
    assert all(subject in shot.prompt for subject, shot in zip(shots.subjects, shots.recognised, strict=True))


def test_block_weights_become_a_recipe() -> None:
    (step,) = by_blocks({"M00": 1.0}).runs
    assert step.alpha == tuple(float(block == "M00") for block in BLOCKS)


def test_both_settings_name_every_stage() -> None:
    for settings in (PROCESSOR, GPU):
        assert settings.base.drawings == settings.pair.drawings
        assert settings.clip.drawings == settings.classifier.drawings
