"""Run and keep whole studies, from the study file to the exported checkpoint; the command line is here.

What a notebook needs can be imported from here. Every name is loaded when it is first asked for. README.md has the
commands, and a study's folder.

* ``read_study_file`` returns a ``StudySpec``: a study file in parts, with every default filled in.
* ``Night`` runs a study, or goes on with it; ``rescore_study`` judges its trials again.
* ``open_store`` returns its ``StudyStore``: every trial.
* ``read_outcome`` returns its ``Outcome``: the finalists beside the parents. ``read_pins`` returns every ``Pin``: the
  approved recipes.
* ``Workshop`` renders a ``Candidate``, a recipe and its VAE, as the study's trials are rendered.
* ``StudyError`` is what is raised.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__all__ = [
    "Candidate",
    "Night",
    "Outcome",
    "Pin",
    "StudyError",
    "StudySpec",
    "StudyStore",
    "Workshop",
    "open_store",
    "read_outcome",
    "read_pins",
    "read_study_file",
    "rescore_study",
]

if TYPE_CHECKING:
    from studies.candidate import Candidate
    from studies.errors import StudyError
    from studies.night.continuing.rescore import rescore_study
    from studies.night.night import Night
    from studies.night.workshop import Workshop
    from studies.store.judged.outcome import Outcome, read_outcome
    from studies.store.judged.pins import Pin, read_pins
    from studies.store.opening import open_store
    from studies.store.storage import StudyStore
    from studies.studyfile.read import read_study_file
    from studies.studyfile.spec import StudySpec
else:  # type checkers do not see this, so that a misspelt name stays an error for them
    _MODULES = {
        "Candidate": "studies.candidate",
        "Night": "studies.night.night",
        "Outcome": "studies.store.judged.outcome",
        "Pin": "studies.store.judged.pins",
        "StudyError": "studies.errors",
        "StudySpec": "studies.studyfile.spec",
        "StudyStore": "studies.store.storage",
        "Workshop": "studies.night.workshop",
        "open_store": "studies.store.opening",
        "read_outcome": "studies.store.judged.outcome",
        "read_pins": "studies.store.judged.pins",
        "read_study_file": "studies.studyfile.read",
        "rescore_study": "studies.night.continuing.rescore",
    }

    def __getattr__(name: str) -> object:
        """Import a name from its module when it is first asked for (PEP 562)."""
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(_MODULES[name]), name)

    def __dir__() -> list[str]:
        return sorted(__all__)
