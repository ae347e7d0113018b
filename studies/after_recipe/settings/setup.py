"""Everything that a search for settings needs, opened: values, pictures, costs, the margin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from engine.architecture.widths import Widths
from engine.checkpoints.checkpoint import Checkpoint, has_vae, open_checkpoint
from engine.errors import EngineError
from engine.shots.hires import Hires
from studies.after_recipe.measuring.opened import Measuring
from studies.after_recipe.measuring.subject import Subject
from studies.after_recipe.settings.axes import OF_SIZE, AskedValues
from studies.after_recipe.settings.cost import PictureCost
from studies.after_recipe.settings.decide import margin_of
from studies.after_recipe.settings.pictures import SettingsPictures
from studies.after_recipe.settings.shots import JudgedShots
from studies.after_recipe.settings.vaes import NamedVae, known_vaes, vae_of_word, with_files
from studies.after_recipe.settings.values import SKIPS_LAYERS, Refusal, TriedValues, start_settings
from studies.inputs.assets import refuse_unusable
from studies.results.settings import PictureSettings
from studies.results.settings_file import result_folder
from studies.studyfile.spec import Rendering, StudyShots, StudySpec

OTHER_SIZES = (
    "Pictures are judged at {size} pixels on the shorter side, whatever their size: detail beyond that does not count, "
    "so look at pictures of different sizes yourself."
)
"""The note where sizes are compared."""
LEVELS = "Intervals allow for all values and all looks of a step together, not for all steps at once."
"""The note on what the level of an interval means."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsSetup:
    """What a search for settings works with.

    Attributes:
        measuring: the opened study.
        subject: what is rendered.
        start: the settings to begin with.
        values: makes the values to try.
        pictures: renders.
        cost: counts the work of a picture.
        margin: below which differences do not count.
    """

    measuring: Measuring
    subject: Subject
    start: PictureSettings
    values: TriedValues
    pictures: SettingsPictures
    cost: PictureCost
    margin: float

    @property
    def folder(self) -> Path:
        """Where the results go."""
        return self.pictures.folder

    @property
    def notes(self) -> tuple[str, ...]:
        """What one has to know to read the numbers."""
        axes = {kind.name for kind in self.values.asked.axes(hires=self.start.hires is not None)}
        sized = OTHER_SIZES.format(size=self.measuring.panel.observer.size)
        return (LEVELS, *([sized] if axes & OF_SIZE else []))


def set_up(measuring: Measuring, subject: Subject, asked: AskedValues, judged: JudgedShots) -> SettingsSetup:
    """Open what a search for settings needs.

    Args:
        measuring: the opened study.
        subject: what is rendered.
        asked: what a person wants tried.
        judged: the prompts and seeds.

    Raises:
        CheckpointError: a model of the subject cannot be read.
    """
    spec = measuring.spec
    models = opened_models(spec, subject)
    widths = next(iter(models.values())).widths
    vaes = vaes_of(spec.rendering, asked, models)
    shot = judged.shots[0]
    start = start_settings(shot, vae_of_word(subject.candidate.vae, vaes).name, asked)
    values = TriedValues(
        asked=asked,
        family=widths.family,
        shot=shot,
        vaes=vaes,
        upscalers=upscalers_of(spec.rendering),
        refusal=refusal_of(spec, shot_sides=measuring.panel.observer.size, widths=widths),
    )
    folder = result_folder(spec.storage.folder, subject.key)
    pictures = SettingsPictures(measuring=measuring, subject=subject, judged=judged, vaes=vaes, folder=folder)
    cost = PictureCost(shot=shot, size=(shot.width, shot.height), widths=widths)
    return SettingsSetup(
        measuring=measuring,
        subject=subject,
        start=start,
        values=values,
        pictures=pictures,
        cost=cost,
        margin=margin_of(measuring.panel),
    )


def opened_models(spec: StudySpec, subject: Subject | None = None) -> dict[str, Checkpoint]:
    """Return the headers of a subject's models, by letter; those of the study where it has none of its own.

    Raises:
        CheckpointError: one cannot be read.
    """
    paths = (subject.models if subject else {}) or spec.merge.models
    return {letter: open_checkpoint(path) for letter, path in paths.items()}


def vaes_of(rendering: Rendering, asked: AskedValues, models: Mapping[str, Checkpoint]) -> tuple[NamedVae, ...]:
    """Return what can decode a subject's pictures: the study's VAEs, those that a person names, and the merged one."""
    lacking = [letter for letter, model in models.items() if not has_vae(model)]
    reason = f"there is no VAE in {', '.join(lacking)}, so none can be merged" if lacking else ""
    known = [replace(vae, reason=reason) if vae.path is None else vae for vae in known_vaes(rendering)]
    files = [path for path in asked.by_axis.get("VAE", ()) if path is not None]
    return with_files(known, files, next(iter(models.values())).widths)


def upscalers_of(rendering: Rendering) -> tuple[str, ...]:
    """Return the names of the upscaler files that the study has; none where it names no folder."""
    if rendering.upscalers is None:
        return ()
    from engine.rendering.upscaler_models import UpscalerFolder

    return UpscalerFolder(rendering.upscalers).names


def refusal_of(spec: StudySpec, *, shot_sides: int, widths: Widths) -> Refusal:
    """Return what says why settings cannot be rendered or judged here.

    Args:
        spec: the study.
        shot_sides: shorter side in pixels at which the panel judges.
        widths: of the models.
    """
    layers = widths.encoders[0].used_layers if widths.family == SKIPS_LAYERS else None

    @cache
    def of_upscaler(name: str) -> str:
        if spec.rendering.upscalers is None:
            return f"{name} takes a model file, and [render] upscalers names no folder"
        shot = replace(spec.shots.trials[0], hires=Hires(upscaler=name))
        try:
            refuse_unusable(spec.rendering, StudyShots(trials=(shot,), proof=()))
        except EngineError as error:
            return "; ".join(map(str, error.problems))
        return ""

    def refusal(settings: PictureSettings) -> str:
        shot = settings.applied_to(spec.shots.trials[0])
        if min(shot.picture_size) < shot_sides:
            width, height = shot.picture_size
            return (
                f"the scorers judge pictures at {shot_sides} pixels on the shorter side, and {width}x{height} has less"
            )
        if layers is not None and settings.clip_skip > layers:
            return f"the text encoder has {layers} layers"
        if settings.hires is not None and settings.hires.model:
            return of_upscaler(settings.hires.model)
        return ""

    return refusal
