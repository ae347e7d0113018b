"""The values of a study file: what all its tables share, the checks of single values, and types with these checks.

A check returns the value, or raises an error with what is wrong and the way out.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterable
from dataclasses import replace
from importlib.metadata import entry_points
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo

from engine.devices import DEVICE_NAMES, is_device_name
from engine.errors import did_you_mean
from engine.files import user_path
from engine.shots.hires import WEAKEST
from engine.shots.limits import DENOISE, LATENT_STEP, RNGS, SEED, SIDES
from engine.shots.samplers import SAMPLERS, sampler_problem, schedule_problem, split_name
from scorers.catalogue import lookup as catalogue
from scorers.errors import ScorerError
from search.shots import FEWEST_SHOTS
from search.space.knob import NARROWEST
from studies.errors import StudyError
from studies.studyfile.problems import own_error, own_errors

ListEntry = TypeVar("ListEntry", int, str)


class StudyFileTable(BaseModel):
    """The base of all tables: no unknown keys, no silent conversions."""

    # Of a key's `examples`, the first is for the key itself, the second for an entry of its table. The text below a key
    # is its description, which `studies.studyfile.reference` prints; `accepts` there says what a person may write where
    # the field's own type says less.
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True)


# ------------------------------------------------------------------------------------------------------ texts and lists


def filled(text: str) -> str:
    """Accept any text but a blank one."""
    if not text.strip():
        raise own_error("must not be empty", "write a text")
    return text


def folder_name(text: str) -> str:
    """Accept names that every file system takes for a folder."""
    if not re.fullmatch(r"[\w][\w .()+-]{0,79}", text):
        raise own_error(
            "is not a name for a folder", "use up to 80 letters, digits, spaces, . - _ + ( ), a letter or digit first"
        )
    return text


def one_of(choices: Iterable[str], noun: str) -> Callable[[str], str]:
    """Return a validator that accepts only these words."""
    known = tuple(choices)

    def check(word: str) -> str:
        if word not in known:
            raise own_error(f"unknown {noun}", did_you_mean(word, known))
        return word

    return check


def listed(value: object) -> object:
    """Turn a single text into a list of one."""
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list):
        raise own_error("must be a text or a list of texts", 'write a folder, such as references = "references"')
    return value


def command(value: object) -> object:
    """Turn the text of a command into its words, as a shell takes it apart; a list is its words already."""
    example = 'write for example notify = ["notify-send", "night ended"]'
    if isinstance(value, str):
        try:
            value = shlex.split(value)
        except ValueError as error:
            raise own_error("has a quotation mark that is not closed", example) from error
    if not isinstance(value, list):
        raise own_error("must be a text or a list of texts", example)
    if any(isinstance(word, str) and "\0" in word for word in value):
        raise own_error("holds a character that no command can have", example)
    if value and isinstance(value[0], str) and not value[0].strip():
        raise own_error("names no program", example)
    return value


def different(values: list[ListEntry]) -> list[ListEntry]:
    """Accept a list without duplicates."""
    twice = sorted({value for value in values if values.count(value) > 1})
    if twice:
        raise own_error(f"holds {', '.join(map(json.dumps, twice))} twice", "give each once")
    return values


def path(text: str) -> str:
    """Accept what a file or folder can be called, with `~` for a home folder that there is."""
    try:
        user_path(text, StudyError)
    except StudyError as error:
        raise own_errors(error.problems) from None
    return text


FilledText = Annotated[str, AfterValidator(filled)]
FilePath = Annotated[FilledText, AfterValidator(path)]


# -------------------------------------------------------------------------------------------------------------- numbers


def above_low(high: float, info: ValidationInfo) -> float:
    """Accept an upper bound that lies above the table's `low`."""
    low = info.data.get("low")
    if low is not None and high - low < NARROWEST:
        raise own_error(f"must be above low, which is {low:g}", "swap or widen the bounds")
    return high


FiniteNumber = Annotated[float, Field(allow_inf_nan=False)]
UpperBound = Annotated[float, AfterValidator(above_low)]


# ------------------------------------------------------------------------------------------------------------- pictures


def side(pixels: int) -> int:
    """Accept a picture's side that the latent grid divides."""
    if pixels % LATENT_STEP:
        below = pixels - pixels % LATENT_STEP
        raise own_error(f"must be a multiple of {LATENT_STEP}", f"the nearest are {below} and {below + LATENT_STEP}")
    return pixels


def rng(name: str) -> str:
    """Accept the name of a random number generator."""
    if name not in RNGS:
        raise own_error("unknown rng", 'write "CPU", or "NV" for what a WebUI on an NVIDIA card draws')
    return name


def sampler(name: str, info: ValidationInfo) -> str:
    """Accept a sampler's name, old or new, for which the table's `steps` are enough."""
    known = _sampler(name)
    steps, fewest = info.data.get("steps"), SAMPLERS[known].fewest
    if steps is not None and steps < fewest:
        raise own_error(f"{known} needs at least {fewest} steps", "give more steps, or choose another sampler")
    return name


def second_sampler(name: str) -> str:
    """Accept a sampler's name, old or new, or none."""
    if name:
        _sampler(name)
    return name


def _sampler(name: str) -> str:
    parts = split_name(name)
    if parts is None:
        raise own_errors([replace(problem, place=()) for problem in [sampler_problem(name)] if problem])
    return parts[0]


def schedule(name: str, info: ValidationInfo) -> str:
    """Accept a schedule that the table's `sampler` can follow."""
    problem = schedule_problem(info.data.get("sampler", next(iter(SAMPLERS))), name)
    if problem:
        raise own_errors([replace(problem, place=())])  # the key is the place
    return name


