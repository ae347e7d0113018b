"""What cards say of the settings that `recipe-search settings` recommends, in plain sentences without any markup."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from engine.errors import counted
from engine.shots.infotext import infotext
from engine.shots.shot import Shot
from studies.candidate import MERGED_VAE
from studies.results.settings import PictureSettings, SettingsDifference, SettingsResult, SettingsStep, TriedValue

HEADING, JOINT = "Recommended settings", "All settings"
"""Titles of the section, and of the one table and grid of a joint search."""
UNFINISHED = "The search for settings is not finished: what is below is as far as it has come."
UNITS = (
    "Differences are in units of the study's score, from the best value of the step, with intervals that allow for the "
    "number of values; work is counted in calls of the model, so a picture takes about that part of the time. "
    "What was given up was told worse than the best of that time, which may be another in the end."
)
"""What the numbers of a step mean."""
NOT_TRIED = "not tried"
"""What is known of a setting, or of a value, that has no pictures."""
TOO_SMALL = "differences too small to count"
"""What is known of a setting whose values differ by less than the margin."""
STATE_WORDS = {
    "best": "the best",
    "equal": "as good as the best",
    "open": "cannot be told from the best",
    "worse": "worse",
    "broken": "broken pictures",
    "skipped": NOT_TRIED,
}
"""What became of a value, for people."""

_AXES = {"denoising": "denoising strength", "hires scale": "hires upscale"}
"""Names of axes that the WebUI's text in a picture calls otherwise, in small letters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingRow:
    """One setting of a card.

    Attributes:
        name: as the WebUI calls it.
        value: that is recommended; "" where the setting no longer has an effect.
        before: the study's own; "" where it had none.
        known: what was learned of it, in a few words.
    """

    name: str
    value: str
    before: str
    known: str

    @property
    def is_changed(self) -> bool:
        """Whether another value than the study's is recommended."""
        return self.value != self.before


def setting_rows(result: SettingsResult) -> list[SettingRow]:
    """Return the recommended settings beside the study's, in the order in which they are searched."""
    after, before = result.final.rows, result.start.rows
    steps = latest_steps(result)
    return [
        SettingRow(name=name, value=after.get(name, ""), before=before.get(name, ""), known=_known(result, name, steps))
        for name in dict.fromkeys([*after, *before])
    ]


def latest_steps(result: SettingsResult) -> dict[str, SettingsStep]:
    """Return the last step that decided of every setting, by its name in small letters: the look back where it did."""
    found: dict[str, SettingsStep] = {}
    for step in (*result.steps, *(one.step for one in result.look_back if not one.holds)):
        name = step.axis.casefold()
        found[_AXES.get(name, name)] = step
    return found


def _known(result: SettingsResult, name: str, steps: dict[str, SettingsStep]) -> str:
    if result.joint:
        return ""
    step = steps.get(name.casefold())
    if step is None and name == "Schedule type":  # a sampler is searched with its schedules
        step = steps.get("sampler")
    if step is None or len(step.tried) < 2 or step.chosen is None:
        return NOT_TRIED
    if step.cannot_be_told:
        return "cannot be told"
    worse = sum(value.is_lost for value in step.tried)
    return f"{counted(worse, 'value')} of {len(step.tried)} told worse" if worse else TOO_SMALL


# ------------------------------------------------------------------------------------------------------------ the work


def work_of(result: SettingsResult, settings: PictureSettings) -> float | None:
    """Return the counted work of a picture with some settings; None where they were not tried."""
    values = [value for step in result.steps for value in step.values]
    values += [value for one in result.look_back for value in one.step.values]
    return next((value.cost for value in (*values, *result.joint) if value.settings == settings and value.cost), None)


def work_share(result: SettingsResult) -> float | None:
    """Return the work of a picture with the recommended settings, the study's being 1; None where it is not known."""
    after, before = work_of(result, result.final), work_of(result, result.start)
    return None if after is None or before is None else after / before


def work_sentence(result: SettingsResult) -> str:
    """Return how long a picture takes, relative to one with the study's settings; "" where it is not known."""
    share = work_share(result)
    if share is None:
        return ""
    if abs(share - 1) < 0.005:
        return "A picture takes as much work as with the study's settings."
    return f"A picture takes {share:.0%} of the work of one with the study's settings (counted, not measured)."


# ------------------------------------------------------------------------------------------------------------ the steps


def difference_text(difference: SettingsDifference | None) -> str:
    """Return a difference with its interval: `−0.40 (−0.75 to −0.06)`; "" for none."""  # noqa: RUF002
    if difference is None:
        return ""
    mean, low, high = (signed(value) for value in (difference.mean, difference.low, difference.high))
    return f"{mean} ({low} to {high})"


def signed(value: float) -> str:
    """Return a number with its sign and two digits after the point."""
    return f"{value:+.2f}".replace("-", "\N{MINUS SIGN}")


def state_text(value: TriedValue) -> str:
    """Return what became of a value, with the reason where there is one."""
    return STATE_WORDS[value.state] + (f": {value.reason}" if value.reason else "")


def work_text(value: TriedValue, start: TriedValue | None) -> str:
    """Return the work of a picture with a value, relative to what the step began with; "" where it is not known."""
    known = value.pictures and value.cost and start is not None and start.cost
    return f"{value.cost / start.cost:.0%}" if known and start else ""


def shown_steps(result: SettingsResult) -> list[tuple[str, SettingsStep]]:
    """Return the steps that tried something, then what no longer held when they were looked at again, with titles."""
    found = [(step.axis, step) for step in result.steps if len(step.tried) > 1]
    return found + [(f"{one.step.axis}, looked at again", one.step) for one in result.look_back if not one.holds]


def joint_values(result: SettingsResult) -> Sequence[TriedValue]:
    """Return the combinations of a joint search that were compared again, on pictures of their own."""
    return [value for value in result.joint if value.against_best is not None or value.state == "best"]


def sentences(result: SettingsResult) -> Iterator[str]:
    """Return what came out, a sentence each."""
    if not result.finished:
        yield UNFINISHED
    if work := work_sentence(result):
        yield work
    found = result.sentences
    if result.joint:
        found = [SettingsStep(axis=JOINT, values=tuple(joint_values(result))).sentence]
    yield from (f"{line}." for line in found)
    yield from (line.removesuffix(".") + "." for line in result.notes)


def untold(result: SettingsResult) -> list[str]:
    """Return the names of the settings whose values could not be told from each other."""
    return [step.axis for step in result.steps if step.cannot_be_told]


# ------------------------------------------------------------------------------------------------------ for the WebUI


def parameters_text(result: SettingsResult, shot: Shot, *, model: str, recipe_key: str, model_hash: str = "") -> str:
    """Return the WebUI's text of a picture with the recommended settings.

    Args:
        result: what was found.
        shot: one of the study's, which gives the prompt, the seed and everything that is not searched.
        model: name of the model.
        recipe_key: of the recipe.
        model_hash: AutoV2 of the merged checkpoint, where there is one.
    """
    vae = "" if result.final.vae == MERGED_VAE else result.final.vae
    shown = result.final.applied_to(shot)
    return infotext(shown, model=model, model_hash=model_hash, vae=vae, more={"Recipe": recipe_key})
