"""Export of a pinned recipe: the merged checkpoint, and the text to type into SuperMerger."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from engine.architecture.widths import VAE
from engine.checkpoints.header import read_header
from engine.errors import CheckpointError
from engine.files import file_kind, write_text
from engine.recipes.recipe import Recipe
from studies.errors import StudyError
from studies.inputs.hashes import remember_hash
from studies.inputs.models import model_hashes, vae_hashes
from studies.review.exporting.chains import chain_file, chain_text, first_parents, recipe_chain
from studies.sample.former import changed_note
from studies.store.judged.pins import Pin
from studies.studyfile.spec import Merge, Rendering, Storage

if TYPE_CHECKING:
    from rich.console import Console

    from engine.merging.output import Output
    from engine.merging.write import WrittenCheckpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedFiles:
    """The files that an export wrote."""

    checkpoint: WrittenCheckpoint
    supermerger: Path | None
    """The recipe as lines to type into SuperMerger; None where the recipe was left out."""
    chain: Path | None = None
    """The recipe file of the whole chain, where a model of the recipe was merged too."""


def export_pin(
    storage: Storage,
    merge: Merge,
    rendering: Rendering,
    pin: Pin,
    out: Path | None = None,
    *,
    output: Output,
    dtype: str | None = None,
    with_recipe: bool = True,
    overwrite: bool = False,
    models: Mapping[str, str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ExportedFiles:
    """Write the checkpoint of a pinned recipe, in the original key layout, and its SuperMerger text beside it.

    Args:
        storage: of the study.
        merge: its models, and the number format that the search rounded to.
        rendering: its VAEs.
        pin: what to export.
        out: the checkpoint; default: named after study and recipe, in the study's ``exports`` folder.
        output: form of the file, but for its dtype; where it names no VAE, one that the search chose among
            several is baked in.
        dtype: fp16, bf16, fp32 or computed; default: what the search rounded to.
        with_recipe: whether the file names its parents and recipe.
        overwrite: replace files that exist.
        models: SHA-256 of every model file by letter, read just now; by default the files are read whole here.
        progress: called with (bytes written, bytes in all).

    Raises:
        StudyError: a checkpoint, or the VAE that the search chose, is not the one that the recipe was approved with.
        CheckpointError: the file cannot be written.
    """
    models = models or model_hashes(merge, storage, afresh=True)
    refuse_others(storage, merge, rendering, pin, models)
    if output.vae is None and pin.vae:
        output = replace(output, vae=rendering.vaes.get(pin.vae))
    if out is None:
        out = export_file(storage, pin)
        out.parent.mkdir(parents=True, exist_ok=True)
    done = export_recipe(
        Recipe.parse(pin.recipe),
        merge.models,
        models,
        out,
        output=replace(output, dtype=dtype or merge.export_dtype),
        with_recipe=with_recipe,
        overwrite=overwrite,
        approval=approval_of(storage, pin),
        progress=progress,
    )
    remember_hash(done.checkpoint.path, done.checkpoint.sha256, storage.hashes)
    return done


def export_file(storage: Storage, pin: Pin, suffix: str = ".safetensors") -> Path:
    """Where a pin is exported to unless something else is asked for: named after study, pin and recipe."""
    return exports_folder(storage) / f"{storage.name}-{pin.number}-{pin.recipe_key[:8]}{suffix}"


def approval_of(storage: Storage, pin: Pin) -> dict[str, str]:
    """Who approved a recipe, when and why, as the headers of exports have it."""
    return {"by": pin.by, "at": pin.at, "note": pin.note, "study": storage.name, "source": pin.source}


def exports_folder(storage: Storage) -> Path:
    """Where a study's exports lie."""
    return storage.folder / "exports"


def refuse_others(storage: Storage, merge: Merge, rendering: Rendering, pin: Pin, models: Mapping[str, str]) -> None:
    """Refuse files that differ from those that a recipe was approved with.

    Args:
        storage: of the study.
        merge: its models.
        rendering: its VAEs.
        pin: what was approved.
        models: SHA-256 of every model file as it is, by letter.

    Raises:
        StudyError: another checkpoint, or another VAE in place of the chosen one.
    """
    changed = [f"  {letter}: {merge.models[letter]}" for letter in models if models[letter] != pin.models.get(letter)]
    if pin.vae and pin.vae not in rendering.vaes:
        changed.append(f"  VAE: {pin.vae} is not under [space.choices] any more")
    elif vae_hashes(rendering, storage, afresh=True).get(f"space.vae.{pin.vae}", "") != pin.vae_sha256:
        changed.append(f"  VAE: {rendering.vaes[pin.vae]}")
    if changed:
        raise StudyError(
            "these files are not the ones that the recipe was approved with (SHA-256 differs):\n"
            + "\n".join(changed)
            + "\nrestore the old files, or search and approve with the new ones"
            + changed_note(pin.models.values())
        )


