"""Names of samplers and schedules in ComfyUI and diffusers, and what AUTOMATIC1111's WebUI calls the same.

A name that stands for the same algorithm has a WebUI's name; one without an equal there is known all the same, so that
it can be refused by name. ComfyUI's are those of comfy/samplers.py and comfy/k_diffusion/sampling.py, diffusers' those
of its table of equal samplers (docs/source/en/api/schedulers/overview.md); what diffusers' classes do without options
is called "Uniform" here. Free of torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

NO_EQUAL = ""
"""Stands for a sampler or a schedule that the WebUI does not have."""

COMFY_SAMPLERS: Mapping[str, str] = MappingProxyType(
    {
        "euler": "Euler",
        "euler_ancestral": "Euler a",
        "heun": "Heun",
        "dpm_2": "DPM2",
        "dpm_2_ancestral": "DPM2 a",
        "lms": "LMS",
        "dpm_fast": "DPM fast",
        "dpm_adaptive": "DPM adaptive",
        "dpmpp_2s_ancestral": "DPM++ 2S a",
        "dpmpp_sde": "DPM++ SDE",
        "dpmpp_sde_gpu": "DPM++ SDE",
        "dpmpp_2m": "DPM++ 2M",
        "dpmpp_2m_sde": "DPM++ 2M SDE",
        "dpmpp_2m_sde_gpu": "DPM++ 2M SDE",
        "dpmpp_2m_sde_heun": "DPM++ 2M SDE Heun",
        "dpmpp_2m_sde_heun_gpu": "DPM++ 2M SDE Heun",
        "dpmpp_3m_sde": "DPM++ 3M SDE",
        "dpmpp_3m_sde_gpu": "DPM++ 3M SDE",
        "lcm": "LCM",
        "ddim": "DDIM",
        "uni_pc": "UniPC",
        **dict.fromkeys(
            (
                "euler_cfg_pp", "euler_ancestral_cfg_pp", "heunpp2", "exp_heun_2_x0", "exp_heun_2_x0_sde",
                "dpmpp_2s_ancestral_cfg_pp", "dpmpp_2m_cfg_pp", "ddpm", "ipndm", "ipndm_v", "deis", "res_multistep",
                "res_multistep_cfg_pp", "res_multistep_ancestral", "res_multistep_ancestral_cfg_pp",
                "gradient_estimation", "gradient_estimation_cfg_pp", "er_sde", "seeds_2", "seeds_3", "sa_solver",
                "sa_solver_pece", "uni_pc_bh2",
            ),
            NO_EQUAL,
        ),
    }
)  # fmt: skip
"""ComfyUI's samplers, and the WebUI's names of the same."""

ALIASES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "k_euler": ("Euler", ""),
        "k_euler_a": ("Euler a", ""),
        "k_lms": ("LMS", ""),
        "k_heun": ("Heun", ""),
        "k_dpm_2": ("DPM2", ""),
        "k_dpm_2_a": ("DPM2 a", ""),
        "k_dpm_fast": ("DPM fast", ""),
        "k_dpm_ad": ("DPM adaptive", ""),
        "k_dpmpp_2s_a": ("DPM++ 2S a", ""),
        "k_dpmpp_2m": ("DPM++ 2M", ""),
        "k_dpmpp_sde": ("DPM++ SDE", ""),
        "k_dpmpp_2m_sde": ("DPM++ 2M SDE", ""),
        "k_dpmpp_2m_sde_heun": ("DPM++ 2M SDE Heun", ""),
        "k_dpmpp_3m_sde": ("DPM++ 3M SDE", ""),
        "k_lms_ka": ("LMS", "Karras"),
        "k_dpm_2_ka": ("DPM2", "Karras"),
        "k_dpm_2_a_ka": ("DPM2 a", "Karras"),
        "k_dpmpp_2s_a_ka": ("DPM++ 2S a", "Karras"),
        "k_dpmpp_2m_ka": ("DPM++ 2M", "Karras"),
        "k_dpmpp_sde_ka": ("DPM++ SDE", "Karras"),
    }
)
"""The WebUI's own short names (modules/sd_samplers_kdiffusion.py), of before 1.9 those that end in Karras."""

