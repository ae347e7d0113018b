"""What a picture's text gives a new study: its prompt, its seed, its settings, and in words what cannot be taken."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from engine.errors import ProblemError, RenderError
from engine.shots.compatibility import KEYS as OLD_WAYS
from engine.shots.hires import Hires
from engine.shots.infotext import NOISE_LEVELS, ZERO_TERMINAL, read_fields, shot_settings, unfollowed
from engine.shots.infotext_hires import HIRES_KEYS
from engine.shots.infotext_options import KEYS as OPTION_KEYS
from engine.shots.infotext_origin import named_embeddings, program_of
from engine.shots.limits import LATENT_STEP, SEED
from studies.errors import StudyError
from studies.studyfile.problems import from_pydantic
from studies.studyfile.shots import shot_of
from studies.studyfile.tables.schema import HiresTable, RenderTable, StudyTables
from studies.studyfile.tables.schema_options import OptionsTable

RENDER_KEYS = (
    *("width", "height", "steps", "sampler", "schedule", "rng", "eta", "s_noise", "ensd", "cfg", "clip_skip"),
    "negative",
)
"""The settings of a shot that are keys of `[render]`, by both names."""
ALWAYS_SAID = ("Steps", "Sampler", "CFG scale", "Size", "Seed")
"""Keys that a WebUI's text always has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureSettings:
    """What a picture gives a study file.

    Attributes:
        prompt: Its prompt; "" where it has none.
        seed: Its seed; None where its text says none.
        render: Values of `[render]`, by key.
        hires: Those of `[render.hires]`; None without hires fix.
        options: Those of `[render.options]` that are not the usual ones.
        notes: What is not taken, and what a person should know of the rest.
    """

    prompt: str = ""
    seed: int | None = None
    render: Mapping[str, Any] = field(default_factory=dict[str, Any])
    hires: Mapping[str, Any] | None = None
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    notes: tuple[str, ...] = ()


def settings_from(picture: Path) -> PictureSettings:
    """Read the text of a picture that a WebUI, or another program in its form, has saved.

    Raises:
        StudyError: it is no picture, or has no such text.
        RenderError: the text cannot be read.
    """
    from studies.pictures.pictures import parameters_of

    try:
        fields = read_fields(parameters_of(picture))
    except StudyError as error:
        remedy = "leave --from out, and write the settings under [render] of the study file"
        raise StudyError.of(replace(problem, remedy=remedy) for problem in error.problems) from error
    notes: list[str] = []
    settings = _settings(picture, fields, notes)
    render = _valid(RenderTable, "render", {key: settings[key] for key in RENDER_KEYS if key in settings}, notes)
    if "sampler" not in render:
        render = {key: value for key, value in render.items() if key not in ("schedule", "eta")}
    if fields.get(NOISE_LEVELS) == ZERO_TERMINAL:
        render["ztsnr"] = "on"
    found = PictureSettings(
        prompt=settings["prompt"].strip(),
        seed=_seed(settings.get("seed"), notes),
        render=render,
        hires=_hires(settings.get("hires"), render, notes),
        options=_options(settings["options"].fields, notes),
    )
    notes += _remarks(fields, settings, found)
    return replace(found, notes=tuple(f"{picture.name}: {note}" for note in notes))


def _settings(picture: Path, fields: Mapping[str, str], notes: list[str]) -> dict[str, Any]:
    """Those of the shot; without hires fix where that cannot be made."""
    try:
        return shot_settings(fields)
    except RenderError as error:
        others = {key: value for key, value in fields.items() if key not in HIRES_KEYS}
        try:
            settings = shot_settings(others)
        except RenderError as both:
            raise RenderError.of(problem.under(picture) for problem in both.problems) from error
        notes.append(f"hires fix is not taken: {_joined(error)}")
        return settings


def _joined(error: ProblemError) -> str:
    return "; ".join(str(problem) for problem in error.problems)


