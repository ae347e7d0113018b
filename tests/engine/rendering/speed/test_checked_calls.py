"""Compiled and recorded calls: what is compared, what is given up, and which weights a replay reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from diffusers.models.attention_processor import Attention, AttnProcessor2_0
from torch import Tensor, nn

from engine.rendering.renderer import Renderer
from engine.rendering.speed.recorded_calls import MOST_RECORDINGS, RecordedCalls
from engine.rendering.speed.self_check import TOLERANCES, SelfCheck
from engine.rendering.speed.unet_calls import PLAIN_NOTE, FastCalls, UnetCalls
from engine.rendering.speed.unet_inputs import UnetInputs
from engine.shots.shot import Shot
from tests.engine.models.tiny_models import tiny_model

CPU = torch.device("cpu")
SHOT = Shot(prompt="a red house", negative="grey", seed=5, width=64, height=64, steps=2, cfg=3.5)


class Linear(nn.Module):
    """Something with weights that is called as a UNet is."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([2.0, 3.0]), requires_grad=False)
        self.calls = 0

    def forward(self, sample: Tensor, time: Tensor, *, encoder_hidden_states: Tensor, **_: Any) -> tuple[Tensor]:
        self.calls += 1
        return (sample * self.weight[0] + time + encoder_hidden_states.mean() * self.weight[1],)


def inputs(rows: int = 2, time: float = 5.0) -> UnetInputs:
    torch.manual_seed(rows)
    return UnetInputs(
        sample=torch.randn(rows, 4, 8, 8), timestep=torch.tensor(time), contexts=torch.randn(rows, 77, 32)
    )


def repeating(work: Callable[[], Tensor]) -> tuple[Callable[[], None], Tensor]:
    """Records some work as a CUDA graph does: a replay fills the same memory, from what is in the inputs by then."""
    output = work()

    def replay() -> None:
        output.copy_(work())

    return replay, output


# ----------------------------------------------------------------------------------------------------- recordings


def test_a_replay_reads_its_inputs_and_the_weights_that_are_there():
    unet: Any = Linear()
    recorded = RecordedCalls(lambda given: given.output(unet), repeating)
    first = recorded.output(inputs(time=1.0))
    assert torch.equal(first, inputs(time=1.0).output(unet))
    second = recorded.output(inputs(time=7.0))
    assert torch.equal(second, inputs(time=7.0).output(unet))
    kept = second.clone()
    unet.weight.copy_(torch.tensor([-1.0, 0.5]))
    assert torch.equal(recorded.output(inputs(time=7.0)), inputs(time=7.0).output(unet))
    assert torch.equal(second, kept)  # in memory of its own
    assert len(recorded) == 1


def test_other_shapes_are_other_recordings_up_to_a_number():
    unet: Any = Linear()
    recorded = RecordedCalls(lambda given: given.output(unet), repeating)
    masked = replace(inputs(), mask=torch.ones(2, 77))
    for given in (inputs(1), inputs(2), masked, inputs(1)):
        assert torch.equal(recorded.output(given), given.output(unet))
    assert len(recorded) == 3
    for rows in range(3, 20):
        assert torch.equal(recorded.output(inputs(rows)), inputs(rows).output(unet))
    assert len(recorded) == MOST_RECORDINGS


# ---------------------------------------------------------------------------------------------------- comparisons


def problem_after_builds(fast: Callable[[UnetInputs], Tensor], unet: Any, factors: tuple[float, ...]) -> str:
    """What a check says of fast calls over some builds, each of which multiplies the weights."""
    check, problem = SelfCheck(), ""
    for factor in (1.0, *factors):
        unet.weight.mul_(factor)
        check.weights_changed()
        problem = problem or check.problem(inputs(), lambda given: given.output(unet), fast)
    return problem