DIFFUSERS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "EulerDiscreteScheduler": ("Euler", "Uniform"),
        "EulerAncestralDiscreteScheduler": ("Euler a", "Uniform"),
        "HeunDiscreteScheduler": ("Heun", "Uniform"),
        "LMSDiscreteScheduler": ("LMS", "Uniform"),
        "KDPM2DiscreteScheduler": ("DPM2", "Uniform"),
        "KDPM2AncestralDiscreteScheduler": ("DPM2 a", "Uniform"),
        "DPMSolverMultistepScheduler": ("DPM++ 2M", "Uniform"),
        "DPMSolverSDEScheduler": ("DPM++ SDE", "Uniform"),
        "DDIMScheduler": ("DDIM", ""),
        "UniPCMultistepScheduler": ("UniPC", ""),
        "PNDMScheduler": ("PLMS", ""),
        "LCMScheduler": ("LCM", "Uniform"),
        **dict.fromkeys(
            (
                "AmusedScheduler", "CMStochasticIterativeScheduler", "CogVideoXDDIMScheduler", "CogVideoXDPMScheduler",
                "CosineDPMSolverMultistepScheduler", "DDIMInverseScheduler", "DDIMParallelScheduler", "DDPMScheduler",
                "DDPMParallelScheduler", "DDPMWuerstchenScheduler", "DEISMultistepScheduler",
                "DPMSolverMultistepInverseScheduler", "DPMSolverSinglestepScheduler", "EDMDPMSolverMultistepScheduler",
                "EDMEulerScheduler", "FlowMatchEulerDiscreteScheduler", "FlowMatchHeunDiscreteScheduler",
                "FlowMatchLCMScheduler", "IPNDMScheduler", "KarrasVeScheduler", "RePaintScheduler",
                "SASolverScheduler", "SCMScheduler", "ScoreSdeVeScheduler", "TCDScheduler", "UnCLIPScheduler",
                "VQDiffusionScheduler",
            ),
            (NO_EQUAL, ""),
        ),
    }
)  # fmt: skip
"""diffusers' schedulers, and the WebUI's sampler and schedule that are the same; "" for samplers with levels of their
own."""

SCHEDULE_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "automatic": "Automatic",
        "uniform": "Uniform",
        "karras": "Karras",
        "exponential": "Exponential",
        "polyexponential": "Polyexponential",
        "sgm_uniform": "SGM Uniform",
        "sgmuniform": "SGM Uniform",
        "kl_optimal": "KL Optimal",
        "align_your_steps": "Align Your Steps",
        "ays": "Align Your Steps",
        "simple": "Simple",
        "normal": "Normal",
        "ddim": "DDIM",
        "ddim_uniform": "DDIM",
        "beta": "Beta",
        "use_karras_sigmas": "Karras",
        "use_exponential_sigmas": "Exponential",
        "use_beta_sigmas": "Beta",
        **dict.fromkeys(
            ("linear_quadratic", "align_your_steps_gits", "ays_gits", "ays_11", "ays_32", "bong_tangent",
             "linear", "cosine", "phi", "laplace", "use_lu_lambdas", "use_flow_sigmas"),
            NO_EQUAL,
        ),
    }
)  # fmt: skip
"""Schedules by the WebUI's inner names, ComfyUI's names and diffusers' options, and the WebUI's names of the same."""

_OWN_LEVELS = frozenset({"DDIM", "UniPC"})  # in the WebUI; ComfyUI's follow any schedule
_CLASSES = {name.casefold(): name for name in DIFFUSERS}


def webui_schedule(name: str) -> str:
    """Return a schedule as the WebUI writes it; a name that is not known elsewhere as it is."""
    return SCHEDULE_NAMES.get(_word(name)) or name


def webui_sampler(name: str) -> tuple[str, str, str] | None:
    """Return whose a sampler's name is, and its sampler and schedule in the WebUI; None for a name of nobody's.

    Returns:
        "the WebUI", "ComfyUI" or "diffusers"; the sampler, ``NO_EQUAL`` where the WebUI has none; the schedule that the
        name says, as "dpmpp_2m_karras" does, or that follows where none is given, as for diffusers; "" for neither.
    """
    word = _word(name)
    if word in ALIASES:
        return ("the WebUI", *ALIASES[word])
    if word in _CLASSES:
        return ("diffusers", *DIFFUSERS[_CLASSES[word]])
    if word in COMFY_SAMPLERS:
        return "ComfyUI", COMFY_SAMPLERS[word], ""
    for known in SCHEDULE_NAMES:
        sampler = word.removesuffix(f"_{known}")
        if sampler != word and sampler in COMFY_SAMPLERS:
            equal, schedule = COMFY_SAMPLERS[sampler], SCHEDULE_NAMES[known]
            return "ComfyUI", equal if schedule and equal not in _OWN_LEVELS else NO_EQUAL, schedule
    return None


def is_schedule(name: str) -> bool:
    """Return whether a schedule is known elsewhere, whether it has an equal in the WebUI or not."""
    return _word(name) in SCHEDULE_NAMES


def _word(name: str) -> str:
    return "_".join(name.casefold().replace("-", "_").split())