def second_schedule(name: str, info: ValidationInfo) -> str:
    """Accept a schedule that the table's `sampler` can follow, or none; without a sampler, any schedule."""
    problem = schedule_problem(info.data.get("sampler") or next(iter(SAMPLERS)), name) if name else None
    if problem:
        raise own_errors([replace(problem, place=())])  # the key is the place
    return name


def resize(sides: list[int]) -> list[int]:
    """Accept a width and a height, either of which may be 0."""
    if len(sides) != 2:
        raise own_error("must be a width and a height", "write for example resize = [1024, 0]")
    if not all(side == 0 or SIDES[0] <= side <= SIDES[1] for side in sides):
        raise own_error(f"sides must be 0, or {SIDES[0]} to {SIDES[1]}", "write for example resize = [1024, 0]")
    return sides


def denoise(strength: float) -> float:
    """Accept 0, or a strength that makes at least a step in a hundred."""
    if strength != 0 and not WEAKEST <= strength <= DENOISE[1]:
        raise own_error(f"must be 0, or {WEAKEST} to {DENOISE[1]:g}", "write for example denoise = 0.5")
    return strength


PictureSide = Annotated[int, Field(ge=SIDES[0], le=SIDES[1]), AfterValidator(side)]
ShotSeed = Annotated[int, Field(ge=SEED[0], le=SEED[1])]
ShotSeeds = Annotated[list[ShotSeed], Field(min_length=1), AfterValidator(different)]


# ---------------------------------------------------------------------------------------------------- search and device


def shots_per_trial(value: object) -> object:
    """Turn `auto` into 0, and accept numbers of pictures that are enough to judge a recipe."""
    if value == "auto":
        return 0
    if isinstance(value, int) and not isinstance(value, bool) and value >= FEWEST_SHOTS:
        return value
    raise own_error(f'must be "auto" or a whole number from {FEWEST_SHOTS} on', "write for example shots = 8")


KEPT_BEST = 50
"""How many of the best trials keep their pictures where `keep` is "best"."""


def kept_trials(value: object) -> object:
    """Turn `all` into 0 and `best` into its number, and accept numbers of trials."""
    if value == "all":
        return 0
    if value == "best":
        return KEPT_BEST
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    raise own_error('must be "all", "best" or a whole number from 1 on', "write for example keep = 50")


def minutes_of_silence(value: object) -> object:
    """Turn `auto` into None, and accept minutes."""
    if value == "auto":
        return None
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 10_000:
        return float(value)
    raise own_error('must be "auto" or minutes from 0 to 10000', "write for example hung_after = 30")


def sampler_options(options: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
    """Accept options of the table's `sampler`."""
    from search.samplers.by_name import options_problem

    problem = options_problem(info.data["sampler"], options) if "sampler" in info.data else None
    if problem:
        raise own_errors([problem])
    return options


def device(text: str) -> str:
    """Accept the name of a device, also of one that this machine lacks."""
    if not is_device_name(text):
        raise own_error("unknown device", f"write {DEVICE_NAMES}")
    return text


MOST_TRIALS = 100_000
"""The most trials of a stage."""

TrialCount = Annotated[int, Field(ge=0, le=MOST_TRIALS)]


# -------------------------------------------------------------------------------------------------------------- scorers


def scorer(name: str) -> str:
    """Accept the name of a known scorer, of a plug-in's file, or of a scorer that an installed package offers."""
    if not _plugged(name):
        _known_to_scorers(lambda: catalogue.choice(name))
    return name


def file_owner(name: str) -> str:
    """Accept the name of an encoder, or of a scorer that has a file."""
    _known_to_scorers(lambda: catalogue.file_owner(name))
    return name


def encoder(value: object) -> object:
    """Turn the name of a known encoder into a table, and accept a table of two files as it is."""
    if isinstance(value, str):
        _known_to_scorers(lambda: catalogue.check_encoder_name(value))
        return {"known": value}
    if isinstance(value, dict) and set(value) == {"config", "weights"} and all(value.values()):
        return {key: path(text) if isinstance(text, str) else text for key, text in value.items()}
    raise own_error(
        "must be the name of an encoder, or a table of its two files",
        'write "clip-l", or { config = "ViT-L-14", weights = "models/mine.safetensors" }',
    )


def weighed(weights: dict[str, float]) -> dict[str, float]:
    """Accept weights of which at least one is above 0, each scorer by one name only."""
    if not any(weights.values()):
        raise own_error("every weight is 0", "give at least one a weight above 0")
    plain = [catalogue.choice(name).plain for name in weights if not _plugged(name)]
    twice = sorted({name for name in plain if plain.count(name) > 1})
    if twice:
        raise own_error(f"{twice[0]} is given twice, by two names", "remove one of them")
    return weights


def weighty(names: list[str], info: ValidationInfo) -> list[str]:
    """Accept scorers that the table's `weights` name, even with 0."""
    weights = info.data.get("weights")
    lost = [name for name in names if weights is not None and name not in weights]
    if lost:
        raise own_error(f"{', '.join(lost)} is not among the weights", "give it a weight, or take it out of keep")
    return names


def _plugged(name: str) -> bool:
    return catalogue.is_plugin(name) or bool(entry_points(group=catalogue.ENTRY_POINTS, name=name))


def _known_to_scorers(look_up: Callable[[], object]) -> None:
    """Turn the scorers' error about a name into an error of ours."""
    try:
        look_up()
    except ScorerError as error:
        raise own_errors(replace(problem, place=()) for problem in error.problems) from None  # the key says the name


ScorerName = Annotated[str, AfterValidator(scorer)]
FileOwner = Annotated[str, AfterValidator(file_owner)]
ScorerWeights = Annotated[dict[ScorerName, Annotated[float, Field(ge=0, le=1000)]], AfterValidator(weighed)]
