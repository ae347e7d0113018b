"""The recommended settings as Markdown, and as values for JSON: a part of a recipe's card, or a card of their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from studies.cards import recommended
from studies.cards.markup import fenced, markdown_escaped
from studies.results.settings import SettingsDifference, SettingsResult, SettingsStep, TriedValue


def settings_table(result: SettingsResult) -> Iterator[str]:
    """Return the recommended settings beside the study's, those that differ in bold."""
    yield "| setting | recommended | the study's | what is known |"
    yield "|---|---|---|---|"
    for row in recommended.setting_rows(result):
        value = markdown_escaped(row.value) or "none"
        shown = f"**{value}**" if row.is_changed else value
        yield f"| {row.name} | {shown} | {markdown_escaped(row.before) or 'none'} | {row.known} |"


def settings_section(result: SettingsResult, parameters: str) -> Iterator[str]:
    """Return the part of a recipe's card: the table, what came out, and a text for the WebUI.

    Args:
        result: what was found.
        parameters: the WebUI's text of a picture with these settings; "" where no shot is known.
    """
    yield f"## {recommended.HEADING}"
    yield ""
    yield from settings_table(result)
    yield ""
    yield from (f"* {markdown_escaped(line)}" for line in recommended.sentences(result))
    if parameters:
        yield from ("", "For the WebUI:", "", *fenced(parameters))


def step_tables(result: SettingsResult) -> Iterator[str]:
    """Return a table for every step: each value's difference from the best, its interval, and its work."""
    for title, step in recommended.shown_steps(result):
        yield f"### {markdown_escaped(title)}"
        yield ""
        yield from step_table(step)
        yield ""
    if result.joint:
        yield "### All settings at once"
        yield ""
        yield from values_table(recommended.joint_values(result))
        yield ""


def step_table(step: SettingsStep) -> Iterator[str]:
    """Return the table of one step, with the level of its intervals."""
    if step.confidence:
        yield f"Intervals of {step.confidence:.1%}."
        yield ""
    yield from values_table(step.values)


def values_table(values: Sequence[TriedValue]) -> Iterator[str]:
    """Return a table of values, the chosen one in bold."""
    start = next((value for value in values if value.is_start), None)
    yield "| value | from the best | work | pictures | |"
    yield "|---|---|---|---|---|"
    for value in values:
        label = markdown_escaped(value.label)
        cells = (
            f"**{label}**" if value.chosen else label,
            recommended.difference_text(value.against_best),
            recommended.work_text(value, start),
            str(value.pictures or ""),
            markdown_escaped(recommended.state_text(value)) + (", chosen" if value.chosen else ""),
        )
        yield f"| {' | '.join(cells)} |"


def settings_fields(result: SettingsResult, parameters: str) -> dict[str, Any]:
    """Return the recommended settings as values for JSON.

    Args:
        result: what was found.
        parameters: the WebUI's text of a picture with these settings; "" where no shot is known.
    """
    return {
        "subject": result.subject,
        "finished": result.finished,
        "settings": asdict(result.final),
        "the_studys": asdict(result.start),
        "rows": [
            {"setting": row.name, "recommended": row.value, "the_studys": row.before, "known": row.known}
            for row in recommended.setting_rows(result)
        ],
        "work": recommended.work_share(result),
        "not_told": recommended.untold(result),
        "steps": [_step_fields(title, step) for title, step in recommended.shown_steps(result)],
        "joint": [_value_fields(value) for value in recommended.joint_values(result)],
        "notes": list(result.notes),
        "shots": result.shots,
        "pictures": result.pictures,
        "parameters": parameters,
    }


def _step_fields(title: str, step: SettingsStep) -> dict[str, Any]:
    return {
        "setting": title,
        "confidence": step.confidence,
        "result": step.sentence,
        "values": [_value_fields(value) for value in step.values],
    }


def _value_fields(value: TriedValue) -> dict[str, Any]:
    return {
        "value": value.label,
        "state": value.state,
        "reason": value.reason,
        "from_the_best": _difference_fields(value.against_best),
        "from_the_start": _difference_fields(value.against_start),
        "work": value.cost,
        "pictures": value.pictures,
        "chosen": value.chosen,
    }


def _difference_fields(difference: SettingsDifference | None) -> dict[str, Any] | None:
    return None if difference is None else asdict(difference)
