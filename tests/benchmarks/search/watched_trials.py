"""A look at every trial of a night, for benchmarks that measure something between them."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager

import pytest

from studies.night.claims import Claim
from studies.night.loop import TrialLoop
from studies.progress import Meter


@contextmanager
def watched_trials(look: Callable[[TrialLoop, int], None], *, before: bool = False) -> Generator[None]:
    """Call a function with the loop and the trial's number after every trial of the block, or before it is run."""
    run = TrialLoop._trial

    def watched(self: TrialLoop, claim: Claim, bar: Meter) -> str:
        if before:
            look(self, claim.trial.number)
        reason = run(self, claim, bar)
        if not before:
            look(self, claim.trial.number)
        return reason

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrialLoop, "_trial", watched)
        yield
