"""The gallery: every trial as a thumbnail, sorted and filtered by the address."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import get_args

from starlette.responses import Response

from search.plan import STAGES
from studies.pages.context import Visit
from studies.pages.reading.likeness import nearest
from studies.pages.reading.named_recipes import NamedRecipe, baseline_names, named_recipe
from studies.pages.reading.scores import contribution
from studies.pages.reading.snapshot import Snapshot
from studies.pages.reading.trial_sheets import sheet_size
from studies.pages.reading.trials import ShownTrial, TrialStatus

A_PAGE = 60
"""The most trials on a page."""
ALIKE = 60
"""The most trials that are like another one."""
REFERENCES = 4
"""The most references in the row at the top."""
ORDERS = ("score", "newest", "oldest", "error")
"""How trials can be sorted; besides, `alike` where trials like another are shown, and `by:SCORER`."""
BY = "by:"
"""How an order begins that goes by what one scorer adds to the score."""
STATUSES: tuple[str, ...] = get_args(TrialStatus)


@dataclass(frozen=True, slots=True, kw_only=True)
class GalleryChoice:
    """What the address asks for; what it names and the study has not is left out."""

    order: str
    stage: str
    status: str
    like: ShownTrial | None

    @classmethod
    def of(cls, visit: Visit, scorers: Sequence[str]) -> GalleryChoice:
        """Read the address."""
        like = visit.study.by_number.get(visit.number("like", -1, -1))
        like = like if like is not None and like.point else None
        orders = ([*ORDERS] if like is None else ["alike", *ORDERS]) + [BY + name for name in scorers]
        order, stage, status = visit.asked("sort"), visit.asked("stage"), visit.asked("status")
        return cls(
            order=order if order in orders else orders[0],
            stage=stage if stage in STAGES else "",
            status=status if status in STATUSES else "",
            like=like,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Thumbnail:
    """A trial in the grid."""

    trial: ShownTrial
    size: tuple[int, int] | None
    """Of its sheet, so that nothing moves when it comes; None where there is none that can be read."""
    amount: float | None
    """What the scorer adds that the grid is sorted by."""


def gallery_page(visit: Visit) -> Response:
    """Show the trials."""
    study = visit.study
    scorers = scorer_names(study)
    choice = GalleryChoice.of(visit, scorers)
    chosen = chosen_trials(study, choice)
    pages = max(1, -(-len(chosen) // A_PAGE))
    page = visit.number("page", 1, 1, pages)
    scorer = choice.order.removeprefix(BY) if choice.order.startswith(BY) else ""
    return visit.page(
        "gallery.html",
        study=study,
        choice=choice,
        scorers=scorers,
        stages=[stage for stage in STAGES if any(trial.stage == stage for trial in study.trials)],
        thumbnails=[_thumbnail(study, trial, scorer) for trial in chosen[(page - 1) * A_PAGE : page * A_PAGE]],
        scorer=scorer,
        count=len(chosen),
        page=page,
        pages=pages,
        baselines=baselines(study),
        references=range(min(REFERENCES, len(study.spec.target.references))),
    )


def scorer_names(study: Snapshot) -> tuple[str, ...]:
    """Return the names of the scorers, as the newest trial with a score has them."""
    newest = next((trial for trial in reversed(study.trials) if trial.status == "scored"), None)
    return tuple(newest.attributes.get("scores", {})) if newest else ()


def baselines(study: Snapshot) -> tuple[NamedRecipe, ...]:
    """Return the models and FLAT mixes that a trial has pictures of."""
    found = (named_recipe(study, name) for name in baseline_names(study))
    return tuple(one for one in found if one is not None and one.sheet is not None)


def chosen_trials(study: Snapshot, choice: GalleryChoice) -> tuple[ShownTrial, ...]:
    """Return the trials that an address asks for, in its order."""
    found: Sequence[ShownTrial] = [
        trial for trial in study.trials if choice.stage in ("", trial.stage) and choice.status in ("", trial.status)
    ]
    if choice.like is not None:
        found = nearest(study.spec.search.space, choice.like, found, ALIKE)
    if choice.order == "alike":
        return tuple(found)
    return tuple(sorted(found, key=_key(study, choice.order)))


def _key(study: Snapshot, order: str) -> Callable[[ShownTrial], tuple[bool, float, int]]:
    """What trials are sorted by; those without such a number come last, the newest first."""

    def number(trial: ShownTrial) -> float | None:
        if order.startswith(BY):
            return _negative(contribution(study, trial, order.removeprefix(BY)))
        match order:
            case "newest":
                return -trial.number
            case "oldest":
                return trial.number
            case "error":
                return trial.standard_error
            case _:
                return _negative(trial.score)

    def key(trial: ShownTrial) -> tuple[bool, float, int]:
        one = number(trial)
        return one is None, one or 0.0, -trial.number

    return key


def _negative(number: float | None) -> float | None:
    return None if number is None else -number


def _thumbnail(study: Snapshot, trial: ShownTrial, scorer: str) -> Thumbnail:
    return Thumbnail(trial=trial, size=sheet_size(trial), amount=contribution(study, trial, scorer) if scorer else None)
