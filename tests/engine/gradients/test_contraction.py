"""Contractions with gradients of the whole UNet, against finite differences."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
import torch
from torch import Tensor

from engine.architecture.widths import UNET
from engine.gradients.contraction import Contraction
from engine.gradients.derivatives import row_derivatives
from engine.live.weights import LiveWeights
from engine.merging.folded import MergePlan
from engine.modes.rows import TensorRow
from tests.engine.gradients.moved import chain, moves, value_of


def unet_loss(trained: LiveWeights) -> Tensor:
    """Something that depends on every weight of the UNet."""
    draw = torch.Generator().manual_seed(5)
    x = torch.randn(2, 4, 8, 8, generator=draw, dtype=torch.float64)
    context = torch.randn(2, 16, 64, generator=draw, dtype=torch.float64)
    target = torch.randn(2, 4, 8, 8, generator=draw, dtype=torch.float64)
    found = trained.live.unet(x, torch.tensor(300.0), encoder_hidden_states=context, return_dict=False)[0]
    return (found - target).square().mean()


def fill(trained: LiveWeights, plan: MergePlan, keys: Iterable[str]) -> None:
    """The plan in float64, without rounding."""
    with torch.no_grad():
        for key in keys:
            trained.read(key).copy_(value_of(plan.rows[key], key, trained).view_as(trained.read(key)))


def test_one_backward_pass_gives_the_derivative_by_every_number(trained: LiveWeights) -> None:
    """In float64 against central differences of the whole UNet."""
    plan = trained.plan(chain())
    chosen = {name: moves()[name] for name in ("IN05", "OUT11", "factor", "OUT", "CONT")}
    derivatives = {
        name: row_derivatives(name, plan, trained.plan(move.recipe), move.step) for name, move in chosen.items()
    }
    fill(trained, plan, [key for key in trained.keys if key.startswith(UNET)])
    contraction = Contraction(trained, {key for rows in derivatives.values() for key in rows})
    with contraction.collecting():
        unet_loss(trained).backward()
    found = contraction.contracted()
    for name, rows in derivatives.items():
        values: list[float] = []
        for step in (1e-5, -1e-5):
            fill(trained, trained.plan(chain(**{name: step})), rows)
            values.append(float(unet_loss(trained)))
        fill(trained, plan, rows)
        difference = (values[0] - values[1]) / 2e-5
        assert difference
        assert sum(found[key].along(row) for key, row in rows.items()) == pytest.approx(difference, rel=1e-6), name


def test_gradients_are_freed_and_the_model_is_left_without_any(trained: LiveWeights) -> None:
    trained._built.clear()
    trained.build(trained.plan(chain()))
    keys = [key for key in trained.keys if key.startswith("model.diffusion_model.output_blocks.5.")]
    contraction = Contraction(trained, keys)
    with contraction.collecting():
        unet_loss(trained).backward()
        assert all(parameter.grad is None for parameter in trained.live.unet.parameters())
    assert sorted(contraction.contracted()) == sorted(keys)
    assert not any(parameter.requires_grad for parameter in trained.live.unet.parameters())


def test_several_backward_passes_add_up(trained: LiveWeights) -> None:
    key = "model.diffusion_model.out.2.bias"
    once, twice = Contraction(trained, [key]), Contraction(trained, [key])
    for contraction, passes in ((once, 1), (twice, 2)):
        with contraction.collecting():
            for _ in range(passes):
                unet_loss(trained).backward()
    row = TensorRow((("A", 0.5), ("B", -0.2)), (0.1, 0.2, 0.3, 0.4))
    assert once.contracted()[key].along(row)
    assert twice.contracted()[key].along(row) == pytest.approx(2 * once.contracted()[key].along(row))
