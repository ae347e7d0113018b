"""Two recipes side by side at equal prompts and seeds: trials, models, FLAT mixes, finalists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from starlette.responses import Response

from engine.shots.shot import Shot
from studies.pages.context import Visit
from studies.pages.reading.named_recipes import (
    NamedRecipe,
    ShotPicture,
    baseline_names,
    finalist_names,
    named_recipe,
    pictures_of,
)
from studies.pages.reading.pictures import AMPLIFIED
from studies.pages.reading.recipe_contrast import contrast
from studies.pages.reading.scores import score_lead
from studies.pages.reading.snapshot import Snapshot
from studies.recipes.recipe_words import recipe_words
from studies.store.judged.outcome import Comparison

MOST_SHOTS = 120
"""The most prompts and seeds on the page."""
REFERENCES = 4
"""The most references beside the pictures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedShot:
    """One prompt and seed, twice."""

    shot: Shot
    left: str
    right: str
    is_held_out: bool

    @property
    def difference(self) -> str:
        """The name of the picture of their difference."""
        return f"d_{self.left}_{self.right}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvedLead:
    """The lead of one recipe over the other on held-out pictures."""

    winner: str
    """Whose lead it is."""
    over: str
    comparison: Comparison


def compare_page(visit: Visit) -> Response:
    """Show two recipes, or the form that asks for them."""
    study = visit.study
    picked = list(dict.fromkeys(visit.request.query_params.getlist("pick")))[:2]
    if len(picked) == 2:  # of the gallery's form: on to the address that says which is which
        return visit.go("compare", left=picked[0], right=picked[1])
    names = [visit.asked("left") or (picked[0] if picked else ""), visit.asked("right")]
    left, right = (named_recipe(study, name) for name in names)
    choices = [*baseline_names(study), *finalist_names(study)]
    unknown = [name for name, one in zip(names, (left, right), strict=True) if name and one is None]
    values: dict[str, object] = {"study": study, "names": names, "choices": choices, "unknown": unknown}
    if left is None or right is None:
        return visit.page("judging/compare_choose.html", 404 if unknown else 200, **values)
    shots = compared_shots(pictures_of(study, left), pictures_of(study, right))
    return visit.page(
        "judging/compare.html",
        **values,
        left=left,
        right=right,
        shots=shots[:MOST_SHOTS],
        left_out=max(0, len(shots) - MOST_SHOTS),
        amplified=AMPLIFIED,
        references=range(min(REFERENCES, len(study.spec.target.references))),
        difference=contrast(left.candidate.recipe, right.candidate.recipe),
        rows=_rows(left, right),
        lead=score_lead(left.scored, right.scored) if left.scored and right.scored else None,
        proved=proved_lead(study, left, right),
    )


def compared_shots(left: Mapping[str, ShotPicture], right: Mapping[str, ShotPicture]) -> tuple[ComparedShot, ...]:
    """Return the prompts and seeds of which both have a picture, those of the search first."""
    shared = [
        ComparedShot(shot=one.shot, left=one.name, right=right[key].name, is_held_out=one.is_held_out)
        for key, one in left.items()
        if key in right
    ]
    return tuple(sorted(shared, key=lambda one: one.is_held_out))


def _rows(left: NamedRecipe, right: NamedRecipe):
    words = [recipe_words(one.candidate.recipe).rows for one in (left, right)]
    return (words[0][0], words[1][0]) if all(words) else None


def proved_lead(study: Snapshot, left: NamedRecipe, right: NamedRecipe) -> ProvedLead | None:
    """Return the lead of a finalist over a rival on held-out pictures, where the proof compared the two."""
    if study.outcome is None:
        return None
    for one, other in ((left, right), (right, left)):
        rivals: Sequence[Comparison] = one.standing.comparisons if one.standing else ()
        for comparison in rivals:
            if other.standing is not None and comparison.against == other.standing.label:
                return ProvedLead(winner=one.name, over=other.name, comparison=comparison)
    return None