def export_recipe(
    recipe: Recipe,
    models: Mapping[str, Path],
    hashes: Mapping[str, str],
    out: Path,
    *,
    output: Output,
    with_recipe: bool = True,
    overwrite: bool = False,
    approval: Mapping[str, str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ExportedFiles:
    """Write a recipe's checkpoint with recipe and parents in its header, and its SuperMerger text beside it.

    Where a model was merged too, a recipe file with the whole chain is written beside it.

    Args:
        recipe: what to merge.
        models: path by letter.
        hashes: SHA-256 by letter.
        out: the checkpoint.
        output: form of the file.
        with_recipe: whether the file names its parents and recipe, with a text beside it.
        overwrite: replace files that exist.
        approval: who approved it, when and why.
        progress: called with (bytes written, bytes in all).

    Raises:
        CheckpointError: the file cannot be written, or its text file exists already.
    """
    from engine.exports.checkpoint import merged_checkpoint
    from engine.exports.content import ExportContent
    from engine.exports.target import ExportOptions
    from engine.supermerger.instructions import instructions

    text, whole = out.with_suffix(".supermerger.txt"), chain_file(out)
    for path in (text, whole):
        if file_kind(path) and not overwrite:
            raise CheckpointError("already exists", place=(path,), remedy="choose another name, or add --overwrite")
        if file_kind(path) == "folder":
            raise CheckpointError("is a folder", place=(path,), remedy="choose another name for the checkpoint")
    used = {name: models[name] for name in recipe.models}
    named = "".join(f"model {name}: {path.name}  sha256 {hashes[name]}\n" for name, path in used.items())
    baked = f"  bake in VAE: {output.vae.name}\n" if output.vae else ""
    words = f"{named}\n{instructions(recipe)}\n{baked}"
    facts = {"approval": dict(approval)} if approval else {}
    checkpoint = merged_checkpoint(
        ExportContent(recipe=recipe, title=out.stem, models=used, hashes=hashes, facts=facts),
        out,
        ExportOptions(output=output, overwrite=overwrite, with_recipe=with_recipe, progress=progress),
    )
    if not with_recipe:
        for path in (text, whole):
            path.unlink(missing_ok=True)  # it would speak of the recipe of the file that was there before
        return ExportedFiles(checkpoint=checkpoint, supermerger=None)
    write_text(text, words)
    chain = recipe_chain(recipe, used, hashes)
    if not chain.stages:
        whole.unlink(missing_ok=True)
        return ExportedFiles(checkpoint=checkpoint, supermerger=text)
    write_text(whole, chain_text(chain, out.stem, first_parents(chain, used, hashes), out.parent))
    return ExportedFiles(checkpoint=checkpoint, supermerger=text, chain=whole)


def vae_note(rendering: Rendering, output: Output, done: ExportedFiles) -> str:
    """A note on an export whose study decoded with a VAE that is not in the file; "" where it is, or there was none.

    A VAE that was chosen among several is in the file, unless another one was asked for.
    """
    if rendering.vae is None or (output.vae is not None and output.vae.resolve() == rendering.vae.resolve()):
        return ""
    inside = any(key.startswith(VAE) for key in read_header(done.checkpoint.path).tensors)
    other = f"or bake it in with --vae {rendering.vae} --overwrite" if inside else "for this checkpoint has no other"
    return (
        f"the pictures of this study were decoded by {rendering.vae.name}, which is not in this checkpoint; choose it "
        f"where you use the checkpoint, {other}"
    )


def print_export(done: ExportedFiles, console: Console) -> None:
    """Print what an export wrote, with the hashes that other tools show."""
    checkpoint = done.checkpoint
    for line in (
        f"{checkpoint.path}  ({checkpoint.bytes / 1e6:.1f} MB)",
        f"  sha256 {checkpoint.sha256}  AutoV2 {checkpoint.autov2}  AutoV3 {checkpoint.autov3[:12]}",
        *([str(done.supermerger)] if done.supermerger else []),
        *([f"{done.chain}  (all stages in one recipe)"] if done.chain else []),
    ):
        console.print(line, highlight=False, markup=False)
