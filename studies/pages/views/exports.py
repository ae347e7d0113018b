"""The exports: what was written of the pins, and the buttons that write it."""

from __future__ import annotations

from functools import partial

from starlette.exceptions import HTTPException
from starlette.responses import Response

from engine.recipes.recipe import Recipe
from studies.pages.background.jobs import Job, JobReport
from studies.pages.context import Visit
from studies.pages.reading.exports import exported_files, exported_text
from studies.pages.reading.recipe_words import recipe_words
from studies.review.export import exports_folder
from studies.review.export_targets import EXPORT_TARGETS, ExportTarget
from studies.store.pins import Pin, latest_pin
from studies.studyfile.spec import StudySpec


def exports_page(visit: Visit) -> Response:
    """Show the pins with what can be written of them, and the files that were."""
    study = visit.study
    storage = study.spec.storage
    return visit.page(
        "exports.html",
        study=study,
        pins=[
            (
                pin,
                recipe_words(Recipe.parse(pin.recipe)),
                [(target.name, target.file(storage, pin)) for target in EXPORT_TARGETS.values()],
            )
            for pin in reversed(study.pins)
        ],
        files=exported_files(storage, study.pins),
        folder=exports_folder(storage),
        job=visit.site.jobs.job(str(visit.reader.file)),
    )


def start_export(visit: Visit) -> Response:
    """Begin to write an export of a pin; one that is there already is left as it is."""
    spec, form = visit.study.spec, visit.form
    target, number = EXPORT_TARGETS.get(form.get("target", "")), form.get("pin", "")
    if target is None or not (number.isascii() and number.isdigit() and len(number) < 10):
        raise HTTPException(400, "there is no such pin or export")
    pin = latest_pin(spec.storage.folder, int(number), spec.storage.name)
    began = visit.site.jobs.start(
        str(visit.reader.file),
        Job(kind="export", subject=str(pin.number)),
        partial(_exported, spec, pin, target),
        is_wanted=lambda: not target.file(spec.storage, pin).exists(),
    )
    return visit.go("exports") if began else visit.go("exports", late=1)


def _exported(spec: StudySpec, pin: Pin, target: ExportTarget, report: JobReport) -> tuple[str, ...]:
    return target.write(spec, pin, report.step("read"), report.step("write"))


def download(visit: Visit) -> Response:
    """Answer with a small text of the exports."""
    name = str(visit.request.path_params["file"])
    content = exported_text(visit.study.spec.storage, name)
    if content is None:
        raise HTTPException(404, "there is no such text among the exports")
    # A name of another alphabet cannot stand in a header: the browser takes that of the address.
    return Response(content, media_type="text/plain; charset=utf-8", headers={"Content-Disposition": "attachment"})
