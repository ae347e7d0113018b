"""Settings of a WebUI that change a picture beside its prompt and sampler: as one frozen value, off unless given.

The facts are those of AUTOMATIC1111's WebUI 1.10: ``modules/shared_options.py``, ``sd_samplers_common.py``,
``sd_samplers_cfg_denoiser.py``, ``sd_emphasis.py`` and ``rng.py``. Free of torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields

from engine.errors import Problem
from engine.shots.limits import LATENT_STEP, SEED, SIDES, out_of_range

EMPHASES: tuple[str, ...] = ("Original", "No norm", "Ignore", "None")
"""How weights in prompts count: with the mean restored, without, not at all, or as the letters they are."""
LIMITS: Mapping[str, tuple[float, float]] = {
    "ngms": (0.0, 15.0),
    "skip_early_cfg": (0.0, 1.0),
    "s_churn": (0.0, 100.0),
    "s_tmin": (0.0, 10.0),
    "s_tmax": (0.0, 999.0),
    "sigma_min": (0.0, 10000.0),
    "sigma_max": (0.0, 10000.0),
    "rho": (0.0, 1000.0),
    "variation_strength": (0.0, 1.0),
}
"""The least and the most of every setting that is a number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureOptions:
    """Settings that pictures usually leave alone; 0 is the usual value of every number.

    Attributes:
        emphasis: One of ``EMPHASES``.
        ngms: "Negative Guidance minimum sigma", 0 to 15: below this noise level every second call of the model is
            without the negative.
        ngms_all: Whether every call is.
        skip_early_cfg: The share of the calls, from the first on, that are without the negative; 0 to 1.
        s_churn: Noise added before steps of Euler, Heun and DPM2, 0 to 100 (Karras et al. 2022, algorithm 2).
        s_tmin: The lowest level at which it is added, 0 to 10.
        s_tmax: The highest, 0 to 999; 0 is none.
        sigma_min: The lowest level of schedules that choose their range; 0 is the model's.
        sigma_max: The highest.
        rho: The exponent of "Karras" and "Polyexponential"; 0 is 7 and 1.
        variation_seed: The seed of the noise towards which the first noise is turned.
        variation_strength: How far it is turned, 0 to 1.
        seed_resize: Width and height of the picture whose first noise is taken, in pixels; 0 for both is this one's.
    """

    emphasis: str = EMPHASES[0]
    ngms: float = 0.0
    ngms_all: bool = False
    skip_early_cfg: float = 0.0
    s_churn: float = 0.0
    s_tmin: float = 0.0
    s_tmax: float = 0.0
    sigma_min: float = 0.0
    sigma_max: float = 0.0
    rho: float = 0.0
    variation_seed: int = 0
    variation_strength: float = 0.0
    seed_resize: tuple[int, int] = (0, 0)

    @property
    def fields(self) -> dict[str, object]:
        """The settings that have an effect, by name; which samplers and schedules follow them is left aside."""
        idle = set[str]()
        if not self.ngms:
            idle |= {"ngms_all"}
        if not self.s_churn:
            idle |= {"s_tmin", "s_tmax"}
        if not self.variation_strength:
            idle |= {"variation_seed"}
        given = {field.name: getattr(self, field.name) for field in fields(self) if field.name not in idle}
        found = {name: value for name, value in given.items() if value != getattr(USUAL, name)}
        return {name: float(value) if name in LIMITS else value for name, value in found.items()}

    def problems(self) -> Iterator[Problem]:
        """Everything that is out of its range."""
        if self.emphasis not in EMPHASES:
            what = f"must be one of {', '.join(EMPHASES)}"
            yield Problem(place=("emphasis",), what=what, seen=self.emphasis)
        for name, limits in LIMITS.items():
            yield from out_of_range(name, getattr(self, name), limits, whole=False)
        yield from out_of_range("variation_seed", self.variation_seed, SEED, whole=True)
        if 0 < self.sigma_max <= self.sigma_min:
            what, remedy = "must be less than sigma_max", f"write less than {self.sigma_max}, or a higher sigma_max"
            yield Problem(place=("sigma_min",), what=what, seen=self.sigma_min, remedy=remedy)
        if self.s_churn and 0 < self.s_tmax < self.s_tmin:
            what, remedy = "must not be above s_tmax", f"write at most {self.s_tmax}, or a higher s_tmax"
            yield Problem(place=("s_tmin",), what=what, seen=self.s_tmin, remedy=remedy)
        if self.seed_resize != (0, 0) and not all(LATENT_STEP <= side <= SIDES[1] for side in self.seed_resize):
            what = f"must be a width and a height from {LATENT_STEP} to {SIDES[1]}, or 0 for both"
            yield Problem(place=("seed_resize",), what=what, seen=self.seed_resize)


USUAL = PictureOptions()
"""Nothing but what pictures usually have."""
