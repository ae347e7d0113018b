"""What a probe measured of a pair of checkpoints: the effect of every block, site and Adjust value, as a file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from studies.results.result_file import kept_result, write_result
from studies.store.shapes import Shape, entries_of

ONE, SCREEN = "one at a time", "screening"
"""The ways of measuring: one knob moved from the base, or many moved at once by a screening design."""
ProbeMethod = Literal["one at a time", "screening"]
"""One of the two ways of measuring."""
ProbedKind = Literal["block", "self", "adjust"]
"""A ratio of a block, a multiplier on a site, or an Adjust value."""
FOLDER = "probe"
"""Name of the folder, in a study's folder, that holds all files of a probe."""
FILE = "result.json"
"""Name of the file of numbers in that folder."""
VERSION = 1
"""Version of the file's form."""

_NUMBER: Shape = (float, None)
_KNOB: Shape = {
    "name": str, "kind": str, "block": str, "element": str, "group": str, "low": float, "base": float, "high": float
}  # fmt: skip
_COLUMN: Shape = {"name": str, "unit": str, "signed": bool, "seeds": _NUMBER, "floor": {str: float}}
_EFFECT: Shape = {
    "knob": str, "column": str, "method": str, "low": _NUMBER, "high": _NUMBER, "effect": _NUMBER,
    "standard_error": _NUMBER, "ratio": _NUMBER, "p": _NUMBER, "clear": bool,
}  # fmt: skip
_RUN: Shape = {"method": str, "recipes": int, "shots": int, "pictures": int}
_FILE: Shape = {
    "version": int,
    "study": str,
    "family": str,
    "models": [{"letter": str, "name": str, "sha256": str}],
    "base": {"label": str, "recipe": str},
    "knobs": [_KNOB],
    "columns": [_COLUMN],
    "effects": [_EFFECT],
    "shots": [{"prompt": str, "seed": int}],
    "runs": [_RUN],
    "recipes": [{"label": str, "recipe": str, "vae": str, "value": _NUMBER, "standard_error": _NUMBER}],
    "strips": {str: str},
    "level": float,
    "drawn": int,
    "seconds": float,
    "broken": [str],
    "remarks": [str],
}


