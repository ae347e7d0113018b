"""The outcome of a study: how parents, FLAT mixes and finalists did on held-out prompts and seeds."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from engine.errors import Place, RecipeError, counted
from engine.files import write_text
from engine.recipes.recipe import Recipe
from studies.candidate import Candidate
from studies.errors import StudyError
from studies.store.backends.journal.journal import studies_in
from studies.store.judged.intervals import SignedInterval
from studies.store.shapes import Shape, read_json

REPORTED = ("CMMD", "polynomial MMD", "drift")
"""Names of the numbers of a standing that are only reported."""

RESULTS = ("finalists.png", "outcome.json")
"""The files of a proof, in the order in which they are written."""
FIRST_CONFIDENCE = 0.95
"""Level of the intervals of a study's first proof, and of every proof of before they were counted."""
_KEYS = {"search_summary": "course"}
"""Keys of the file that have another name than the field of an outcome."""


_LABELS = {"the model's best": "best by the search's model", " by value": " by score"}
"""Parts of labels that earlier versions wrote in other words."""
MIDDLE = "FLAT_50"
"""The label of the mix from which the results of a proof are counted, as scores are."""
COMPARED = ("against", "mean", "low", "high")
"""Keys of a comparison in the file."""
COUNTED = ("pictures_won", "pictures")
"""Keys of a comparison that files of before do not have."""
OWN_LEVEL = "confidence"
"""Key of a comparison whose interval has another level than the outcome's."""
_COMPARISON: Shape = dict(zip(COMPARED, (str, float, float, float), strict=True)) | {
    **{f"{key}?": int for key in COUNTED},
    f"{OWN_LEVEL}?": float,
}
_STANDING: Shape = {
    "label": str,
    "recipe": str,
    "value": (float, None),
    "reasons": [str],
    "comparisons": [_COMPARISON],
    "numbers?": {str: (float, None)},
    "alarm?": str,
    "vae?": str,
    "pictures?": int,
}
_FILE: Shape = {
    "models": {str: str},
    "baselines": [_STANDING],
    "finalists": [_STANDING],
    "sheet": str,
    "study?": str,
    "trials?": int,
    "proof?": int,
    "proofs?": int,
    "confidence?": float,
    "remarks?": [str],
    "course?": [str],
    "simpler?": str,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison(SignedInterval):
    """A recipe against another one at equal prompts and seeds, in units of the objective."""

    against: str
    mean: float
    low: float
    """Lower end of the interval."""
    high: float
    pictures_won: int = 0
    """How many pictures are better than the other recipe's at the same prompt and seed."""
    pictures: int = 0
    """How many were compared; 0 in files of versions that did not write it."""
    confidence: float = 0.0
    """Level of the interval where it is not the outcome's: higher where one of the two was given up early; else 0."""

    def level(self, usual: str) -> str:
        """Return the level of the interval for people, where ``usual`` is the outcome's: `95 %`."""
        return _level_text(self.confidence) if self.confidence else usual

    def __str__(self) -> str:
        own = f" ({_level_text(self.confidence)} interval)" if self.confidence else ""
        return f"{self.mean:+.2f} [{self.low:+.2f}, {self.high:+.2f}] vs {self.against}{own}"


def _level_text(confidence: float) -> str:
    return f"{100 * confidence:.4g} %"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One recipe's result on the held-out shots."""

    label: str
    recipe: str
    value: float | None
    """Objective on the held-out shots; None if the pictures are broken."""
    reasons: tuple[str, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    """A finalist against every parent and the best FLAT mix."""
    numbers: dict[str, float | None] = field(default_factory=dict[str, float | None])
    """For the report, by name: unbiased CMMD and polynomial MMD to the references, drift."""
    alarm: str = ""
    """A warning to check before trusting the score."""
    vae: str = ""
    """The study's word for the VAE that decoded it; "" where it chooses among none."""
    pictures: int = 0
    """How many held-out pictures it has: fewer than others where it was given up; 0 where that was not written."""

    @property
    def candidate(self) -> Candidate:
        """What was rendered."""
        return Candidate(recipe=Recipe.parse(self.recipe), vae=self.vae)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The result of the finalists' comparison."""

    models: dict[str, str]
    """SHA-256 of every model file, by letter."""
    baselines: tuple[Standing, ...]
    finalists: tuple[Standing, ...]
    """Best first; before it, a simpler version of it where there is one that is as good."""
    sheet: str
    """Name of the finalists' sheet in the study's folder."""
    study: str = ""
    """Name of the study; "" in files of versions that did not write it."""
    remarks: tuple[str, ...] = ()
    """Remarks on the search as a whole."""
    search_summary: tuple[str, ...] = ()
    """How the stages of the search ended, and by how much its best trial exceeds its expected value."""
    simpler: str = ""
    """What makes finalist 1 simpler than the best one, if it is a simpler version of it."""
    trials: int = 0
    """How many trials had a value when it was made; 0 in files of versions that did not write it."""
    proof: int = 1
    """Which of the study's proofs this is."""
    proofs: int = 1
    """How many the study has had."""
    confidence: float = FIRST_CONFIDENCE
    """Level of the intervals of comparisons that have none of their own; higher from the second proof on."""

    @property
    def level(self) -> str:
        """The level of the intervals for people: `95 %`."""
        return _level_text(self.confidence)

    @property
    def winner(self) -> Standing | None:
        """The first finalist, if it beats every parent and every FLAT mix beyond the noise; else None."""
        if not self.finalists:
            return None
        best = self.finalists[0]
        return best if best.comparisons and all(c.is_better for c in best.comparisons) else None

    def finalist(self, number: int) -> tuple[str, Candidate]:
        """Label and candidate of finalist 1, 2, ...

        Raises:
            StudyError: there is no such finalist.
        """
        if not 1 <= number <= len(self.finalists):
            if not self.finalists:
                raise StudyError(f"no finalist {number}: no trial of this study ended with a value")
            raise StudyError(f"no finalist {number}: this study has finalists 1 to {len(self.finalists)}")
        chosen = self.finalists[number - 1]
        return chosen.label, chosen.candidate

    def from_middle(self, standing: Standing) -> float | None:
        """A result as a difference from that of FLAT_50 on the same held-out shots; None where one of them is broken.

        Results on held-out shots are not counted from FLAT_50 by themselves: penalties are in them, and other prompts.
        """
        middle = next((one.value for one in self.baselines if one.label == MIDDLE), None)
        return None if middle is None or standing.value is None else standing.value - middle

    def sentences(self) -> list[str]:
        """The result in words, with its uncertainty."""
        if not self.finalists:
            return [*self.search_summary, "No finalist: no trial ended with a value."]
        best = self.finalists[0]
        lines = [*self.search_summary, *([self.simpler] if self.simpler else [])]
        if self.proofs > 1:
            lines.append(
                f"This is proof {self.proof} of the {self.proofs} that this study has had. Every further one is "
                "another chance that luck wins, so its intervals are wider: the first one's are those of "
                f"{100 * FIRST_CONFIDENCE:g} %, these of {self.level}."
            )
        lines += [self._given_up] if self._given_up else []
        lines += [f"Finalist 1 ({best.label}): {comparison}" for comparison in best.comparisons]
        if self.winner is not None:
            lines.append("It beats every parent and every FLAT mix on held-out prompts and seeds, beyond the noise.")
        else:
            beaten_not = ", ".join(c.against for c in best.comparisons if not c.is_better)
            lines.append(
                f"No finalist beats {beaten_not} beyond the noise on held-out prompts and seeds, so none is "
                f"recommended instead of {self._best_baseline}."
            )
        return lines

    @property
    def pictures(self) -> int:
        """How many held-out pictures its recipes have in all; 0 in files of versions that did not write it."""
        return sum(one.pictures for one in (*self.baselines, *self.finalists))

    @property
    def _given_up(self) -> str:
        """Which recipes were given up before they had all the held-out pictures; "" where none was."""
        every = (*self.baselines, *self.finalists)
        most = max((one.pictures for one in every), default=0)
        few = [f"{one.label} after {one.pictures}" for one in every if 0 < one.pictures < most]
        if not few:
            return ""
        return (
            f"Clearly beaten before all {counted(most, 'held-out picture')} were made, and given up: {', '.join(few)}. "
            "Intervals with one of these come from an early look, and allow for it."
        )

    @property
    def _best_baseline(self) -> str:
        """Label of the parent or FLAT mix with the best score."""
        valued = [standing for standing in self.baselines if standing.value is not None]
        return max(valued, key=lambda standing: standing.value or 0.0).label if valued else "either parent"

    def alarms(self) -> list[str]:
        """Warnings to check before trusting the scores."""
        lines = [f"Finalist {n} ({s.label}): {s.alarm}." for n, s in enumerate(self.finalists, start=1) if s.alarm]
        return [*lines, *self.remarks]


def write_outcome(folder: Path, outcome: Outcome) -> None:
    """Store an outcome in a study's folder."""
    fields = {_KEYS.get(name, name): value for name, value in asdict(outcome).items()}
    write_text(folder / "outcome.json", json.dumps(fields, indent=1) + "\n")


def read_outcome(folder: Path, study: str = "") -> Outcome:
    """The outcome stored in a study's folder.

    Args:
        folder: of the study.
        study: its name; "" where any study's is wanted.

    Raises:
        StudyError: there is none yet, it is another study's, or its file is damaged.
    """
    path = folder / "outcome.json"
    if not path.exists():
        raise StudyError("no outcome yet", place=(folder,), remedy="`recipe-search run` ends with one")
    remedy = "`recipe-search run` makes it again from the kept pictures"
    fields = read_json(path, _FILE, remedy)
    if study and fields.get("study", study) != study:
        what = f'is the outcome of the study "{fields["study"]}", and this one is called "{study}"'
        raise StudyError(what, place=(path,), remedy=remedy)
    if study and "study" not in fields and len(names := studies_in(folder)) > 1:
        what = f"does not say of which study it is, and this folder holds {' and '.join(names)}"
        raise StudyError(what, place=(path,), remedy=remedy)
    own = [
        one.get(OWN_LEVEL, 0.0) for row in (*fields["baselines"], *fields["finalists"]) for one in row["comparisons"]
    ]
    usual = fields.get("confidence", FIRST_CONFIDENCE)
    if "A" not in fields["models"] or not 0 < usual < 1 or any(not 0 <= level < 1 for level in own):
        what = "is damaged: it names no models, or intervals of no level"
        raise StudyError(what, place=(path,), remedy=remedy)
    for kind in ("baselines", "finalists"):
        for number, row in enumerate(fields[kind]):
            _check_recipe(row["recipe"], (path, kind, number, "recipe"), remedy)
    return Outcome(
        models=fields["models"],
        baselines=_standings_of_rows(fields["baselines"]),
        finalists=_standings_of_rows(fields["finalists"]),
        sheet=re.split(r"[/\\]", fields["sheet"])[-1],  # it was a whole path once, and folders are moved
        study=fields.get("study", ""),
        remarks=tuple(fields.get("remarks", ())),
        search_summary=tuple(fields.get("course", ())),
        simpler=fields.get("simpler", ""),
        trials=fields.get("trials", 0),
        proof=fields.get("proof", 1),
        proofs=fields.get("proofs", 1),
        confidence=usual,
    )


def _label_of_today(label: str) -> str:
    """A finalist's label, in the words of today."""
    for before, now in _LABELS.items():
        label = label.replace(before, now)
    return label


def _check_recipe(text: str, place: Place, remedy: str) -> None:
    try:
        Recipe.parse(text)
    except RecipeError as error:
        raise StudyError("is damaged: this is no recipe", place=place, remedy=remedy) from error


def _standings_of_rows(rows: Sequence[dict[str, Any]]) -> tuple[Standing, ...]:
    return tuple(
        Standing(
            label=_label_of_today(row["label"]),
            recipe=row["recipe"],
            value=row["value"],
            reasons=tuple(row["reasons"]),
            comparisons=tuple(map(_comparison_of_row, row["comparisons"])),
            numbers=row.get("numbers", {}),
            alarm=row.get("alarm", ""),
            vae=row.get("vae", ""),
            pictures=row.get("pictures", 0),
        )
        for row in rows
    )


def _comparison_of_row(row: Mapping[str, Any]) -> Comparison:
    later = {key: row[key] for key in (*COUNTED, OWN_LEVEL) if key in row}
    return Comparison(**{key: row[key] for key in COMPARED}, **later)
