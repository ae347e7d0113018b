"""The merged checkpoint itself, with recipe and parents in its header."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engine.checkpoints.checkpoint import file_sha256
from engine.exports.content import ExportContent
from engine.exports.target import ExportOptions, ExportTarget, Refusal, WrittenExport
from engine.merging.chain import CHAIN, chain_entry, chain_of
from engine.merging.metadata import Parent, merge_metadata
from engine.merging.write import WrittenCheckpoint, write_checkpoint


def _refusals(_content: ExportContent, _options: ExportOptions) -> tuple[Refusal, ...]:
    return ()


def merged_checkpoint(content: ExportContent, out: Path, options: ExportOptions) -> WrittenCheckpoint:
    """Write the checkpoint.

    Raises:
        CheckpointError: a model cannot be used, or the file cannot be written.
    """
    return write_checkpoint(
        content.recipe,
        {name: content.models[name] for name in content.checkpoints},
        out,
        output=options.output,
        metadata=header_of(content, options) if options.with_recipe else {},
        progress=options.progress,
        overwrite=options.overwrite,
    )


def header_of(content: ExportContent, options: ExportOptions) -> dict[str, str]:
    """Return the metadata of a file that is merged from these models."""
    output = options.output
    parents = {
        name: Parent(path=content.models[name], sha256=content.hashes.get(name) or file_sha256(content.models[name]))
        for name in content.recipe.models
    }
    facts: dict[str, Any] = {
        "dtype": output.dtype,
        "arithmetic": output.arithmetic,
        "pruned": output.prune,
        "vae": output.vae.name if output.vae else None,
    }
    if output.reset_clip_ids:
        facts |= {"reset_clip_ids": True}
    if (chain := chain_of(content.recipe, parents)).stages:
        facts |= {CHAIN: chain_entry(chain)}
    return merge_metadata(content.recipe, parents, {**facts, **content.facts})


def _write(content: ExportContent, out: Path, options: ExportOptions) -> WrittenExport:
    done = merged_checkpoint(content, out, options)
    return WrittenExport(files=(done.path,), arithmetic=options.output.arithmetic, usage=hash_lines(done))


def hash_lines(done: WrittenCheckpoint) -> tuple[str, ...]:
    """Return the hashes that other tools show, for people."""
    return (f"sha256 {done.sha256}  AutoV2 {done.autov2}  AutoV3 {done.autov3[:12]}",)


TARGET = ExportTarget(refusals=_refusals, write=_write)
