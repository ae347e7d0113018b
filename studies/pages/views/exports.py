"""The exports: what was written of the pins, the buttons that write it, and why some forms cannot hold a recipe."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.responses import Response

from engine.recipes.recipe import Recipe
from studies.pages.background.jobs import Job, JobReport
from studies.pages.background.refusals import Refusals
from studies.pages.context import Visit
from studies.pages.reading.exports import exported_files, exported_picture, exported_text, is_text_name
from studies.recipes.recipe_words import RecipeWords, recipe_words
from studies.review.exporting.export import exports_folder
from studies.review.exporting.export_forms import FormRefusal, export_for_pages, form_file
from studies.review.exporting.export_targets import CARD, CHECKPOINT, EXPORT_FORMS, ExportForm
from studies.store.judged.pins import Pin, latest_pin
from studies.studyfile.spec import Storage, StudySpec

LONGEST_LICENCE = 300
"""Characters of what a page takes for the licence of a model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownForm:
    """One form of one pin."""

    form: ExportForm
    file: Path
    is_there: bool
    """Whether it was written."""
    can_download: bool
    picture: str
    """Name of the file that shows it; "" where there is none."""
    refusal: FormRefusal | None
    """Why it cannot hold the recipe; None where it can, or where that is not known yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownPin:
    """One pin with everything that it can be exported to."""

    pin: Pin
    words: RecipeWords
    models: tuple[str, ...]
    """The letters that the recipe takes."""
    checkpoint: ShownForm
    card: ShownForm
    others: tuple[ShownForm, ...]
    is_known: bool
    """Whether it is known which forms cannot hold the recipe."""


def exports_page(visit: Visit) -> Response:
    """Show the pins with what can be written of them, and the files that were."""
    study = visit.study
    storage = study.spec.storage
    pins = [_shown_pin(study.spec, pin, visit.site.refusals.of(study.spec, pin)) for pin in reversed(study.pins)]
    return visit.page(
        "exports.html",
        study=study,
        pins=pins,
        waits=not all(one.is_known for one in pins),
        files=exported_files(storage, study.pins),
        folder=exports_folder(storage),
        job=visit.site.jobs.job(str(visit.reader.file)),
    )


def _shown_pin(spec: StudySpec, pin: Pin, refusals: Refusals | None) -> ShownPin:
    recipe = Recipe.parse(pin.recipe)
    shown = {name: _shown_form(spec.storage, pin, form, refusals or {}) for name, form in EXPORT_FORMS.items()}
    return ShownPin(
        pin=pin,
        words=recipe_words(recipe),
        models=recipe.models,
        checkpoint=shown.pop(CHECKPOINT),
        card=shown.pop(CARD),
        others=tuple(shown.values()),
        is_known=refusals is not None,
    )


def _shown_form(storage: Storage, pin: Pin, form: ExportForm, refusals: Refusals) -> ShownForm:
    file = form_file(storage, pin, form.name)
    picture = file.with_suffix(".png")
    return ShownForm(
        form=form,
        file=file,
        is_there=file.exists(),
        can_download=is_text_name(file.name),
        picture=picture.name if form.name == CARD and picture.exists() else "",
        refusal=refusals.get(form.name),
    )


def start_export(visit: Visit) -> Response:
    """Begin to write an export of a pin; one that is there already is left as it is, but for what is written anew."""
    spec, form = visit.study.spec, visit.form
    target, number = EXPORT_FORMS.get(form.get("target", "")), form.get("pin", "")
    if target is None or not (number.isascii() and number.isdigit() and len(number) < 10):
        raise HTTPException(400, "there is no such pin or export")
    pin = latest_pin(spec.storage.folder, int(number), spec.storage.name)
    file = form_file(spec.storage, pin, target.name)
    began = visit.site.jobs.start(
        str(visit.reader.file),
        Job(kind="export", subject=str(pin.number)),
        partial(_exported, spec, pin, target.name, _licences(visit, pin)),
        is_wanted=lambda: target.is_renewed or not file.exists(),
    )
    return visit.go("exports") if began else visit.go("exports", late=1)


def _licences(visit: Visit, pin: Pin) -> tuple[str, ...]:
    """What the form says of the licences of the models that the recipe takes."""
    texts = {letter: visit.form.get(f"licence-{letter}", "") for letter in Recipe.parse(pin.recipe).models}
    return tuple(f"{letter}={text.strip()[:LONGEST_LICENCE]}" for letter, text in texts.items() if text.strip())


def _exported(spec: StudySpec, pin: Pin, to: str, licences: tuple[str, ...], report: JobReport) -> tuple[str, ...]:
    return export_for_pages(spec, pin, to, report.step("read"), report.step("write"), licences=licences)


def download(visit: Visit) -> Response:
    """Answer with a small text of the exports, or with a picture."""
    name, storage = str(visit.request.path_params["file"]), visit.study.spec.storage
    if (picture := exported_picture(storage, name)) is not None:
        return Response(picture, media_type="image/png")
    content = exported_text(storage, name)
    if content is None:
        raise HTTPException(404, "there is no such text among the exports")
    # A name of another alphabet cannot stand in a header: the browser takes that of the address.
    return Response(content, media_type="text/plain; charset=utf-8", headers={"Content-Disposition": "attachment"})
