"""What every test runs under: no network, few threads, hypothesis profiles."""

from __future__ import annotations

import os
import tempfile

_SETTINGS = tempfile.TemporaryDirectory(prefix="recipe-search-tests-")
"""In place of the user's own folders for this program, which remember hashes of models, and scorers that may run."""

# Set before any library reads them: nothing may be fetched from a hub, and threads wait longer for each other than tiny
# models compute: two make the tests four times slower than one.
_ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "XDG_CONFIG_HOME": _SETTINGS.name,
    "XDG_STATE_HOME": _SETTINGS.name,
}
os.environ.update(_ENVIRONMENT)
for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import signal  # noqa: E402
from collections.abc import Generator  # noqa: E402

import pytest  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402


@pytest.fixture(autouse=True)
def kept_ctrl_c() -> Generator[None]:
    """Ctrl+C stops the tests still after a test of a command that was stopped by it, and ignores it from then on."""
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


settings.register_profile("default", max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", parent=settings.get_profile("default"), derandomize=True, print_blob=True)
settings.register_profile("thorough", parent=settings.get_profile("default"), max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "default"))
