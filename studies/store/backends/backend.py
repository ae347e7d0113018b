"""Where a study is kept and how its workers agree: one interface, with a journal or a database behind it.

The journal lies in the study's folder and serves the processes of one machine, by locks of its operating system. A
database and a place for artifacts serve several machines, by the database's own locks and Optuna's heartbeat. Whatever
is said of a study elsewhere, is said of both.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Hashable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from optuna.artifacts._protocol import ArtifactStore
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial

from studies.errors import StudyError
from studies.store.backends.requests import NightRequests


class OutageError(StudyError):
    """A server did not answer for as long as was allowed."""


class TurnLostError(StudyError):
    """The turn ended before its block did: the connection that held it broke, so another worker may have had it too."""


class StudyWorker(Protocol):
    """One process of those that search a study."""

    @property
    def name(self) -> str:
        """Unlike that of any other worker, dead ones too."""
        ...

    @property
    def since(self) -> float:
        """When it joined, in seconds as `time.time` counts them."""
        ...

    def turn(self) -> AbstractContextManager[None]:
        """Let no other worker ask for a trial meanwhile.

        Raises:
            TurnLostError: at the end of the block, where the turn was lost within it.
        """
        ...

    def others(self) -> frozenset[str]:
        """Names of the other workers that live."""
        ...


class KeptFiles(Protocol):
    """Files that one worker made and all of them need, by name; the study's folder holds copies, or the only one."""

    def bring(self, path: Path, *, newest: bool = False) -> bool:
        """Have a file of the study's folder there, where any worker made it; returns whether it is.

        Args:
            path: within the folder.
            newest: take the one that was shared last, even where one is there.
        """
        ...

    def share(self, path: Path) -> None:
        """Let the other workers have a file of the study's folder, which is whole."""
        ...

    def withdraw(self, path: Path) -> None:
        """Let nobody have a file any more that was shared; in the folder, it was given another name."""
        ...


class Backend(Protocol):
    """What keeps the trials of one study, and what its workers agree by."""

    @property
    def place(self) -> str:
        """Where the trials are, for people."""
        ...

    @property
    def storage(self) -> BaseStorage:
        """Optuna's storage, opened where it was not."""
        ...

    @property
    def artifacts(self) -> ArtifactStore:
        """The trials' pictures."""
        ...

    @property
    def files(self) -> KeptFiles:
        """Renders and results."""
        ...

    @property
    def requests(self) -> NightRequests:
        """What is asked of the study's night; reaches all of its workers."""
        ...

    def picture(self, artifact: str) -> Path:
        """Return a file of an artifact.

        Raises:
            ArtifactNotFound: there is none by this name.
        """
        ...

    def exists(self) -> bool:
        """Whether the study was ever started."""
        ...

    def refuse_unusable(self) -> None:
        """Refuse what cannot be gone on with: damaged, another study's, or not to be reached.

        Raises:
            StudyError: says why, and the way out.
        """
        ...

    def tidy(self) -> None:
        """Mend what a killed process left unfinished, where nobody is at work."""
        ...

    def is_writable(self) -> bool:
        """Whether this user may write."""
        ...

    def mark(self) -> Hashable:
        """Return something that is another one whenever a trial or a note has changed."""
        ...

    def one_write(self) -> AbstractContextManager[None]:
        """Write at the block's end what this thread says of trials in it, where the storage can.

        Of a trial that another worker has ended meanwhile, nothing is written.
        """
        ...

    def joined(self, waiting: Callable[[], None]) -> AbstractContextManager[StudyWorker]:
        """Be a worker of the study.

        Args:
            waiting: called once if another command has the whole study; it is waited for.
        """
        ...

    def alone(self) -> AbstractContextManager[None]:
        """Have the study for this process alone: no worker is at it, and none begins.

        Raises:
            BusyError: a worker is at it, or another command.
        """
        ...

    def made_whole(self) -> AbstractContextManager[str]:
        """Make a study that is there when the block ends well, and not before; yields its name until then.

        With a journal, whoever makes it gives its folder another name until then.

        Raises:
            StudyError: it has begun already.
            BusyError: another command is at it.
        """
        ...

    def at_work(self) -> frozenset[str]:
        """Names of the workers that live."""
        ...

    def held(self, name: str, busy: Callable[[], None] = lambda: None) -> AbstractContextManager[None]:
        """Hold one of the study's locks; ``busy`` as for `studies.store.backends.locks.held`."""
        ...

    def begun(self, trial: int) -> None:
        """A trial was taken into work, by Optuna's id; only in one's turn."""
        ...

    def lost(self, study: int, trials: Sequence[FrozenTrial], alive: Container[str]) -> list[FrozenTrial]:
        """Return those of the trials in work whose workers are gone; only in one's turn.

        Args:
            study: Optuna's number of the study.
            trials: in work.
            alive: names of the workers that are known to live.
        """
        ...

    def hurry(self) -> None:
        """This process ends: wait for nothing any more that does not answer at once."""
        ...
