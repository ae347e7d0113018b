"""ComfyUI: a workflow of built-in nodes that merges and saves the checkpoint.

The file that is asked for is the UI form, which people drag into the page; ``NAME.comfyui-api.json`` beside it is the
API form, which scripts post. Where single keys have ratios of their own (``ExportOptions.linked``) there is no UI form,
and the file that is asked for is the API form. What no node does to a few tensors lies in a file for ``models/loras``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.exports.comfy.patches import patch_file, patch_tensors
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
    stem = out.name.removesuffix(".json").removesuffix(_UI)
    lora = out.with_name(stem + _LORA) if tensors else None
    warning = add_save(workflow, content, options, lora.name if lora else "", tuple(tensors))
    tricks = (*workflow.tricks, *(_differences(lora.name, len(tensors)) if lora else ()))
    notes = tuple(notes_of(content, warning, workflow.graph.evaluations(), has_lora=lora is not None))
    facts = about(content, options)
    api = _text(workflow.graph.api(facts))
    if workflow.graph.undeclared:
        page, files = None, {out: api}
    else:
        note = page_note(content, options, tricks, notes, lora.name if lora else "")
        page, files = out, {out: _text(ui_form(workflow.graph, note, facts)), out.with_name(stem + _API): api}
    return WrittenExport(
        files=write_files({**files, **_lora_file(lora, tensors, facts)}, overwrite=options.overwrite),
        tricks=tricks,
        notes=notes,
        usage=tuple(usage_of(page, [*files][-1], lora, content)),
    )


def _differences(name: str, count: int) -> tuple[str]:
    return (f"{name} adds to {count} tensors what they differ from the merge (Adjust; projections of text encoders)",)


def _lora_file(path: Path | None, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> dict[Path, bytes]:
    if path is None:
        return {}
    return {path: patch_file(tensors, {name: json.dumps(value, ensure_ascii=False) for name, value in facts.items()})}


def _text(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1) + "\n"


TARGET = ExportTarget(refusals=refusals_of, write=_write)
"""What the registry takes."""
