"""The target ``script``: what it cannot hold, and how it is written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from engine.checkpoints.checkpoint import file_sha256
from engine.exports.checkpoint import header_of
from engine.exports.content import ExportContent
from engine.exports.script.steps import FURTHER_MODES, step_tables
from engine.exports.script.tables import by_beginning
from engine.exports.script.text import Comment, ScriptText
from engine.exports.target import ExportOptions, ExportTarget, Refusal, WrittenExport, write_files
from engine.merging.output import MergedTensors
from engine.recipes.blocks import place_of


def _refusals(content: ExportContent, options: ExportOptions) -> Sequence[Refusal]:
    used = (run.pair.calculation for run in content.recipe.runs)
    modes = [mode.name for mode in used if not mode.linear and mode.name not in FURTHER_MODES]
    if modes:
        names = ", ".join(dict.fromkeys(modes))
        return [Refusal(what=f"it has no arithmetic of {names}", keys=content.nonlinear)]
    if options.output.arithmetic == "folded" and content.nonlinear:
        return [
            Refusal(
                what="these tensors are no weighted sums, as --folded makes them: leave it out", keys=content.nonlinear
            )
        ]
    return []


def _write(content: ExportContent, out: Path, options: ExportOptions) -> WrittenExport:
    hashes = {name: content.hashes.get(name) or file_sha256(content.models[name]) for name in content.recipe.models}
    content = replace(content, hashes=hashes)
    script = _script(content, options)
    exact = options.output.arithmetic == "exact"
    text = _of_steps(script, content) if exact else _of_sums(script, content)
    files = write_files({out: text}, overwrite=options.overwrite)
    given = " ".join(f"{name}={_quoted(content.file_name(name))}" for name in content.recipe.models)
    return WrittenExport(
        files=files,
        arithmetic=options.output.arithmetic,
        notes=("it writes the same file as the target checkpoint, to the last bit, with torch, numpy and safetensors",),
        usage=(f"python {_quoted(out.name)} {given} --out {_quoted(script.out)}",),
    )


def _quoted(text: str) -> str:
    """In double quotes, which cmd, PowerShell and POSIX shells know, where it has more than plain letters."""
    plain = text.replace(".", "").replace("-", "").replace("_", "").isalnum()
    return text if plain else f'"{text}"'


def _script(content: ExportContent, options: ExportOptions) -> ScriptText:
    output = options.output
    merged = MergedTensors(content.recipe, content.checkpoints, output)
    dtypes = [info.dtype for info in merged.layout.values()]
    tensors = dict.fromkeys((key for model in content.checkpoints.values() for key in model.shapes), "None")
    for (key, origin), dtype in zip(merged.origins.items(), dtypes, strict=True):
        tensors[key] = repr((origin, dtype))
    name = "".join(letter if letter.isprintable() and letter not in '<>:"/\\|?*' else "_" for letter in content.title)
    return ScriptText(
        title=content.title,
        head=tuple(_head(content, options)),
        out=f"{name}.safetensors",
        models={name: _file(content.models[name], content.hashes[name]) for name in content.recipe.models},
        vae=_file(output.vae, file_sha256(output.vae)) if output.vae else None,
        tensors=by_beginning(tensors),
        root=merged.root,
        metadata=header_of(content, options) if options.with_recipe else {},
        comment=_blocks(content),
    )


def _head(content: ExportContent, options: ExportOptions) -> Iterator[str]:
    output, recipe = options.output, content.recipe
    given = " ".join(f"{name}=path" for name in recipe.models)
    yield f"Builds the checkpoint {content.title}.  Usage: python THIS_FILE {given} --out file.safetensors"
    yield "It needs torch, numpy and safetensors. Models that lie beside this file need not be named."
    yield ""
    for name in recipe.models:
        yield f"{name}: {content.file_name(name)}, SHA-256 {content.hashes[name]}"
    if output.vae:
        yield f"VAE: {output.vae.name}"
    how = "step by step, rounded after every step" if output.arithmetic == "exact" else "one weighted sum, rounded once"
    yield f"Dialect {recipe.dialect}, family {recipe.family}; {how}; {output.dtype}."
    if options.with_recipe:
        yield from ("", "The recipe:", *recipe.text.splitlines())


def _file(path: Path, sha256: str) -> dict[str, str]:
    return {"file": path.name, "path": str(path.absolute()), "sha256": sha256}


def _blocks(content: ExportContent) -> Comment:
    """The block of a beginning of names, where all the tensors behind it are of one."""
    recipe = content.recipe
    keys = dict.fromkeys(key for model in content.checkpoints.values() for key in model.shapes)
    places = {key: place for key in keys if (place := place_of(key, recipe.family, recipe.rules))}

    def block_of(start: str) -> str:
        blocks = {place[0] for key, place in places.items() if key.startswith(start)}
        return blocks.pop() if len(blocks) == 1 else ""

    return block_of


def _of_steps(script: ScriptText, content: ExportContent) -> str:
    recipe = content.recipe
    return script.of_steps(step_tables(content), saved_as_half=recipe.save == "fp16" and not recipe.rules.webui)


def _of_sums(script: ScriptText, content: ExportContent) -> str:
    weights = dict.fromkeys((key for model in content.checkpoints.values() for key in model.shapes), "{}")
    weights |= {key: repr(content.weights(key)) for key in content.plan.rows}
    shifts = {key: row.shift for key, row in content.plan.rows.items() if row.shift}
    return script.of_sums(by_beginning(weights), shifts)


TARGET = ExportTarget(refusals=_refusals, write=_write)
