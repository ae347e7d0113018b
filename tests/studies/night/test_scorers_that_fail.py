"""A scorer of one's own that hangs or ends the program in a night fails the trial by its name; the others go on."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from click.testing import CliRunner

from studies.cli.main import main
from studies.store.opening import open_store
from studies.studyfile.read import read_study_file
from tests.studies.sample_study import write_small_study

PROGRAM = """
import os, sys, time
from pathlib import Path

COUNT = Path(__file__).with_name("count")
FIRST = 2 * len(list(Path(__file__).with_name("references").iterdir())) + 9 * 4  # what check and calibration read


def score(image):
    number = len(COUNT.read_bytes()) if COUNT.exists() else 0
    COUNT.write_bytes(b"." * (number + 1))
    if number == FIRST:
        time.sleep(60)
    if number == FIRST + 4:
        os._exit(3)
    if number == FIRST + 8:
        sys.exit(4)
    if number == FIRST + 12:
        raise KeyboardInterrupt
    return number % 3
"""
SCORERS = 'weights = { stats = 1, "mine.py" = 0.5 }\ntime_limit = 1\n'


@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="this system has no alarms")
def test_trials_fail_by_the_scorers_name_and_the_night_goes_on(tmp_path: Path) -> None:
    study = write_small_study(tmp_path, groups=2)
    study.write_text(study.read_text().replace("[scorers]\n", f"[scorers]\n{SCORERS}"))
    (tmp_path / "mine.py").write_text(PROGRAM)
    done = CliRunner().invoke(main, ["run", str(study), "--trust", "--no-proof"])
    assert done.exit_code == 0, done.output
    trials = open_store(read_study_file(study).storage).trials()
    reasons = [trial.user_attrs["reason"] for trial in trials if trial.value is None]
    assert reasons == [
        "scorer 'mine.py': gave no answer in 1 s; mend it, or give it more time: time_limit in [scorers]",
        "scorer 'mine.py': tried to end the program: os._exit(3)",
        "scorer 'mine.py': tried to end the program: sys.exit(4)",
        "scorer 'mine.py': raised a KeyboardInterrupt of its own",
    ]
    assert trials[-1].value is not None