TIMES_NOISE = "times the noise of seeds"
"""The unit of an effect's size, in every text, drawing and page: 1 is as much as another seed changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbedModel:
    """A checkpoint of the pair."""

    letter: str
    name: str
    """Name of its file."""
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeBase:
    """The recipe from which the knobs were moved."""

    label: str
    """`FLAT_50`, or the name of a recipe."""
    recipe: str
    """Canonical text of the recipe."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbedKnob:
    """A number that was moved, and the values that it had."""

    name: str
    """As knobs of a search are called: `OUT05`, `self:OUT05:attn1`, `adjust:CONT`."""
    kind: ProbedKind
    block: str
    """Block of a ratio or of a site; "" of an Adjust value."""
    element: str
    """Element of a site, field of an Adjust value; "" of a ratio."""
    group: str
    """Group along the UNet, such as `OUT_EARLY`; "" where there is none."""
    low: float
    base: float
    high: float

    @property
    def label(self) -> str:
        """What people call it: `OUT05`, `OUT05:attn1`, `CONT`."""
        return self.name if self.kind == "block" else self.name.partition(":")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectColumn:
    """One measure of what changes in pictures."""

    name: str
    """`pixels`, `style`, `fidelity`, `colour`, `warmth`, `saturation`, `contrast`, `brightness`, `detail` or
    `composition`."""
    unit: str
    """For people, such as `8-bit steps`."""
    signed: bool
    """Whether effects have a sign: more or less of it. Else they are distances, 0 or more."""
    seeds: float | None
    """Noise of seeds: the same measure between two pictures of the base that differ by seed alone, as a root mean
    square; None where it was not measured."""
    floor: dict[str, float]
    """By method, what a change that means nothing comes to; distances are told from that, signed effects from 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnobEffect:
    """What moving one knob from its low to its high value does to one measure. None: it could not be measured."""

    knob: str
    column: str
    method: ProbeMethod
    low: float | None
    """Change from the base when the knob is low; of a screening, half the effect and its other way."""
    high: float | None
    """Change from the base when the knob is high."""
    effect: float | None
    """Change from low to high; mean over the shots."""
    standard_error: float | None
    """Of ``effect``, for other prompts and seeds of the same kind."""
    ratio: float | None
    """Size of ``effect`` in times the noise of seeds."""
    p: float | None
    """Chance of so large an effect where there is none, for this comparison alone."""
    clear: bool
    """Whether it is told from noise, allowing for the comparisons of all knobs on this measure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbedShot:
    """A picture's prompt and seed."""

    prompt: str
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeRun:
    """What one method took."""

    method: ProbeMethod
    recipes: int
    shots: int
    pictures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbedRecipe:
    """A recipe that was rendered, and what the study's objective says of it."""

    label: str
    """`base`, a knob and its value, such as `OUT05 = 0`, or `screening 7`."""
    recipe: str
    """Canonical text of the recipe."""
    vae: str
    """The study's word for the VAE that decoded it; "" where it chooses among none."""
    value: float | None
    """Objective less that of the base, at the same shots; None where there is no objective, or no picture."""
    standard_error: float | None
    """Of ``value``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeResult:
    """Everything that a probe found."""

    study: str
    family: str
    models: tuple[ProbedModel, ...]
    base: ProbeBase
    knobs: tuple[ProbedKnob, ...]
    """In the order of the UNet: blocks, then sites, then Adjust values."""
    columns: tuple[EffectColumn, ...]
    effects: tuple[KnobEffect, ...]
    shots: tuple[ProbedShot, ...]
    """The shots that every recipe was rendered with."""
    runs: tuple[ProbeRun, ...]
    recipes: tuple[ProbedRecipe, ...]
    """All recipes that were rendered, in the order in which they were planned."""
    strips: dict[str, str]
    """By knob, the name of the picture beside the file that shows it low, at the base and high; drawn later."""
    level: float
    """Share of false ones that is accepted among the effects told from noise, such as 0.05."""
    drawn: int
    """Pictures that were rendered by the command that wrote this; the others were kept from before."""
    seconds: float
    """How long that command measured."""
    broken: tuple[str, ...] = ()
    """Recipes that gave no picture, in words."""
    remarks: tuple[str, ...] = ()
    """What a person should know of the numbers."""

    @property
    def methods(self) -> tuple[ProbeMethod, ...]:
        """The methods with which it was measured."""
        return tuple(run.method for run in self.runs)

    def knob(self, name: str) -> ProbedKnob:
        """Return a knob by name; KeyError where it was not probed."""
        return {knob.name: knob for knob in self.knobs}[name]

    def column(self, name: str) -> EffectColumn:
        """Return a measure by name; KeyError where it was not taken."""
        return {column.name: column for column in self.columns}[name]

    def effect(self, knob: str, column: str, method: ProbeMethod) -> KnobEffect | None:
        """Return one effect; None where it was not measured by this method."""
        wanted = (knob, column, method)
        return next((one for one in self.effects if (one.knob, one.column, one.method) == wanted), None)

    def ranked(self, column: str, method: ProbeMethod) -> tuple[KnobEffect, ...]:
        """Return the effects on one measure, largest first; those that could not be measured are left out."""
        return tuple(sorted(self._measured(column, method), key=lambda one: -abs(one.effect or 0.0)))

    def _measured(self, column: str, method: ProbeMethod) -> Iterator[KnobEffect]:
        for one in self.effects:
            if (one.column, one.method) == (column, method) and one.effect is not None:
                yield one


def probe_file(folder: Path) -> Path:
    """Return where the result of a probe lies in a study's folder."""
    return folder / FOLDER / FILE


def write_probe(folder: Path, result: ProbeResult) -> Path:
    """Write a result into a study's folder, at once or not at all; return the file."""
    return write_result(probe_file(folder), {"version": VERSION, **asdict(result)})


def read_probe(folder: Path) -> ProbeResult | None:
    """Read the result in a study's folder; None where there is none.

    Raises:
        StudyError: the file is damaged.
    """
    value = kept_result(probe_file(folder), _FILE, "delete it, and run `recipe-search probe` again")
    if value is None:
        return None
    parts: dict[str, Any] = {
        "models": tuple(ProbedModel(**entries_of(ProbedModel, one)) for one in value["models"]),
        "base": ProbeBase(**entries_of(ProbeBase, value["base"])),
        "knobs": tuple(ProbedKnob(**entries_of(ProbedKnob, one)) for one in value["knobs"]),
        "columns": tuple(EffectColumn(**entries_of(EffectColumn, one)) for one in value["columns"]),
        "effects": tuple(KnobEffect(**entries_of(KnobEffect, one)) for one in value["effects"]),
        "shots": tuple(ProbedShot(**entries_of(ProbedShot, one)) for one in value["shots"]),
        "runs": tuple(ProbeRun(**entries_of(ProbeRun, one)) for one in value["runs"]),
        "recipes": tuple(ProbedRecipe(**entries_of(ProbedRecipe, one)) for one in value["recipes"]),
        "broken": tuple(value["broken"]),
        "remarks": tuple(value["remarks"]),
    }
    plain = {name: value[name] for name in ("study", "family", "strips", "level", "drawn", "seconds")}
    return ProbeResult(**plain, **parts)
