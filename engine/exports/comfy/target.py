"""ComfyUI: a workflow of built-in nodes that merges and saves the checkpoint.

The file that is asked for is the UI form, which people drag into the page; ``NAME.comfyui-api.json`` beside it is the
API form, which scripts post; asked for by that name, the UI form lies beside it. Where single keys have ratios of their
own (``ExportOptions.linked``) there is no UI form, and the file that is asked for is the API form. What no node does to
a few tensors lies in a file for ``models/loras``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.exports.comfy.patches import TEXT_PATCH, patch_file, patch_tensors
from engine.exports.comfy.texts import about, notes_of, page_note, usage_of
from engine.exports.comfy.ui_form import ui_form
from engine.exports.comfy.workflow import add_save, refusals_of, workflow_of
from engine.exports.content import ExportContent
from engine.exports.target import ExportOptions, ExportTarget, WrittenExport, write_files

if TYPE_CHECKING:
    from torch import Tensor

_UI, _API, _LORA = ".comfyui", ".comfyui-api.json", ".comfyui-lora.safetensors"


def _write(content: ExportContent, out: Path, options: ExportOptions) -> WrittenExport:
    workflow = workflow_of(content, options)
    tensors = patch_tensors(content, workflow.models, workflow.tables)
    stem = out.name.removesuffix(_API).removesuffix(".json").removesuffix(_UI)
    lora = out.with_name(stem + _LORA) if tensors else None
    warning = add_save(workflow, content, options, lora.name if lora else "", tuple(tensors))
    tricks = (*workflow.tricks, *(_differences(lora.name, tensors) if lora else ()))
    notes = tuple(notes_of(content, warning, workflow.graph.evaluations(), has_lora=lora is not None))
    facts = about(content, options)
    page, api = _form_files(out, stem, has_page=not workflow.graph.undeclared)
    files = {api: _text(workflow.graph.api(facts))}
    if page:
        note = page_note(content, options, tricks, notes, lora.name if lora else "")
        files[page] = _text(ui_form(workflow.graph, note, facts))
    files = {path: files[path] for path in sorted(files, key=lambda path: path != out)}
    return WrittenExport(
        files=write_files({**files, **_lora_file(lora, tensors, facts)}, overwrite=options.overwrite),
        tricks=tricks,
        notes=notes,
        usage=tuple(usage_of(page, api, lora, options.output.vae, content)),
    )


def _form_files(out: Path, stem: str, *, has_page: bool) -> tuple[Path | None, Path]:
    """The files of the UI form (None: there is none) and of the API form; ``out`` is the one that its name says."""
    if not has_page:
        return None, out
    if out.name.endswith(_API):
        return out.with_name(f"{stem}{_UI}.json"), out
    return out, out.with_name(stem + _API)


def _differences(name: str, tensors: Iterable[str]) -> tuple[str]:
    """What the file of differences is for."""
    in_text = sum(one.startswith(TEXT_PATCH) for one in tensors)
    in_unet = sum(not one.startswith(TEXT_PATCH) for one in tensors)
    kinds = {
        f"what Adjust does to {in_unet} of the UNet": in_unet,
        f"the projection and the positions ({in_text}) of the text encoder, which the recipe leaves as they are and "
        "ComfyUI merges": in_text,
    }
    return (f"{name} adds to single tensors what no node gives: {' and '.join(one for one in kinds if kinds[one])}",)


def _lora_file(path: Path | None, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> dict[Path, bytes]:
    if path is None:
        return {}
    return {path: patch_file(tensors, {name: json.dumps(value, ensure_ascii=False) for name, value in facts.items()})}


def _text(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1) + "\n"


TARGET = ExportTarget(refusals=refusals_of, write=_write)
"""What the registry takes."""
