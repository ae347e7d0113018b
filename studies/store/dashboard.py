"""optuna-dashboard on a study: every trial's contact sheet as an artifact, its recipe and scores as its note."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import optuna
from optuna.trial import Trial
from optuna_dashboard import run_server, save_note
from optuna_dashboard.artifact import get_artifact_path

from studies.store.storage import StudyStore


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


def serve(store: StudyStore, *, host: str, port: int) -> None:
    """Serve the dashboard until Ctrl+C. It has no password: ``host`` other than 127.0.0.1 shows it to the network."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        run_server(store.storage, host=host, port=port, artifact_store=store.artifacts)
