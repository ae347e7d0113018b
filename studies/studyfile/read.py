"""Reading a study file: TOML as a person wrote it becomes a `StudySpec`, or every problem is told at once."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as own
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from engine.errors import Problems, did_you_mean
from engine.recipes.recipe import Recipe
from engine.shots.shot import Shot
from scorers.catalogue.sources import EncoderFiles
from search.history import Point
from search.plan import SearchPlan
from search.space.space import Space
from studies.candidate import MERGED_VAE, Candidate
from studies.errors import StudyError
from studies.studyfile.beginnings import with_beginnings
from studies.studyfile.crosschecks import across, is_file_name, missing_files, path_from
from studies.studyfile.problems import from_pydantic
from studies.studyfile.schema import EncoderTable, SearchTable, WrittenStudy
from studies.studyfile.shots import all_shots, seed_again
from studies.studyfile.space import family_of_files, knob_text, said_of_frame, space_of

if TYPE_CHECKING:
    from scorers.panel.settings import PanelSettings

OWN_ENCODER = "clip"
"""What an encoder is called that the study file names by its files."""
PICTURES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"})
"""Endings of the files that count as pictures in a folder of references."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudySpec:
    """A study file, resolved: absolute paths, every default filled in, shots and space built."""

    file: Path
    """The study file itself."""
    name: str
    seed: int
    folder: Path
    """Where everything of the study is kept; may not exist yet."""
    models: Mapping[str, Path]
    """Path by letter, A first."""
    reference_sources: tuple[Path, ...]
    """The references as written: folders or files."""
    references: tuple[Path, ...]
    """The reference pictures, those of a folder sorted by name; a path that leads nowhere stays as it is."""
    shots: tuple[Shot, ...]
    """What every trial renders: each prompt with each of its seeds."""
    proof_shots: tuple[Shot, ...]
    """What the finalists render; shares no prompt with a seed of `shots`."""
    space: Space
    plan: SearchPlan
    shots_per_trial: int
    """How many shots a trial draws; 0: as many as the measured noise asks for."""
    fresh_seeds: bool
    """Whether the shots come again with other seeds when stages have drawn them all."""
    finalists: int
    simplify: int
    """Most simpler recipes that the proof tries; 0: none."""
    encoder: str | EncoderFiles
    """The encoder for style and prompts: name of a known one, or the files of another."""
    scorer_weights: Mapping[str, float]
    scorer_folder: Path
    """Where published files of encoders and scorers are looked for by their names."""
    scorer_files: Mapping[str, Path]
    """Such files elsewhere, by name of their encoder or scorer."""
    scorers_kept: frozenset[str] = frozenset()
    """Scorers that stay on even if their noise hides what the calibration recipes differ by."""
    like: str = ""
    """The wanted look in words, or ""."""
    unlike: str = ""
    """What it shall be told from; "" leaves it to the scorer."""
    embeddings: Path | None = None
    """The folder of textual-inversion embeddings that prompts may name."""
    vae: Path | None = None
    """The VAE file that decodes in place of the merged VAE; exports do not hold it."""
    vaes: Mapping[str, Path | None] = own(default_factory=dict[str, "Path | None"])
    """The VAE files that a trial may choose, by word; None is the merged VAE. Empty: there is no choice."""
    prediction: str = "auto"
    """What the UNets predict: auto, epsilon or v."""
    upscalers: Path | None = None
    """The folder of upscaler models that hires fix may name."""
    device: str = "auto"
    precision: str = "auto"
    export_dtype: str = "fp16"
    """Number format of exported checkpoints; the search rounds to it, so that it sees what will be exported."""

    @property
    def merges_vae(self) -> bool:
        """Whether pictures are decoded by the merged VAE, so that the models need one inside."""
        return self.vae is None and (not self.vaes or None in self.vaes.values())

    def candidate(self, point: Point) -> Candidate:
        """Return what a point of the space is rendered as."""
        return Candidate(recipe=self.space.decode(point), vae=self.space.words(point).get("vae", ""))

    def baseline(self, recipe: Recipe) -> Candidate:
        """Return a recipe to compare with, decoded by the VAE that the search starts with."""
        return Candidate(recipe=recipe, vae=next(iter(self.vaes), ""))

    def panel_settings(self) -> PanelSettings:
        """Return what the panel of scorers is opened with."""
        from scorers.panel.settings import PanelSettings
        from scorers.scoring.text_axis import NEUTRAL

        given = {} if isinstance(self.encoder, str) else {OWN_ENCODER: self.encoder}
        return PanelSettings(
            encoders=given,
            main=self.encoder if isinstance(self.encoder, str) else OWN_ENCODER,
            references=self.references,
            like=self.like,
            unlike=self.unlike or NEUTRAL,
            weights=dict(self.scorer_weights),
            keep=self.scorers_kept,
            folder=self.scorer_folder,
            files=self.scorer_files,
            here=self.file.parent,
            render_size=min(min(shot.picture_size) for shot in self.shots),
        )

    def drawn(self, slots: Sequence[int]) -> tuple[Shot, ...]:
        """Return the shots at some places; no place: all of them. Beyond the last one they come again, other seeds."""
        return tuple(self._shot_at(slot) for slot in slots) if slots else self.shots

    def _shot_at(self, slot: int) -> Shot:
        turn, place = divmod(slot, len(self.shots))
        shot = self.shots[place]
        return replace(shot, seed=seed_again(shot.seed, turn)) if turn else shot

    def fingerprint(self) -> dict[str, str]:
        """Return, by name, what makes trials comparable and so must not change on resume.

        The stages' trial counts, finalists, the proof and the device are left out: changing them makes no earlier trial
        wrong. The hashes of models, the VAE, embeddings and upscalers, and the version of the panel, which stands for
        references, words and scorers, are added by the night.
        """
        shots = {f"shot {number}": shot.text for number, shot in enumerate(self.shots, start=1)}
        knobs = {f"space.{knob.name}": knob_text(knob) for knob in self.space.knobs}
        common = {
            "study.seed": str(self.seed),
            "search.calibration": str(self.plan.calibration),
            "export dtype": self.export_dtype,
            "device.precision": self.precision,
        }
        if self.prediction != "auto":
            common["render.prediction"] = self.prediction
        return common | said_of_frame(self.space.frame) | shots | knobs


