"""What an examination in many situations finds: `situations/KEY/result.json` in a study's folder, and its pictures.

A situation is one word of one aspect, such as `red` of `colour`. Differences are in units of the objective, of pictures
with equal prompts and seeds; above 0 the examined recipe is better. Their intervals hold together: with the result's
confidence, all of them contain the true difference, whatever the number of situations, rivals and looks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from engine.files import readable, write_text
from studies.errors import StudyError
from studies.results.result_file import write_result
from studies.store.judged.intervals import SignedInterval
from studies.store.shapes import Shape, entries_of, read_json

FOLDER = "situations"
"""The folder, in a study's folder, of all examinations."""
RESULT = "result.json"
"""Name of a result's file, in the folder of what was examined."""
LATEST = "latest"
"""Name of the file that says which examination was made last: the name of its folder."""
BETTER, WORSE, WORSE_THAN_ONE, LEVEL = "better", "worse", "worse than one", "not told apart"
"""Verdicts: better than all parents, worse than all parents, worse than one of them, none of these."""
VERDICTS = (BETTER, WORSE, WORSE_THAN_ONE, LEVEL)
WORSE_PICTURES, WORD_LOST, TOO_ALIKE, BROKEN = "worse pictures", "word not obeyed", "too alike", "broken pictures"
"""Kinds of weak spots: worse than all parents, a word that is no longer obeyed, seeds that look alike, broken ones."""
KINDS = (WORSE_PICTURES, WORD_LOST, TOO_ALIKE, BROKEN)
REMEDY = "`recipe-search situations` makes it again from the kept pictures"
"""The way out where a result cannot be read."""
_NAME = re.compile(r"[\w.-]*")
_DIFFERENCE: Shape = {"rival": str, "mean": float, "low": float, "high": float, "pictures": int}
_RECIPE: Shape = {"label": str, "key": str, "recipe": str, "vae": str}
_FIDELITY: Shape = {
    "obeyed": float,
    "rivals": {str: float},
    "differences": [_DIFFERENCE],
    "words": int,
    "lost": bool,
    "instead": str,
}
_DIVERSITY: Shape = {"spread": float, "rivals": {str: float}, "differences": [_DIFFERENCE], "too_alike": bool}
_SITUATION: Shape = {
    "aspect": str,
    "word": str,
    "prompt": str,
    "pictures": int,
    "verdict": str,
    "differences": [_DIFFERENCE],
    "from_average": (_DIFFERENCE, None),
    "fidelity": (_FIDELITY, None),
    "diversity": (_DIVERSITY, None),
    "broken": {str: int},
}
_WEAK_SPOT: Shape = {
    "aspect": str,
    "word": str,
    "kind": str,
    "sentence": str,
    "amount": float,
    "shown": [{"prompt": str, "seed": int}],
    "picture": str,
}
_FILE: Shape = {
    "study": str,
    "subject": _RECIPE,
    "rivals": [_RECIPE],
    "parents": [str],
    "suite": str,
    "situations": [_SITUATION],
    "weak_spots": [_WEAK_SPOT],
    "overall": [_DIFFERENCE],
    "diversity": [_DIFFERENCE],
    "confidence": float,
    "comparisons": int,
    "pictures": int,
    "most_pictures": int,
    "remarks": [str],
    "sheet": str,
    "overview": str,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RivalDifference(SignedInterval):
    """The examined recipe less a rival, at equal prompts and seeds, with its interval."""

    rival: str
    """Label of the rival; of `from_average`, what it is compared with instead."""
    mean: float
    low: float
    high: float
    pictures: int
    """How many pairs of pictures were compared."""

    def __str__(self) -> str:
        return f"{self.mean:+.2f} [{self.low:+.2f}, {self.high:+.2f}] vs {self.rival}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExaminedRecipe:
    """A recipe whose pictures were made: the examined one, or a rival."""

    label: str
    key: str
    """Hex digits that name it; the first of them name the folder of an examination."""
    recipe: str = ""
    """The recipe's canonical text; "" for a checkpoint of its own."""
    vae: str = ""
    """The study's word for the VAE that decoded the pictures; "" where it chooses among none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WordFidelity:
    """How well a word is obeyed: whether its pictures match it better than the aspect's other words in its place."""

    obeyed: float
    """Share of the recipe's pictures that match the word better than all other words of the aspect, 0..1."""
    rivals: Mapping[str, float]
    """The same share of every rival, by label."""
    differences: tuple[RivalDifference, ...]
    """Margin over the best of the other words, in cosines of the panel's encoder: the recipe's less each rival's."""
    words: int
    """How many words were set against each other, this one among them."""
    lost: bool = False
    """Whether the word is no longer obeyed: below all parents beyond the interval, in fewer than half its pictures."""
    instead: str = ""
    """The word that most of the pictures that do not obey it match best; "" where all obey it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedDiversity:
    """How much the pictures of a situation differ over seeds: mean distance of the embeddings of two of them."""

    spread: float
    """One less the cosine, the recipe's mean over pairs of seeds; 0 where all are the same picture."""
    rivals: Mapping[str, float]
    """The same of every rival, by label."""
    differences: tuple[RivalDifference, ...]
    too_alike: bool = False
    """Whether it is below all parents beyond the interval, and clearly smaller than the smallest of theirs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SituationResult:
    """One situation: a word of an aspect."""

    aspect: str
    word: str
    prompt: str
    """A prompt of its pictures."""
    pictures: int
    """How many pictures every recipe has of it; fewer than others where the answer was clear early."""
    verdict: str
    """One of `VERDICTS`."""
    differences: tuple[RivalDifference, ...] = ()
    """From every rival; from those alone with which it has enough whole pictures in common."""
    from_average: RivalDifference | None = None
    """Mean lead over the parents here, less that over all situations."""
    fidelity: WordFidelity | None = None
    """None where the word has no others in its place, or no encoder reads texts."""
    diversity: SeedDiversity | None = None
    """None where fewer than three pictures are whole in all recipes, or no encoder embeds pictures."""
    broken: Mapping[str, int] = field(default_factory=dict[str, int])
    """How many pictures are broken, by the labels of recipes that have such."""

    @property
    def name(self) -> str:
        """Aspect and word for people: `colour: red`."""
        return f"{self.aspect}: {self.word}"

    def against(self, rival: str) -> RivalDifference | None:
        """Return the difference from a rival, or None where it was not compared."""
        return next((one for one in self.differences if one.rival == rival), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownPicture:
    """Prompt and seed of a picture to show; every recipe has it."""

    prompt: str
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WeakSpot:
    """A situation in which the recipe is weak, and why."""

    aspect: str
    word: str
    kind: str
    """One of `KINDS`."""
    sentence: str
    """What is wrong, for people."""
    amount: float
    """How bad it is, above 0: by it, weak spots of one kind are sorted."""
    shown: tuple[ShownPicture, ...] = ()
    """The pictures that show it best."""
    picture: str = ""
    """Name of a picture in the result's folder: these pictures in rows, recipe and rivals in columns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SituationsResult:
    """What an examination found."""

    study: str
    subject: ExaminedRecipe
    rivals: tuple[ExaminedRecipe, ...]
    """The parents, then the best FLAT mix."""
    parents: tuple[str, ...]
    """Labels of the rivals that are parents; by these a situation is called better or worse."""
    suite: str
    """Name of the folder of lists, or of the only list; "" for the suite that ships."""
    suite_key: str = ""
    """Tells suites of one name apart, within names of folders; "" for the suite that ships."""
    situations: tuple[SituationResult, ...]
    """In the order of the suite."""
    weak_spots: tuple[WeakSpot, ...] = ()
    """Worst first."""
    overall: tuple[RivalDifference, ...] = ()
    """Over all pictures, from every rival; these intervals are not shared among situations."""
    diversity: tuple[RivalDifference, ...] = ()
    """Logarithm of the spread over seeds less that of every rival, over all situations; 0 is as varied."""
    confidence: float = 0.95
    """Level at which all intervals of a kind hold together, and each of `overall` and `diversity` alone."""
    comparisons: int = 0
    """How many intervals hold together: situations times rivals."""
    pictures: int = 0
    """How many pictures all recipes have together."""
    most_pictures: int = 0
    """How many they would have had if no answer had been clear early."""
    remarks: tuple[str, ...] = ()
    """What else a reader should know."""
    sheet: str = ""
    """Name of the picture of the weak spots, in the result's folder; "" where there are none."""
    overview: str = ""
    """Name of the picture of all situations, in the result's folder."""

    @property
    def stopped_early(self) -> bool:
        """Whether some answers were clear before all pictures were made."""
        return self.pictures < self.most_pictures

    @property
    def lost_words(self) -> tuple[SituationResult, ...]:
        """The situations whose word is no longer obeyed."""
        return tuple(one for one in self.situations if one.fidelity is not None and one.fidelity.lost)

    def share(self, verdict: str) -> float:
        """Return the share of situations with a verdict, 0..1."""
        return sum(one.verdict == verdict for one in self.situations) / max(1, len(self.situations))

    @property
    def key(self) -> str:
        """Name of its folder among a study's examinations."""
        return examination_key(self.subject.key, self.suite_key)

    @property
    def title(self) -> str:
        """What was examined, and in which suite if not the one that ships: "pin 1", "pin 1, suite my-lists"."""
        return self.subject.label + (f", suite {self.suite}" if self.suite else "")


def examination_key(subject_key: str, suite_key: str) -> str:
    """Return the name of an examination's folder, so that suites do not take each other's place.

    Args:
        subject_key: of the recipe.
        suite_key: of the suite.
    """
    return subject_key[:12] + (f"-{suite_key}" if suite_key else "")


def situations_folder(folder: Path, key: str) -> Path:
    """Return where an examination lies.

    Args:
        folder: of the study.
        key: of the examination.
    """
    return folder / FOLDER / key


def write_situations(folder: Path, result: SituationsResult) -> Path:
    """Store a result in a study's folder, and that it is the latest one; return the result's folder."""
    place = situations_folder(folder, result.key)
    write_result(place / RESULT, asdict(result))
    write_text(folder / FOLDER / LATEST, result.key + "\n")
    return place


def examined(folder: Path) -> tuple[str, ...]:
    """Return the names of the folders of a study's examinations, the latest one first; none: nothing was examined."""
    names = sorted(path.parent.name for path in (folder / FOLDER).glob(f"*/{RESULT}"))
    try:
        latest = readable(folder / FOLDER / LATEST).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        latest = ""
    return tuple(sorted(names, key=lambda name: name != latest))


def read_situations(folder: Path, key: str = "") -> SituationsResult:
    """Return an examination of a study.

    Args:
        folder: of the study.
        key: of the examination; "": the latest one.

    Raises:
        StudyError: nothing was examined yet, or the file is damaged.
    """
    names = examined(folder)
    name = key or next(iter(names), "")
    if name not in names:
        raise StudyError("nothing was examined yet", place=(folder / FOLDER,), remedy="`recipe-search situations` does")
    path = folder / FOLDER / name / RESULT
    row = read_json(path, _FILE, REMEDY)
    words = [(one["verdict"], VERDICTS) for one in row["situations"]]
    words += [(one["kind"], KINDS) for one in row["weak_spots"]]
    files = [row["sheet"], row["overview"], *(one["picture"] for one in row["weak_spots"]), _suite_key(row)]
    if any(word not in known for word, known in words) or not all(map(_NAME.fullmatch, files)):
        raise StudyError("is damaged: this is not what was written there", place=(path,), remedy=REMEDY)
    return _result_of_row(row)


def _suite_key(row: Mapping[str, Any]) -> str:
    """What earlier versions do not have: there every suite took the place of the one before."""
    return str(row.get("suite_key", ""))


def _result_of_row(row: Mapping[str, Any]) -> SituationsResult:
    plain = {name: row[name] for name in ("study", "suite", "confidence", "comparisons", "pictures", "most_pictures")}
    return SituationsResult(
        subject=ExaminedRecipe(**entries_of(ExaminedRecipe, row["subject"])),
        rivals=tuple(ExaminedRecipe(**entries_of(ExaminedRecipe, one)) for one in row["rivals"]),
        parents=tuple(row["parents"]),
        situations=tuple(map(_situation_of_row, row["situations"])),
        weak_spots=tuple(map(_weak_spot_of_row, row["weak_spots"])),
        overall=_differences_of_rows(row["overall"]),
        diversity=_differences_of_rows(row["diversity"]),
        remarks=tuple(row["remarks"]),
        sheet=row["sheet"],
        overview=row["overview"],
        suite_key=_suite_key(row),
        **plain,
    )


def _differences_of_rows(rows: list[Mapping[str, Any]]) -> tuple[RivalDifference, ...]:
    return tuple(RivalDifference(**entries_of(RivalDifference, row)) for row in rows)


def _situation_of_row(row: Mapping[str, Any]) -> SituationResult:
    average, fidelity, diversity = row["from_average"], row["fidelity"], row["diversity"]
    made: dict[str, Any] = {
        "differences": _differences_of_rows(row["differences"]),
        "from_average": None if average is None else RivalDifference(**entries_of(RivalDifference, average)),
        "fidelity": None if fidelity is None else WordFidelity(**_with_differences(WordFidelity, fidelity)),
        "diversity": None if diversity is None else SeedDiversity(**_with_differences(SeedDiversity, diversity)),
    }
    return SituationResult(**{**entries_of(SituationResult, row), **made})


def _with_differences(kind: type, row: Mapping[str, Any]) -> dict[str, Any]:
    return {**entries_of(kind, row), "differences": _differences_of_rows(row["differences"])}


def _weak_spot_of_row(row: Mapping[str, Any]) -> WeakSpot:
    shown: dict[str, Any] = {"shown": tuple(ShownPicture(**entries_of(ShownPicture, one)) for one in row["shown"])}
    return WeakSpot(**{**entries_of(WeakSpot, row), **shown})
