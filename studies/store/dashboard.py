"""optuna-dashboard on a study: every trial's contact sheet as an artifact, its recipe and scores as its note."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optuna.trial import Trial
from optuna_dashboard import save_note
from optuna_dashboard.artifact import get_artifact_path


def write_note(trial: Trial, artifact: str) -> None:
    """Give a trial in work its note: contact sheet, scores and recipe as Markdown.

    Args:
        trial: with its attributes set.
        artifact: id of its contact sheet.
    """
    save_note(trial, note(trial.user_attrs, get_artifact_path(trial, artifact)))


def note(attributes: Mapping[str, Any], sheet: str) -> str:
    """The Markdown of a note; ``sheet`` is the address of the contact sheet on the dashboard."""
    decoded = f", decoded by {attributes['vae']}" if attributes.get("vae") else ""
    lines = [f"**stage {attributes['stage']}**{decoded}", "", f"![contact sheet]({sheet})", ""]
    lines += ["| scorer | raw | scaled |", "|---|---|---|"]
    for name, part in attributes["scores"].items():
        lines.append(f"| {name} | {part['raw']:.4f} | {part['scaled']:+.2f} |")
    return "\n".join([*lines, "", "```", attributes["recipe"].strip(), "```"])
