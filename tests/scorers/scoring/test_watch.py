"""Scorers of a user's own that hang or end the program are named, and the program goes on or ends with a sentence."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from scorers.errors import ScorerError
from scorers.scoring import watch
from scorers.scoring.plugins import ImagePlugin, open_plugin
from scorers.scoring.watch import watched

IMAGES = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def looked(folder: Path, body: str, limit_s: float = 0.5) -> np.ndarray:
    (folder / "mine.py").write_text(f"import os, sys, time\ndef score(image):\n    {body}\n    return 1\n")
    plugin = open_plugin("mine.py", folder, time_limit_s=limit_s)
    assert isinstance(plugin, ImagePlugin)
    return plugin.look(IMAGES, ("", ""))


@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="this system has no alarms")
@pytest.mark.parametrize(
    "body",
    ["while True: pass", "time.sleep(60)", "while True:\n        try: time.sleep(9)\n        except Exception: pass"],
)
def test_a_scorer_that_hangs_is_stopped_in_its_time(tmp_path: Path, body: str) -> None:
    started = time.monotonic()
    with pytest.raises(ScorerError) as stopped:
        looked(tmp_path, body)
    assert str(stopped.value) == "gave no answer in 0.5 s; mend it, or give it more time: time_limit in [scorers]"
    assert time.monotonic() - started < 5


@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="this system has no alarms")
def test_a_file_that_hangs_while_it_is_loaded_is_named(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("while True: pass")
    with pytest.raises(ScorerError, match=r"mine\.py: gave no answer in 0\.5 s"):
        open_plugin("mine.py", tmp_path, time_limit_s=0.5)


@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="this system has no alarms")
def test_a_scorer_in_its_time_leaves_alarms_exits_and_signals_as_they_were(tmp_path: Path) -> None:
    before, threads = (os._exit, signal.getsignal(signal.SIGINT)), threading.active_count()
    alarm = signal.signal(signal.SIGALRM, signal.SIG_IGN)
    signal.setitimer(signal.ITIMER_REAL, 50)
    try:
        assert looked(tmp_path, "time.sleep(0.01)", 60).tolist() == [1, 1]
        assert looked(tmp_path, "pass", 0).tolist() == [1, 1]
        assert 40 < signal.getitimer(signal.ITIMER_REAL)[0] <= 50
        assert signal.getsignal(signal.SIGALRM) is signal.SIG_IGN
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, alarm)
    assert (os._exit, signal.getsignal(signal.SIGINT)) == before
    time.sleep(0.05)  # the timer's thread ends
    assert threading.active_count() <= threads


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("sys.exit(3)", "tried to end the program: sys.exit(3)"),
        ("raise SystemExit", "tried to end the program: sys.exit()"),
        ("os._exit(4)", "tried to end the program: os._exit(4)"),
        ("raise KeyboardInterrupt", "raised a KeyboardInterrupt of its own"),
    ],
)
def test_a_scorer_that_ends_the_program_is_refused(tmp_path: Path, body: str, what: str) -> None:
    with pytest.raises(ScorerError) as caught:
        looked(tmp_path, body, 60)
    assert str(caught.value) == what
    (tmp_path / "mine.py").write_text(f"import os, sys\n{body}")
    with pytest.raises(ScorerError, match=r"mine\.py: "):
        open_plugin("mine.py", tmp_path)


def interrupted(number: signal.Signals) -> None:
    with watched("mine.py", 60):
        os.kill(os.getpid(), number)
        time.sleep(5)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_by_the_user_is_no_fault_of_the_scorer(number: signal.Signals) -> None:
    def stop(number: int, frame: object) -> None:
        raise KeyboardInterrupt(f"signal {number}")

    before = signal.signal(number, stop)
    try:
        with pytest.raises(KeyboardInterrupt):
            interrupted(number)
        assert signal.getsignal(number) is stop
    finally:
        signal.signal(number, before)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_processes_that_a_scorer_forks_end_as_they_must(tmp_path: Path) -> None:
    ending = "os.waitstatus_to_exitcode(os.waitpid(number, 0)[1])"
    body = f"number = os.fork()\n    if number == 0: os._exit(5)\n    return {ending}"
    assert looked(tmp_path, body, 60).tolist() == [5, 5]


STUCK = """
import sys
from pathlib import Path
import torch
from scorers.scoring import watch
from scorers.scoring.plugins import open_plugin
watch.GRACE_S = 0.5
open_plugin("mine.py", Path(sys.argv[1]), time_limit_s=0.5).look(torch.zeros(1, 3, 8, 8), ("",))
print("went on")
"""


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (
            "import time\n    while True:\n        try: time.sleep(9)\n        except BaseException: pass",
            watch.ENDED,
            "scorer 'mine.py' gave no answer in 0.5 s and cannot be stopped, so this process ends; mend it",
        ),
        ("import itertools\n    sum(itertools.repeat(1, 10**12))", 1, 'mine.py", line'),
    ],
)
def test_code_that_cannot_be_stopped_ends_the_process_by_name(
    tmp_path: Path, body: str, status: int, says: str
) -> None:
    (tmp_path / "mine.py").write_text(f"def score(image):\n    {body}\n    return 1\n")
    ended = subprocess.run(
        [sys.executable, "-c", STUCK, str(tmp_path)], check=False, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == status
    assert says in ended.stderr
    assert "went on" not in ended.stdout
