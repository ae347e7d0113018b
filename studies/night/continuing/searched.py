"""What proposals depend on beside the study's inputs: recorded with the study, and compared by every later night.

Other inputs (seed, space, shots, models, scorers) are refused, since scores of both would not compare: see
``fingerprint``. Another sampler, other options or another version leave every score as it is, but what is proposed from
then on is not what a search without the change would have proposed. So they are said, and kept with the number of the
trial from which they hold. Numbers of trials are changed all the time, and are recorded without a word.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import time
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import search
from search.plan import STAGES
from studies.night.continuing.differences import differing
from studies.store.note_keys import SEARCHED
from studies.store.storage import StudyStore
from studies.studyfile.spec import SearchSettings

log = logging.getLogger(__name__)

PACKAGES = ("sd-recipe-search", "optuna", "numpy", "scipy", "cmaes")
"""Packages whose version can change what is proposed."""
CODE = "search code"
"""Name of the version of the search itself, among the versions."""
COUNTS = frozenset({*STAGES, "self_mode", "patience", "finalists", "simplify"})
"""Settings that are changed between two nights without a word: how long stages are, and what goes to the proof."""
LONGEST = 60
"""The most characters of a setting that are kept as they are; of a longer one, a hash is."""


def settings_of(settings: SearchSettings) -> dict[str, str]:
    """Return everything that the study file says of the search, by name; the space and the seed are inputs."""
    own = ("shots_per_trial", "fresh_seeds", "racing", "finalists", "simplify")
    plan = {field.name: getattr(settings.plan, field.name) for field in dataclasses.fields(settings.plan)}
    return {name: _text(value) for name, value in (plan | {name: getattr(settings, name) for name in own}).items()}


def _text(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=_plain)
    return text if len(text) <= LONGEST else hashlib.sha256(text.encode()).hexdigest()[:12]


def _plain(value: Any) -> Any:
    """A value of the search as JSON has it."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return dict(value) if isinstance(value, Mapping) else str(value)


def versions() -> dict[str, str]:
    """Return the versions of the search and of what it calculates with, by name."""
    return {name: _version(name) for name in PACKAGES} | {CODE: _code_digest()}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


@cache
def _code_digest() -> str:
    """Twelve hex digits of the code of the package ``search``: nobody can forget to count a version up."""
    place = Path(search.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(place.rglob("*.py")):
        digest.update(f"{path.relative_to(place).as_posix()}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def note_search(store: StudyStore, settings: SearchSettings) -> None:
    """Record what proposals depend on from the next trial on, where it has changed, and say what that is."""
    known: list[dict[str, Any]] = store.noted(SEARCHED) or []
    now = {"settings": settings_of(settings), "versions": versions()}
    if known and all(known[-1].get(key) == value for key, value in now.items()):
        return
    if known and (lines := list(search_changes(known[-1], now))):
        log.warning(
            "the search goes on in another way than before: %s. Scores compare as before; what is tried from now on is "
            "not what a search without the change would have tried",
            "; ".join(lines),
        )
    trials = len(store.study.get_trials(deepcopy=False))
    store.note(SEARCHED, [*known, {"at": time.time(), "trials": trials, **now}])


def search_changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """Yield how two entries of the record differ, for people: of the settings all but numbers of trials."""
    for kind, prefix in (("settings", "search."), ("versions", "")):
        was, has = before.get(kind) or {}, now.get(kind) or {}
        for name in differing(was, has):
            # A setting that one of both versions does not have was not changed by anybody.
            if name not in COUNTS and name in was and name in has:
                yield f"{prefix}{name} was {was[name]}, is {has[name]}"
