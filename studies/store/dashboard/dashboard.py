"""optuna-dashboard on a study: contact sheets as artifacts, and notes in Markdown for trials and the whole study."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from optuna.trial import Trial
from optuna_dashboard import get_note, save_note
from optuna_dashboard.artifact import get_artifact_path

from studies.store.storage import NAME, StudyStore

ARTIFACTS = "dashboard artifacts"
"""Key of the study's note of its own artifacts: the id of each by the SHA-256 of its picture."""
HEAD = "# What the search says\n"
"""How our part of a study's note begins."""
END = "\n---\n"
"""How it ends; what a person writes stands below."""


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
    name = f"**{attributes[NAME]}**, " if NAME in attributes else ""
    lines = [f"{name}stage {attributes['stage']}{decoded}", "", f"![contact sheet]({sheet})", ""]
    lines += ["| scorer | raw | scaled |", "|---|---|---|"]
    for name, part in attributes["scores"].items():
        lines.append(f"| {name} | {part['raw']:.4f} | {part['scaled']:+.2f} |")
    return "\n".join([*lines, "", "```", attributes["recipe"].strip(), "```"])


def study_picture(store: StudyStore, picture: Path) -> str:
    """Keep a picture as an artifact of the whole study, once; returns its address on the dashboard."""
    digest = hashlib.sha256(picture.read_bytes()).hexdigest()
    known: dict[str, str] = store.noted(ARTIFACTS) or {}
    if digest not in known:
        known = {**known, digest: store.attach(store.study, picture)}
        store.note(ARTIFACTS, known)
    return get_artifact_path(store.study, known[digest])


def write_study_note(store: StudyStore, text: str) -> None:
    """Renew our part of the study's note; what a person wrote stays below it.

    Args:
        store: of the study.
        text: Markdown, without ``HEAD`` and ``END``.
    """
    before = get_note(store.study)
    theirs = before.partition(END)[2] if before.startswith(HEAD) else before
    ours = f"{HEAD}\n{text.strip()}\n\n*This part is renewed. Write your own notes below the line.*\n{END}"
    if (now := ours + theirs) != before:
        save_note(store.study, now)