def _valid(table: type[BaseModel], place: str, values: Mapping[str, Any], notes: list[str]) -> dict[str, Any]:
    """The values that a table takes; the others are noted with what is wrong, until the rest is right."""
    kept = dict(values)
    while True:
        try:
            table.model_validate(kept)
        except ValidationError as error:
            problems = list(from_pydantic(StudyTables, error, tuple(place.split("."))))
            wrong = {str(details["loc"][0]) for details in error.errors(include_url=False)} & kept.keys()
            if not wrong:
                raise
            notes += [f"not taken: {replace(problem, remedy='the usual value stays')}" for problem in problems]
            kept = {key: value for key, value in kept.items() if key not in wrong}
        else:
            return kept


def _seed(seed: object, notes: list[str]) -> int | None:
    if isinstance(seed, int) and not SEED[0] <= seed <= SEED[1]:
        notes.append(f"not taken: its seed {seed}, which is not from {SEED[0]} to {SEED[1]}")
        return None
    return seed if isinstance(seed, int) else None


def _hires(hires: Hires | None, render: Mapping[str, Any], notes: list[str]) -> dict[str, Any] | None:
    """Hires fix as its table has it, without what is as usual; None without it, or where its upscaler is a file."""
    if hires is None:
        return None
    if hires.model:
        how = "name the folder of that file as upscalers under [render], and write [render.hires] as its comment shows"
        notes.append(f"hires fix is not taken, since its upscaler {hires.model} is a file that is not at hand: {how}")
        return None
    usual = asdict(Hires())
    given = {key: value for key, value in asdict(hires).items() if value != usual[key] or key == "upscaler"}
    if "resize" in given:
        given["resize"] = list(hires.resize)
    kept = _valid(HiresTable, "render.hires", given, notes)
    try:
        shot_of("any", None, 0, RenderTable(**render, hires=HiresTable(**kept)))
    except RenderError as error:
        notes.append(f"hires fix is not taken: {_joined(error)}")
        return None
    notes.append("hires fix is taken too, and makes a night many times as long: leave it out unless the look needs it")
    return kept


def _options(options: Mapping[str, Any], notes: list[str]) -> dict[str, Any]:
    """Settings that pictures usually leave alone, as far as a study knows them."""
    known = {name: value for name, value in options.items() if name in OptionsTable.model_fields}
    others = [f"{OPTION_KEYS[name]}: {value}" for name, value in options.items() if name not in known]
    notes += [f"not taken: {one}, which a study has no key for" for one in others]
    return _valid(OptionsTable, "render.options", known, notes)


def _remarks(fields: Mapping[str, str], settings: Mapping[str, Any], found: PictureSettings) -> Iterator[str]:
    """What else a person should know."""
    from studies.pictures.taken import OWN_VAE

    if program := program_of(fields):
        yield f"was made by {program}; its settings are read as the WebUI 1.10 reads them"
    missing = [said for said in ALWAYS_SAID if said not in fields]
    if missing:
        yield f"its text does not say {', '.join(missing)}: the usual values stay"
    if not found.prompt:
        yield "has no prompt"
    size = fields.get("Size", "")
    if any(int(side) % LATENT_STEP for side in size.split("x") if side.isdigit()):
        yield f"says Size: {size}, of which a WebUI makes {settings['width']}x{settings['height']}"
    if old := [OLD_WAYS[name] for name in settings["compatibility"].fields]:
        yield f"not taken: what an old WebUI did in another way ({', '.join(old)})"
    if fields.get("VAE", "").casefold() not in OWN_VAE:
        yield f'not taken: its VAE {fields["VAE"]}; write vae = "..." with the path of that file under [render]'
    if names := named_embeddings(fields):
        yield f'uses embeddings ({", ".join(names)}): write embeddings = "..." with their folder under [render]'
    yield from (f"not taken: {words}, which a study has no key for" for words in unfollowed(fields))
