"""`recipe-search init --from STUDY`: the study file of the next stage, which begins with what a pin makes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from studies.terminal import console

if TYPE_CHECKING:
    from studies.new_study.former import FormerStage
    from studies.review.exporting.stages import StageCheckpoint
    from studies.studyfile.spec import StudySpec

_KEPT = {
    "references": "--references",
    "like": "--like",
    "unlike": "--unlike",
    "prompts": "--prompts",
    "encoder": "--encoder",
}
"""Options whose values come from the study before, by their names."""


def next_stage(given: Mapping[str, str | None], pin: int | None) -> bool:
    """Write the study file of the next stage, if the options say so.

    Args:
        given: the options of `recipe-search init`, by name.
        pin: number of the pin; None: the newest.

    Returns:
        Whether they did.

    Raises:
        StudyError, CheckpointError, RecipeError: what is wrong with the study before, its models or the new file.
    """
    from engine.files import user_path
    from studies.errors import StudyError
    from studies.new_study.former import former_stage, is_study_source, refuse_lost_source

    named = given.get("picture")
    source = user_path(named, StudyError) if named else None
    if source is not None and not source.suffix:
        refuse_lost_source(source)
    if source is None or not is_study_source(source):
        if pin is not None:
            raise click.UsageError("--pin is the number of a pin: name its study with --from")
        return False
    if idle := [option for name, option in _KEPT.items() if given.get(name) is not None]:
        raise click.UsageError(
            f"{', '.join(idle)}: with --from and a study, these come from it; edit the new file to change them"
        )
    former = former_stage(source, pin)
    study = user_path(given.get("study") or "next.toml", StudyError)
    _refuse_taken(study)
    stage = _stage(former, given.get("model_a"))
    _write(study, given, former.spec, stage)
    return True


def _refuse_taken(study: Path) -> None:
    from engine.files import file_kind
    from studies.errors import StudyError

    if file_kind(study):  # before a checkpoint is written for it
        raise StudyError("already exists", place=(study,), remedy="remove it first, or name another file")


def _stage(former: FormerStage, out: str | None) -> StageCheckpoint:
    from engine.files import user_path
    from studies.errors import StudyError
    from studies.inputs.models import model_hashes
    from studies.progress import bytes_meter
    from studies.review.exporting.stages import stage_checkpoint

    spec, path = former.spec, user_path(out, StudyError) if out else None
    with bytes_meter("reading the models", console()) as progress:
        models = model_hashes(spec.merge, spec.storage, progress, afresh=True)
    with bytes_meter("writing the checkpoint", console()) as progress:
        stage = stage_checkpoint(spec, former.pin, path, models, progress)
    click.echo(f"{'wrote' if stage.is_new else 'taken:'} {stage.path}")
    return stage


def _write(study: Path, given: Mapping[str, str | None], spec: StudySpec, stage: StageCheckpoint) -> None:
    from studies.new_study.draft import path_in_study
    from studies.new_study.next_study import NextStudy, write_next_study

    parents = {letter: given.get(f"model_{letter}") for letter in "bc"}
    paths = {letter: path_in_study(text, study) if text else "" for letter, text in parents.items()}
    history = tuple(stage.history())
    wanted = NextStudy(
        file=study,
        name=given.get("name") or study.stem,
        a=stage.path,
        before=spec,
        mode=given.get("mode") or "",
        history=history,
        **paths,
    )
    for line in (*history, *write_next_study(wanted)):
        click.echo(line)
    click.echo(f"wrote {study}; look it through, then: recipe-search check {study}")
