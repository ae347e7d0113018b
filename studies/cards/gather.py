"""Cards from what is known: of a pin, with all that its study says of it; of a recipe alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from engine.checkpoints.checkpoint import file_sha256
from engine.checkpoints.header import read_header
from engine.errors import Named, Problems, did_you_mean
from engine.recipes.recipe import Recipe
from engine.shots.shot import Shot
from search.space.baselines import parents
from studies.candidate import Candidate
from studies.cards.card import CardCheckpoint, CardParent, CardPictures, CardPromise, CardProof, RecipeCard
from studies.cards.kept_pictures import kept_pictures
from studies.errors import StudyError
from studies.inputs.assets import embedding_hashes
from studies.inputs.hashes import remembered_hash
from studies.results.settings import SettingsResult
from studies.results.settings_file import all_settings
from studies.store.backends.of_study import backend_of
from studies.store.judged.outcome import Outcome, Standing, read_outcome
from studies.store.judged.pins import Pin
from studies.store.opening import store_for_reading
from studies.store.records import drawn_slots
from studies.store.storage import complete
from studies.studyfile.spec import Rendering, Storage, StudySpec

OWN_COLUMN = ""
"""The label of the card's own recipe among the columns of its pictures."""


def checked_licences(licences: Sequence[str], models: Sequence[str]) -> dict[str, str]:
    """Return what a person states of the licences of models, by letter.

    Args:
        licences: `A=TEXT`, once for a model at most.
        models: the letters that the recipe takes.

    Raises:
        StudyError: another letter, no text, or a letter twice; all of them are named.
    """
    problems, found = Problems(), dict[str, str]()
    for entry in licences:
        letter, _, text = (part.strip() for part in entry.partition("="))
        what, remedy = "", "write A=TEXT"
        if letter not in models:
            what, remedy = f"the recipe takes {', '.join(models)}", did_you_mean(letter, models)
        elif not text:
            what, remedy = "states nothing", "write A=TEXT, or leave it out: the card then says that it is not stated"
        elif letter in found:
            what = f"{letter} has a licence already"
        if what:
            problems.add((Named(f"--licence {entry}"),), what, remedy)
        else:
            found[letter] = " ".join(text.split())
    problems.raise_as(StudyError)
    return found


def card_of_recipe(
    recipe: Recipe, title: str, *, names: Mapping[str, str], hashes: Mapping[str, str], licences: Mapping[str, str]
) -> RecipeCard:
    """Return the card of a recipe of which no study is known.

    Args:
        recipe: what is merged.
        title: what it is called.
        names: file names of its models, by letter, where they are known.
        hashes: their SHA-256, where they are known.
        licences: of the models, by letter, where somebody stated them.
    """
    return RecipeCard(title=title, recipe=recipe, parents=_parents(recipe, names, hashes, licences))


def card_of_pin(
    spec: StudySpec, pin: Pin, title: str, *, licences: Mapping[str, str], checkpoint: Path | None = None
) -> RecipeCard:
    """Return the card of a pin.

    Args:
        spec: its study.
        pin: what was approved.
        title: what it is called.
        licences: of the models, by letter, where somebody stated them.
        checkpoint: the merged checkpoint, where one was exported; its file is read whole.

    Raises:
        StudyError: the study's outcome is damaged or another study's.
        CheckpointError: the checkpoint cannot be read.
    """
    candidate = Candidate(recipe=Recipe.parse(pin.recipe), vae=pin.vae)
    outcome = _outcome(spec.storage, pin)
    standing = _standing(outcome, candidate)
    trial = None if standing is not None else _promise(spec, candidate)
    promise, drawn = trial if trial is not None else (None, ())
    names = {letter: path.name for letter, path in spec.merge.models.items()}
    return RecipeCard(
        title=title,
        recipe=candidate.recipe,
        parents=_parents(candidate.recipe, names, pin.models, licences),
        study=spec.storage.name,
        source=pin.source,
        approved=pin.at,
        note=pin.note,
        vae=_vae_name(spec.rendering, pin),
        bakes_vae=bool(pin.vae and spec.rendering.vaes.get(pin.vae)),
        dtype=spec.merge.export_dtype,
        checkpoint=_checkpoint(checkpoint, spec.storage.hashes),
        proof=_proof(outcome, standing) if outcome is not None and standing is not None else None,
        promise=promise,
        pictures=_pictures(spec, candidate, outcome, standing, drawn),
        shots=spec.shots.every,
        recommended=_recommended(spec.storage.folder, candidate),
        embeddings=embedding_hashes(spec.rendering, spec.shots),
    )


