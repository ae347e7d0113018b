"""Reading a study file: a TOML text becomes a `StudySpec`, or an error with every problem."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from engine.errors import Problems, did_you_mean
from engine.files import file_kind, read_text, user_path
from engine.footprint.options import MemoryOptions
from engine.recipes.toml_text import parse_toml
from scorers.catalogue.sources import EncoderFiles
from search.plan import SearchPlan
from search.space.space import Space
from studies.candidate import MERGED_VAE
from studies.errors import StudyError
from studies.studyfile.beginnings import with_beginnings
from studies.studyfile.crosschecks import (
    across,
    folder_problems,
    is_file_name,
    missing_files,
    path_from,
    upscaler_problems,
)
from studies.studyfile.earlier import earlier_place
from studies.studyfile.problems import from_pydantic
from studies.studyfile.reference_files import reference_files
from studies.studyfile.shots import study_shots
from studies.studyfile.space import family_of_files, space_of
from studies.studyfile.spec import (
    Merge,
    Rendering,
    Scoring,
    SearchSettings,
    SituationsSettings,
    Storage,
    StudyShots,
    StudySpec,
    TargetLook,
)
from studies.studyfile.tables.places import S3
from studies.studyfile.tables.schema import (
    EncoderTable,
    ScorersTable,
    SearchTable,
    StudyTable,
    StudyTables,
    TargetTable,
)


def read_study_file(path: Path) -> StudySpec:
    """Read and resolve a study file.

    Args:
        path: the TOML file; paths inside it are relative to its folder.

    Raises:
        StudyError: not there, not TOML, or with problems; all of them, one a line.
    """
    path = user_path(str(path), StudyError).absolute()
    data = _toml(path)
    problems = Problems()
    parts = _validate(data, problems)
    problems.extend(upscaler_problems(data))
    problems.extend(across(parts))
    models = parts["models"].paths.values() if "models" in parts else ()
    space = space_of(parts, family_of_files([path_from(path.parent, text) for text in models]), problems)
    folder = _storage(parts["study"], path).folder if "study" in parts else path.parent
    plan = _plan(parts["search"], space, path.parent, folder, problems) if space and "search" in parts else None
    if "study" in parts and "target" in parts:
        problems.extend(folder_problems(parts["study"], parts["target"], path.parent))
    if problems:
        problems.extend(missing_files(parts, path.parent))
    problems.raise_as(StudyError, Path(path.name))
    if space is None or plan is None:
        raise AssertionError("a study file without problems has a space and a plan")
    return _resolve(StudyTables.model_validate(data), space, plan, path)


def read_storage(path: Path) -> Storage:
    """Return where a study is kept, by its file; whatever else the file says may be wrong by now, or gone.

    Raises:
        StudyError: there is no such file, or it has no [study] that can be read.
    """
    path = user_path(str(path), StudyError).absolute()
    problems, data = Problems(), _toml(path)
    parts = _validate({"study": data["study"]} if "study" in data else {}, problems)
    if "study" in parts:
        return _storage(parts["study"], path)
    raise StudyError.of([one for one in problems.found if one.place[:1] == ("study",)], path)


def _toml(path: Path) -> dict[str, Any]:
    if not file_kind(path):
        raise StudyError("there is no such study file", place=(path,), remedy="`recipe-search init` writes one")
    return parse_toml(read_text(path, StudyError), Path(path.name), StudyError)


def _validate(data: Mapping[str, Any], problems: Problems) -> dict[str, Any]:
    """Return every table that is valid by itself, by name; what is wrong with the others is added to the problems."""
    fields = StudyTables.model_fields
    for name in (name for name in data if name not in fields):
        problems.add((name,), "unknown table or key", did_you_mean(name, fields))
    parts: dict[str, Any] = {}
    for name, field in fields.items():
        if name not in data and not field.is_required():
            parts[name] = field.get_default()
        elif name not in data:
            problems.add((name,), "is missing", _absent(name))
        else:
            try:
                parts[name] = TypeAdapter[Any](field.rebuild_annotation()).validate_python(data[name])
            except ValidationError as error:
                problems.extend(from_pydantic(StudyTables, error, (name,)))
    return parts


def _absent(name: str) -> str:
    return "add a [[prompts]] table with text and seeds" if name == "prompts" else f"add a [{name}] table"


def _resolve(tables: StudyTables, space: Space, plan: SearchPlan, file: Path) -> StudySpec:
    here, study = file.parent, tables.study
    storage = _storage(study, file)
    return StudySpec(
        storage=storage,
        merge=Merge(models={letter: path_from(here, text) for letter, text in tables.models.paths.items()}),
        target=_target(tables.target, here),
        rendering=_rendering(tables, here),
        shots=_shots(tables, file),
        search=SearchSettings(
            seed=study.seed,
            space=space,
            plan=plan,
            shots_per_trial=tables.search.shots,
            fresh_seeds=tables.search.fresh_seeds,
            racing=tables.search.racing,
            finalists=tables.search.finalists,
            simplify=tables.search.simplify,
            begin=tuple(tables.search.begin),
            earlier=earlier_place(tables.search.begin, here, storage.folder),
        ),
        scoring=_scoring(tables.scorers, here),
        situations=SituationsSettings(
            suite=_path_or_none(here, tables.situations.suite),
            frame=tables.situations.frame or "",
            seeds=tables.situations.seeds,
            night=tables.situations.night,
        ),
        settings_to_try=tuple(tables.settings.try_),
        notify=tuple(study.notify),
    )


def _storage(study: StudyTable, file: Path) -> Storage:
    folder = path_from(file.parent, study.folder or f"runs/{study.name}")
    artifacts = study.artifacts or ""
    if artifacts and not artifacts.startswith(S3):
        artifacts = str(path_from(file.parent, artifacts))
    url, keep = study.storage or "", study.keep or None
    return Storage(file=file, name=study.name, folder=folder, keep=keep, url=url, artifacts=artifacts)


def _shots(tables: StudyTables, file: Path) -> StudyShots:
    """The shots of the study; what is wrong with their wildcards is told with the file."""
    try:
        return study_shots(tables, _path_or_none(file.parent, tables.render.wildcards))
    except StudyError as error:
        raise error.under(Path(file.name)) from error


def _target(table: TargetTable, here: Path) -> TargetLook:
    sources = tuple(path_from(here, text) for text in table.references)
    references, passed_over = reference_files(sources)
    return TargetLook(
        sources=sources,
        references=references,
        passed_over=passed_over,
        like=table.like or "",
        unlike=table.unlike or "",
    )


def _rendering(tables: StudyTables, here: Path) -> Rendering:
    render, device = tables.render, tables.device
    return Rendering(
        vae=_path_or_none(here, render.vae),
        vaes={word: None if word == MERGED_VAE else path_from(here, word) for word in tables.space.choices.vae or ()},
        prediction=render.prediction,
        ztsnr=render.ztsnr,
        embeddings=_path_or_none(here, render.embeddings),
        upscalers=_path_or_none(here, render.upscalers),
        device=device.device,
        precision=device.precision,
        memory=MemoryOptions(
            parents=device.parents,
            encoders=device.encoders,
            vae_precision=device.vae_precision,
        ),
        speed=device.speed,
        hang_s=None if device.hung_after is None else 60 * device.hung_after,
    )


def _path_or_none(here: Path, text: str | None) -> Path | None:
    return path_from(here, text) if text else None


def _scoring(table: ScorersTable, here: Path) -> Scoring:
    return Scoring(
        encoder=_encoder(table.encoder, here),
        weights=table.weights,
        keep=frozenset(table.keep),
        folder=path_from(here, table.folder),
        files={name: path_from(here, text) for name, text in table.files.items()},
        here=here,
        precision=table.precision,
        time_limit_s=table.time_limit,
    )


def _encoder(table: EncoderTable, here: Path) -> str | EncoderFiles:
    if table.known:
        return table.known
    config = path_from(here, table.config) if is_file_name(table.config) else table.config
    return EncoderFiles(config=config, weights=path_from(here, table.weights))


def _plan(table: SearchTable, space: Space, here: Path, folder: Path, problems: Problems) -> SearchPlan:
    """Return the plan of the search; what is wrong is added to the problems."""
    plan = SearchPlan(
        groups=table.groups,
        blocks=table.blocks,
        self_mode=table.self_,
        adjust=table.adjust,
        refine=table.refine,
        line=table.line,
        calibration=table.calibration,
        patience=table.patience,
        sampler=table.sampler,
        options=table.options,
    )
    return with_beginnings(plan, space, here, begin=table.begin, start=table.start, folder=folder, problems=problems)