def test_equal_calls_are_proven_by_a_build_that_moves_the_output():
    unet: Any = Linear()
    check = SelfCheck()
    for factor, calls, proven in ((1.0, 2, False), (1.0, 3, False), (1.5, 5, True), (2.0, 5, True)):
        unet.weight.mul_(factor)
        check.weights_changed()
        assert not check.problem(inputs(), lambda given: given.output(unet), lambda given: given.output(unet))
        assert (unet.calls, check.proven) == (calls, proven)


def test_old_weights_are_noticed_however_little_they_differ():
    for factors in ((1.5,), (1.00005,), (1.0, 1.00005)):
        unet: Any = Linear()
        kept: Any = Linear()
        problem = problem_after_builds(lambda given: given.output(kept), unet, factors)  # noqa: B023
        assert "does not see the new weights" in problem


@pytest.mark.parametrize("dtype", TOLERANCES)
def test_outputs_may_differ_by_the_rounding_of_their_type_alone(dtype: torch.dtype):
    unet: Any = Linear()

    def within(share: float) -> str:
        check = SelfCheck()
        given = replace(inputs(), sample=inputs().sample.to(dtype))
        return check.problem(
            given, lambda one: one.output(unet).to(dtype), lambda one: (one.output(unet) * (1 + share)).to(dtype)
        )

    assert not within(0.5 * TOLERANCES[dtype])
    assert "is allowed" in within(2 * TOLERANCES[dtype])
    assert "is allowed" in within(float("nan"))


def test_every_new_shape_is_compared_once():
    unet: Any = Linear()
    check = SelfCheck()
    for rows, calls in ((2, 2), (3, 4), (2, 4), (3, 4)):
        assert not check.problem(inputs(rows), lambda given: given.output(unet), lambda given: given.output(unet))
        assert unet.calls == calls
    assert check.problem(inputs(4), lambda given: given.output(unet), lambda given: given.output(unet) * 1.1)


# -------------------------------------------------------------------------------------------------------- the way back


def test_what_cannot_be_recorded_is_called_plainly_and_one_sentence_says_why():
    model = tiny_model()

    def broken(work: Callable[[], Tensor]) -> tuple[Callable[[], None], Tensor]:
        raise RuntimeError("no such operation\nand much more")

    renderer = Renderer(model, speed="compile")
    renderer.denoiser.calls = UnetCalls("compile", CPU, record=broken)
    assert torch.equal(renderer.render([SHOT]), Renderer(model).render([SHOT]))
    assert renderer.denoiser.calls.note == f"{PLAIN_NOTE}: no such operation"


def test_too_little_memory_for_recordings_is_no_end():
    unet: Any = Linear()

    def greedy(work: Callable[[], Tensor]) -> tuple[Callable[[], None], Tensor]:
        raise torch.OutOfMemoryError("out of memory, as a full GPU says it")

    calls = FastCalls(CPU, greedy)
    assert torch.equal(calls.output(unet, inputs()), inputs().output(unet))
    assert "too little memory" in calls.note


def test_a_gpu_without_triton_is_told_at_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("engine.rendering.speed.unet_calls.find_spec", lambda name: None)
    assert "Triton" in FastCalls(torch.device("cuda")).note
    assert not FastCalls(CPU).note


def test_nothing_is_compiled_where_it_is_not_asked_for():
    for speed in ("auto", "eager"):
        renderer = Renderer(tiny_model(), speed=speed)
        renderer.render([SHOT])
        assert not renderer.denoiser.calls.note
        assert renderer.denoiser.calls._fast is None  # pyright: ignore[reportPrivateUsage]


def test_attention_is_torchs_own_in_one_piece():
    model = tiny_model()
    for module in (model.unet, model.vae):
        attentions = [part for part in module.modules() if isinstance(part, Attention)]
        assert attentions
        for attention in attentions:
            assert isinstance(attention.processor, AttnProcessor2_0)
            assert not attention.upcast_attention


def test_derivatives_are_taken_of_the_plain_unet():
    unet: Any = Linear()
    calls = UnetCalls("compile", CPU, record=repeating)
    given = inputs()
    given.sample.requires_grad_()
    calls.output(unet, given).sum().backward()
    assert given.sample.grad is not None
    assert unet.calls == 1