def _parents(
    recipe: Recipe, names: Mapping[str, str], hashes: Mapping[str, str], licences: Mapping[str, str]
) -> tuple[CardParent, ...]:
    return tuple(
        CardParent(
            letter=letter, file=names.get(letter, ""), sha256=hashes.get(letter, ""), licence=licences.get(letter, "")
        )
        for letter in recipe.models
    )


def _vae_name(rendering: Rendering, pin: Pin) -> str:
    file = rendering.vaes.get(pin.vae) if pin.vae else rendering.vae
    return file.name if file is not None else ""


def _checkpoint(file: Path | None, hashes: Path) -> CardCheckpoint | None:
    if file is None:
        return None
    sha256 = remembered_hash(file, hashes) or file_sha256(file)
    tensors = file_sha256(file, start=read_header(file).start)
    return CardCheckpoint(file=file.name, sha256=sha256, autov3=tensors[:12])


def _outcome(storage: Storage, pin: Pin) -> Outcome | None:
    """The proof, where there is one, of the models that the pin was approved with."""
    if not (storage.folder / "outcome.json").exists():
        return None
    outcome = read_outcome(storage.folder, storage.name)
    known = outcome.models
    return outcome if all(known.get(letter) == sha256 for letter, sha256 in pin.models.items()) else None


def _standing(outcome: Outcome | None, candidate: Candidate) -> Standing | None:
    finalists = outcome.finalists if outcome is not None else ()
    return next((one for one in finalists if one.candidate.key == candidate.key), None)


def _proof(outcome: Outcome, standing: Standing) -> CardProof:
    further = f"It is proof {outcome.proof} of {outcome.proofs}; every further one has wider intervals."
    return CardProof(
        leads=standing.comparisons,
        level=outcome.level,
        broken=standing.reasons if standing.value is None else (),
        warnings=tuple(_sentence(text) for text in (standing.alarm, *outcome.remarks) if text),
        notes=(further,) if outcome.proofs > 1 else (),
    )


def _sentence(text: str) -> str:
    return (text[0].upper() + text[1:]).removesuffix(".") + "."


def _promise(spec: StudySpec, candidate: Candidate) -> tuple[CardPromise, tuple[Shot, ...]] | None:
    """The best trial of the recipe, and its shots; None where there is none."""
    if not backend_of(spec.storage).exists():
        return None
    for trial in complete(store_for_reading(spec.storage).trials()):
        if "recipe" in trial.user_attrs and Candidate.of(trial.user_attrs).key == candidate.key:
            shots = spec.shots.drawn(drawn_slots(trial.user_attrs))
            error = trial.user_attrs.get("standard_error")
            promise = CardPromise(trial=trial.number, score=trial.value or 0.0, error=error, pictures=len(shots))
            return promise, shots
    return None


def _recommended(folder: Path, candidate: Candidate) -> SettingsResult | None:
    """What the newest finished search for settings found for a recipe, whatever it was called there."""
    results = (result for result in all_settings(folder) if result.finished)
    return next((result for result in results if result.subject_key == candidate.key[:12]), None)


def _pictures(
    spec: StudySpec,
    candidate: Candidate,
    outcome: Outcome | None,
    standing: Standing | None,
    drawn: tuple[Shot, ...],
) -> CardPictures | None:
    """On held-out prompts where they are kept, else on those of the search."""
    columns = {OWN_COLUMN: candidate}
    columns |= {label: spec.rendering.baseline(recipe) for label, recipe in parents(spec.search.space).items()}
    if outcome is not None and standing is not None:
        rivals = {lead.against for lead in standing.comparisons}
        columns |= {one.label: one.candidate for one in outcome.baselines if one.label in rivals}
    folder, shots = spec.storage.folder, spec.shots
    proved = kept_pictures(folder, columns, (shots.proof,), held_out=True)
    return proved or kept_pictures(folder, columns, (drawn or shots.trials, shots.trials), held_out=False)
