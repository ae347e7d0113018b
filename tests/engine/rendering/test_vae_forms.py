"""The VAE in strips and in half precision: what it gives, what memory it takes, and when it changes its form."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from engine.errors import RenderError
from engine.footprint.demand import Form
from engine.rendering import vae_strips
from engine.rendering.presence import Presence
from engine.rendering.vae_codec import Codec
from engine.rendering.vae_forms import VaeForms
from engine.shots.shot import Shot
from studies.sample.shipping.packed import packed_vae
from studies.sample.world import WORLD
from tests.engine.device_memory import DeviceMemory
from tests.engine.models.tiny_models import tiny_model

CPU = torch.device("cpu")
SHOT = Shot(prompt="a house", seed=1)
GREY = 1 / 255


@pytest.fixture(scope="module")
def model() -> Any:
    return tiny_model()


@pytest.fixture
def narrow_strips(monkeypatch: pytest.MonkeyPatch) -> None:
    """Strips of a few rows even of small pictures."""
    monkeypatch.setattr(vae_strips, "STRIP_VALUES", 2**12)


def in_form(model: Any, precision: str, *, strips: bool = True) -> Codec:
    forms = VaeForms(precision, CPU)
    forms.in_strips = strips or forms.in_strips
    return Codec(model, forms)


def latents_of(model: Any, height: int, width: int, count: int = 1) -> Tensor:
    torch.manual_seed(height + width)
    return Codec(model).encode(torch.rand(count, 3, height, width))


@torch.inference_mode()
def decode(codec: Codec, latents: Tensor) -> Tensor:
    return codec.decode([SHOT] * len(latents), latents)


# ----------------------------------------------------------------------------------------------------- the pictures


@pytest.mark.parametrize(("height", "width"), [(64, 64), (72, 104), (136, 40)])
@pytest.mark.usefixtures("narrow_strips")
@torch.inference_mode()
def test_strips_make_the_whole_picture(model: Any, height: int, width: int):
    latents = latents_of(model, height, width, 2)
    whole, strips = decode(Codec(model), latents), decode(in_form(model, "fp32"), latents)
    assert float((strips - whole).abs().max()) < GREY / 100
    pictures = torch.rand(2, 3, height, width)
    encoded = Codec(model).encode(pictures)
    assert float((in_form(model, "fp32").encode(pictures) - encoded).abs().max()) < 1e-4 * float(encoded.std())


@pytest.mark.usefixtures("narrow_strips")
@torch.inference_mode()
def test_half_the_memory_is_enough(model: Any):
    latents = latents_of(model, 256, 256)
    peaks: list[int] = []
    for codec in (Codec(model), in_form(model, "fp32"), in_form(model, "bf16")):
        with DeviceMemory() as memory:
            decode(codec, latents)
        peaks.append(memory.peak)
    whole, strips, half = peaks
    assert strips < 0.7 * whole  # of this VAE all levels are equally wide; half for the full-size one
    assert half < 0.6 * strips


@pytest.mark.parametrize(("precision", "mean", "most"), [("fp16", 0.1, 1.0), ("bf16", 0.8, 6.0)])
@torch.inference_mode()
def test_half_precision_is_within_grey_levels_on_the_sample_world(precision: str, mean: float, most: float):
    """As engine/README.md says it; 0.06 and 0.5, 0.5 and 4.0 were measured."""
    world: Any = SimpleNamespace(vae=packed_vae(WORLD))
    latents = latents_of(world, 64, 64)
    difference = (decode(in_form(world, precision), latents) - decode(Codec(world), latents)).abs() / GREY
    assert 0 < float(difference.mean()) < mean
    assert float(difference.max()) < most


# --------------------------------------------------------------------------------------------------------- overflow


def overflowing() -> Any:
    """A VAE whose numbers are too large for fp16 and not for bf16, with weights that fp16 holds."""
    model: Any = tiny_model(3)
    with torch.no_grad():
        model.vae.decoder.conv_in.weight.mul_(2e5)
        model.vae.encoder.conv_in.weight.mul_(2e5)
    return model


def test_where_fp16_overflows_bf16_takes_over_until_the_vae_changes(caplog: pytest.LogCaptureFixture):
    model = overflowing()
    latents = latents_of(model, 64, 64)
    codec = in_form(model, "fp16")
    assert float((decode(codec, latents) - decode(Codec(model), latents)).abs().mean()) < 3 * GREY
    assert str(codec.forms) == "bf16 in strips"
    decode(codec, latents)
    assert str(codec.forms) == "bf16 in strips"
    assert codec.forms
    codec.forms.forget()
    assert str(codec.forms) == "fp16 in strips"
    decode(codec, latents)
    assert [record.message for record in caplog.records] == ["the VAE overflows in fp16: it works in bf16"]  # said once


@torch.inference_mode()
def test_it_takes_over_in_encoding_too():
    model = overflowing()
    codec = in_form(model, "fp16")
    assert bool(codec.encode(torch.rand(1, 3, 64, 64)).isfinite().all())
    assert str(codec.forms) == "bf16 in strips"


def test_pictures_that_no_format_holds_are_named():
    model: Any = tiny_model(4)
    with torch.no_grad():
        model.vae.decoder.conv_out.bias.fill_(float("nan"))
    codec = in_form(model, "fp16")
    with pytest.raises(RenderError, match="the VAE gave NaN or infinite picture for 1 of 1"):
        decode(codec, torch.zeros(1, 4, 8, 8))
    assert str(codec.forms) == "fp32 in strips"


# ------------------------------------------------------------------------------------------------------ short memory


@pytest.mark.usefixtures("narrow_strips")
@torch.inference_mode()
def test_memory_that_runs_out_shrinks_pieces_then_the_form(model: Any):
    latents = latents_of(model, 64, 64, 3)
    needs: dict[str, int] = {}
    for codec in (in_form(model, "fp32", strips=False), in_form(model, "fp32"), in_form(model, "fp16")):
        with DeviceMemory() as memory:
            decode(codec, latents[:1])
        needs[str(codec.forms)] = memory.peak
    whole = decode(Codec(model), latents)
    for form, tolerance in (("fp32", GREY / 100), ("fp32 in strips", GREY / 100), ("fp16 in strips", 3 * GREY)):
        codec = in_form(model, "auto", strips=False)
        with DeviceMemory(needs[form] + 2 * whole.nbytes + 1000) as memory:
            pictures = decode(codec, latents)  # both calls' pictures lie there in the end
            failed = memory.refusals
            decode(codec, latents)
        assert str(codec.forms) == form
        assert float((pictures - whole).abs().max()) < tolerance
        assert failed > 0
        assert memory.refusals == failed  # what fitted is remembered


@pytest.mark.usefixtures("narrow_strips")
@torch.inference_mode()
def test_when_nothing_fits_one_sentence_says_so(model: Any):
    codec, latents = in_form(model, "auto", strips=False), latents_of(model, 64, 64)
    with DeviceMemory(200_000), pytest.raises(RenderError, match="too little memory for a single picture"):
        decode(codec, latents)


@pytest.mark.parametrize(
    ("precision", "forms"),
    [
        ("auto", ["fp32", "fp32 in strips", "fp16 in strips"]),
        ("fp32", ["fp32", "fp32 in strips"]),
        ("fp16", ["fp16 in strips"]),
        ("bf16", ["bf16 in strips"]),
    ],
)
def test_what_is_asked_for_is_never_narrowed(precision: str, forms: list[str]):
    form = VaeForms(precision, CPU)
    first = str(form)
    smaller = [str(form) for halves in (False, False, True, True) if form.shrink(halves=halves)]
    assert [first, *smaller] == forms


@pytest.mark.parametrize(
    ("precision", "planned", "form"),
    [
        ("auto", Form(waits=True, vae="fp32", strips=True), "fp32 in strips"),
        ("auto", Form(waits=True, vae="fp16", strips=True), "fp16 in strips"),
        ("auto", Form(waits=False, vae="fp32", strips=False), "fp32"),
        ("fp32", Form(waits=True, vae="fp16", strips=True), "fp32 in strips"),
        ("bf16", Form(waits=True, vae="bf16", strips=True), "bf16 in strips"),
    ],
)
def test_it_begins_as_planned_where_nothing_else_is_asked(precision: str, planned: Form, form: str):
    assert str(VaeForms(precision, CPU, planned)) == form


@pytest.mark.parametrize(
    ("asked", "waits", "parked"),
    [("auto", True, True), ("auto", False, False), ("device", True, False), ("host", False, True)],
)
def test_parts_wait_as_planned_where_nothing_else_is_asked(asked: str, waits: bool, parked: bool):
    parts: list[str] = []

    class Parts:
        def park(self, part: str) -> bool:
            parts.append(part)
            return True

        def fetch(self, part: str) -> None:
            parts.remove(part)

        def make_room(self) -> bool:
            return False

    presence = Presence(Parts(), asked, Form(waits=waits, vae="fp32", strips=False))
    presence.send_away("vae")
    assert parts == (["vae"] if parked else [])
