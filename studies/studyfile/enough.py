"""Whether a study has enough pictures and recipes to measure the noise of its scores by."""

from __future__ import annotations

from engine.errors import Problems, counted
from studies.errors import StudyError
from studies.studyfile.spec import SearchSettings, StudyShots


def refuse_too_few(search: SearchSettings, shots: StudyShots) -> None:
    """Refuse shots or calibration recipes that are too few to measure noise by.

    Raises:
        StudyError: names both where both are.
    """
    from scorers.panel.calibration import FEWEST_PICTURES, FEWEST_RECIPES

    problems = Problems()
    pictures, recipes = len(shots.trials), len(search.suggester().calibration())
    if pictures < FEWEST_PICTURES:
        what = f"the seeds of all prompts give {counted(pictures, 'picture')} a recipe"
        problems.add(
            ("prompts",), f"{what}, and noise is measured from {FEWEST_PICTURES} or more", "add seeds or prompts"
        )
    if recipes < FEWEST_RECIPES:
        what = f"the models, FLAT mixes and random recipes that calibrate the scorers are {recipes}"
        remedy = "raise the number of random ones"
        problems.add(("search", "calibration"), f"{what}, and {FEWEST_RECIPES} are needed", remedy)
    problems.raise_as(StudyError)
