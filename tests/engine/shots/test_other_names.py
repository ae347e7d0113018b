"""Names of ComfyUI and diffusers: read as the WebUI's where it has the same, refused by name where it has not."""

from __future__ import annotations

import pytest

from engine.errors import RenderError
from engine.shots.hires import Hires
from engine.shots.other_names import COMFY_SAMPLERS, DIFFUSERS, SCHEDULE_NAMES
from engine.shots.samplers import SAMPLERS, SCHEDULES, normalised, split_name
from engine.shots.shot import Shot
from tests.engine.shots.infotexts import parse_infotext


@pytest.mark.parametrize(
    ("sampler", "schedule", "expected"),
    [
        ("dpmpp_2m", "karras", ("DPM++ 2M", "Karras")),
        ("dpmpp_2m", "Automatic", ("DPM++ 2M", "Automatic")),
        ("k_euler_a", "Automatic", ("Euler a", "Automatic")),
        ("k_dpmpp_2m_ka", "Automatic", ("DPM++ 2M", "Karras")),
        ("DPMPP_2M", "sgm_uniform", ("DPM++ 2M", "SGM Uniform")),
        ("dpmpp_2m_sde_gpu", "exponential", ("DPM++ 2M SDE", "Exponential")),
        ("dpmpp_sde", "normal", ("DPM++ SDE", "Normal")),
        ("dpmpp_2s_ancestral", "simple", ("DPM++ 2S a", "Simple")),
        ("dpmpp_3m_sde_gpu", "beta", ("DPM++ 3M SDE", "Beta")),
        ("euler_ancestral", "ddim_uniform", ("Euler a", "DDIM")),
        ("euler", "kl_optimal", ("Euler", "KL Optimal")),
        ("heun", "align_your_steps", ("Heun", "Align Your Steps")),
        ("dpm_2", "karras", ("DPM2", "Karras")),
        ("dpm_2_ancestral", "karras", ("DPM2 a", "Karras")),
        ("dpmpp_2m_sde_heun", "karras", ("DPM++ 2M SDE Heun", "Karras")),
        ("dpm_fast", "karras", ("DPM fast", "Karras")),
        ("dpm_adaptive", "normal", ("DPM adaptive", "Normal")),
        ("lcm", "sgm_uniform", ("LCM", "SGM Uniform")),
        ("lms", "karras", ("LMS", "Karras")),
        ("ddim", "Automatic", ("DDIM", "Automatic")),
        ("uni_pc", "Automatic", ("UniPC", "Automatic")),
        ("dpmpp_2m_karras", "Automatic", ("DPM++ 2M", "Karras")),
        ("dpmpp_2m_sde_sgm_uniform", "Automatic", ("DPM++ 2M SDE", "SGM Uniform")),
        ("euler_ancestral Karras", "Automatic", ("Euler a", "Karras")),
        ("dpm_2_ancestral", "Automatic", ("DPM2 a", "Automatic")),
        ("DPMSolverMultistepScheduler", "Automatic", ("DPM++ 2M", "Uniform")),
        ("DPMSolverMultistepScheduler", "use_karras_sigmas", ("DPM++ 2M", "Karras")),
        ("EulerAncestralDiscreteScheduler", "Automatic", ("Euler a", "Uniform")),
        ("KDPM2DiscreteScheduler", "Karras", ("DPM2", "Karras")),
        ("EulerDiscreteScheduler", "Automatic", ("Euler", "Uniform")),
        ("HeunDiscreteScheduler", "Automatic", ("Heun", "Uniform")),
        ("LMSDiscreteScheduler", "Automatic", ("LMS", "Uniform")),
        ("KDPM2AncestralDiscreteScheduler", "Automatic", ("DPM2 a", "Uniform")),
        ("DPMSolverSDEScheduler", "Automatic", ("DPM++ SDE", "Uniform")),
        ("LCMScheduler", "Automatic", ("LCM", "Uniform")),
        ("PNDMScheduler", "Automatic", ("PLMS", "Automatic")),
        ("DDIMScheduler", "Automatic", ("DDIM", "Automatic")),
        ("UniPCMultistepScheduler", "Automatic", ("UniPC", "Automatic")),
    ],
)
def test_what_is_the_same_is_read(sampler: str, schedule: str, expected: tuple[str, str]) -> None:
    assert normalised(sampler, schedule) == expected
    shot = Shot(prompt="a", seed=1, sampler=sampler, schedule=schedule)
    assert (shot.sampler, shot.schedule) == expected


@pytest.mark.parametrize(
    ("sampler", "said"),
    [
        ("euler_cfg_pp", "this sampler of ComfyUI has no equal"),
        ("uni_pc_bh2", "this sampler of ComfyUI has no equal"),
        ("res_multistep", "this sampler of ComfyUI has no equal"),
        ("deis_karras", "this sampler of ComfyUI has no equal"),
        ("ddim_karras", "this sampler of ComfyUI has no equal"),
        ("euler_linear_quadratic", "this sampler of ComfyUI has no equal"),
        ("DPMSolverSinglestepScheduler", "this sampler of diffusers has no equal"),
        ("FlowMatchEulerDiscreteScheduler", "this sampler of diffusers has no equal"),
    ],
)
def test_what_has_no_equal_is_refused_by_name(sampler: str, said: str) -> None:
    with pytest.raises(RenderError, match=rf'sampler: {said} among the WebUI\'s \("{sampler}"\); choose one of DPM'):
        Shot(prompt="a", seed=1, sampler=sampler)
    with pytest.raises(RenderError, match=rf"hires.sampler: {said}"):
        Shot(prompt="a", seed=1, hires=Hires(sampler=sampler))


def test_schedules_without_an_equal_and_bad_samplers_are_all_told() -> None:
    with pytest.raises(RenderError, match=r"schedule: this schedule has no equal among the WebUI's .*linear_quadratic"):
        Shot(prompt="a", seed=1, schedule="linear_quadratic")
    with pytest.raises(RenderError, match=r'(?s)unknown sampler \("Eular"\).*unknown schedule \("Karas"\)'):
        Shot(prompt="a", seed=1, sampler="Eular", schedule="Karas")
    assert Hires(schedule="sgm_uniform").schedule == "SGM Uniform"


def test_every_equal_is_a_name_of_the_webui() -> None:
    equal = {*COMFY_SAMPLERS.values(), *(sampler for sampler, _ in DIFFUSERS.values())} - {""}
    assert equal <= {*SAMPLERS}
    assert {*SCHEDULE_NAMES.values()} - {""} == set(SCHEDULES)


def test_texts_of_comfyui_are_read() -> None:
    line = "Steps: 20, CFG scale: 7, Seed: 1, Size: 64x72"
    shot = parse_infotext(f"a\n{line}, Sampler: dpmpp_2m_sde_gpu, Schedule type: karras, Version: ComfyUI")
    assert (shot.sampler, shot.schedule, shot.rng) == ("DPM++ 2M SDE", "Karras", "CPU")
    assert parse_infotext(f"a\n{line}, Sampler: euler_ancestral_karras, RNG: NV, Version: ComfyUI").rng == "NV"
    assert split_name("dpmpp_2m") == ("DPM++ 2M", "Automatic")
