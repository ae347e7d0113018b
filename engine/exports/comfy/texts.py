"""What a workflow says to people: the note on its page, facts for programs, notes and how to use its files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from engine.exports.comfy.workflow import saved_name
from engine.exports.content import ExportContent
from engine.exports.target import ExportOptions

ABOUT = "sd_recipe_search"
"""The name under which a workflow holds the recipe, for programs."""
_MANY = 200  # evaluations, from which on ComfyUI takes noticeably longer


def about(content: ExportContent, options: ExportOptions) -> dict[str, Any]:
    """Return the recipe and its parents for programs; nothing where they are not wanted."""
    if not options.with_recipe:
        return {}
    recipe = content.recipe
    models = {name: {"name": content.file_name(name), "sha256": content.hashes.get(name, "")} for name in recipe.models}
    facts = {"recipe": recipe.text, "recipe_key": recipe.key, "dialect": recipe.dialect, "arithmetic": "folded"}
    return {ABOUT: {**facts, "models": models, **content.facts}}


def page_note(
    content: ExportContent, options: ExportOptions, tricks: Sequence[str], notes: Sequence[str], lora: str
) -> str:
    """Return the note on the page, in Markdown; empty where recipe and parents are not wanted."""
    if not options.with_recipe:
        return ""
    lines = [f"# {content.title}", "", f"Dialect `{content.recipe.dialect}`, family `{content.recipe.family}`.", ""]
    lines += [
        f"- **{name}** `{content.file_name(name)}`, SHA-256 `{content.hashes.get(name, 'not known')}`"
        for name in content.recipe.models
    ]
    if lora:
        lines.append(f"- `{lora}` goes into `models/loras`")
    lines += ["", "Folded: every tensor is one weighted sum, rounded once when it is saved.", ""]
    lines += [f"- {line}." for line in (*tricks, *notes)]
    return "\n".join([*lines, "", "```", content.recipe.text.rstrip("\n"), "```", ""])


def notes_of(content: ExportContent, warning: str, evaluations: int, *, has_lora: bool) -> Iterator[str]:
    """Yield what to mind, a sentence each.

    Args:
        content: the recipe.
        warning: of the VAE, or empty.
        evaluations: tensors that ComfyUI makes for one of the result.
        has_lora: whether there is a file of differences.
    """
    if warning:
        yield warning
    yield "in the merge nodes a ratio is the weight of the first model, so it is 1 - alpha"
    yield "ComfyUI saves in the dtype in which it loads the models"
    yield "the loaders find files by name; choose them again if yours lie in sub-folders of models/checkpoints"
    yield "UNet, text encoders and VAE are saved and nothing else, with A's position numbers and logit scale"
    if has_lora:
        yield "the file of differences is made of these very models and fits no others"
    if evaluations > _MANY:
        yield f"ComfyUI makes a model again wherever it is used twice, so expect {evaluations} steps for each tensor"


def usage_of(page: Path | None, api: Path, lora: Path | None, content: ExportContent) -> Iterator[str]:
    """Yield how to use the files, a line each.

    Args:
        page: the UI form; None where there is none.
        api: the API form.
        lora: the file of differences, if any.
        content: the recipe.
    """
    if lora:
        yield f"copy {lora.name} to ComfyUI/models/loras"
    if page:
        yield f"drag {page.name} into ComfyUI's page and run it"
        yield f"or, the same for scripts: post {api.name} to /prompt as the value of prompt"
    else:
        yield f"post {api.name} to /prompt as the value of prompt, from a script"
        yield "do not open it in ComfyUI's page, which leaves out the inputs that its nodes do not declare"
    yield f"the checkpoint appears as ComfyUI/output/checkpoints/{saved_name(content.title)}_00001_.safetensors"
