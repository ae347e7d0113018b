"""The tables of a study file for what comes after the recipe: situations, recommended settings."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from studies.studyfile.tables.validators import FilePath, FilledText, StudyFileTable


class SituationsTable(StudyFileTable):
    """`[situations]`: what `recipe-search situations` shows a recipe in."""

    suite: FilePath | None = Field(default=None, examples=["my-wildcards/"])
    """A folder of lists, or one list (.txt), in Dynamic Prompts' syntax; without it, the suite that ships."""
    frame: FilledText | None = Field(default=None, examples=["masterpiece, __situation__"])
    """The prompt around the lists' lines, in which `__situation__` or the list's own wildcard stands for the line."""
    seeds: Annotated[int, Field(ge=2, le=64)] = Field(default=8, examples=[8])
    """Most seeds of a situation; where the answer is clear before, fewer are drawn."""
    night: bool = Field(default=False, examples=[True])
    """Whether a night ends with the situations of its first finalist."""


class SettingsTable(StudyFileTable):
    """`[settings]`: what `recipe-search settings` tries."""

    try_: list[FilledText] = Field(
        default=[],
        alias="try",
        examples=[["Sampler = Euler a, DPM++ 2M Karras", "CFG Scale = 4-9 (+1)"], "Steps = 20, 30"],
    )
    """Settings with the values to try, as `recipe-search plot` takes its axes; those not named have values of ours."""