def read_study_file(path: Path) -> StudySpec:
    """Read and resolve a study file.

    Args:
        path: the TOML file; paths inside it are relative to its folder.

    Raises:
        StudyError: not there, not TOML, or with problems; all of them, one a line.
    """
    path = path.expanduser().absolute()
    data = _toml(path)
    problems = Problems()
    parts = _validate(data, problems)
    problems.extend(across(parts))
    models = parts["models"].paths.values() if "models" in parts else ()
    space = space_of(parts, family_of_files([path_from(path.parent, text) for text in models]), problems)
    plan = _plan(parts["search"], space, path.parent, problems) if space and "search" in parts else None
    if problems:
        problems.extend(missing_files(parts, path.parent))
    problems.raise_as(StudyError, Path(path.name))
    if space is None or plan is None:
        raise AssertionError("a study file without problems has a space and a plan")
    return _resolve(WrittenStudy.model_validate(data), space, plan, path)


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StudyError(
            "there is no such study file", place=(path,), remedy="`recipe-search init` writes one"
        ) from None
    except UnicodeDecodeError as error:
        raise StudyError(f"is no UTF-8 text (byte {error.start})", place=(path,), remedy="save it as UTF-8") from error
    except OSError as error:
        raise StudyError(
            f"cannot be read ({error.strerror})", place=(path,), remedy="name a study file you may read"
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise StudyError(
            f"is no TOML: {error}",
            place=(Path(path.name),),
            remedy="texts stand in quotes, Windows paths in 'single' ones",
        ) from error


def _validate(data: Mapping[str, Any], problems: Problems) -> dict[str, Any]:
    """Return every table that is right by itself, by name; what is wrong with the others is added to the problems."""
    fields = WrittenStudy.model_fields
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
                problems.extend(from_pydantic(WrittenStudy, error, (name,)))
    return parts


def _absent(name: str) -> str:
    return "add a [[prompts]] table with text and seeds" if name == "prompts" else f"add a [{name}] table"


def _resolve(written: WrittenStudy, space: Space, plan: SearchPlan, file: Path) -> StudySpec:
    here = file.parent
    sources = tuple(path_from(here, text) for text in written.target.references)
    wildcards = written.render.wildcards
    shots, proof_shots = all_shots(written, path_from(here, wildcards) if wildcards else None)
    return StudySpec(
        file=file,
        name=written.study.name,
        seed=written.study.seed,
        folder=path_from(here, written.study.folder or f"runs/{written.study.name}"),
        models={letter: path_from(here, text) for letter, text in written.models.paths.items()},
        reference_sources=sources,
        references=_pictures(sources),
        shots=shots,
        proof_shots=proof_shots,
        space=space,
        plan=plan,
        shots_per_trial=written.search.shots,
        fresh_seeds=written.search.fresh_seeds,
        finalists=written.search.finalists,
        simplify=written.search.simplify,
        encoder=_encoder(written.scorers.encoder, here),
        scorer_weights=written.scorers.weights,
        scorer_folder=path_from(here, written.scorers.folder),
        scorer_files={name: path_from(here, text) for name, text in written.scorers.files.items()},
        scorers_kept=frozenset(written.scorers.keep),
        like=written.target.like or "",
        unlike=written.target.unlike or "",
        embeddings=path_from(here, written.render.embeddings) if written.render.embeddings else None,
        vae=path_from(here, written.render.vae) if written.render.vae else None,
        vaes={word: None if word == MERGED_VAE else path_from(here, word) for word in written.space.choices.vae or ()},
        prediction=written.render.prediction,
        upscalers=path_from(here, written.render.upscalers) if written.render.upscalers else None,
        device=written.device.device,
        precision=written.device.precision,
    )


def _encoder(table: EncoderTable, here: Path) -> str | EncoderFiles:
    if table.known:
        return table.known
    config = path_from(here, table.config) if is_file_name(table.config) else table.config
    return EncoderFiles(config=config, weights=path_from(here, table.weights))


def _pictures(sources: Sequence[Path]) -> tuple[Path, ...]:
    """Return the files, every folder replaced by the pictures in it."""
    found: list[Path] = []
    for source in sources:
        inside = sorted(source.iterdir()) if source.is_dir() else [source]
        found += [path for path in inside if not source.is_dir() or path.suffix.lower() in PICTURES]
    return tuple(found)


def _plan(table: SearchTable, space: Space, here: Path, problems: Problems) -> SearchPlan:
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
    return with_beginnings(plan, space, here, begin=table.begin, start=table.start, problems=problems)
