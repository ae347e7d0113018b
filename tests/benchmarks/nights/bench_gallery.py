"""How long the gallery of a large study takes, and how much a browser is sent.

By hand: `python -m tests.benchmarks.nights.bench_gallery [--trials 5000]`; `make bench` runs a small part. Processor
time is that of this process; the first page includes the replay of the whole journal, which happens once a server.
"""

from __future__ import annotations

import argparse
import re
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from starlette.testclient import TestClient

from search.samplers.optuna_samplers import distributions
from search.suggester import Proposal
from studies.pages.library import Library
from studies.pages.site import site
from studies.store.access import Access
from studies.store.storage import StudyStore
from studies.studyfile.read import read_study_file
from tests.studies.pages.made_gallery import write_gallery

GALLERY = "/s/mix/trials"
FIRST_SCREEN = 24
"""More thumbnails than a screen of 1400 x 900 pixels shows at first."""


class Measured:
    """Asks a site, and prints what each answer takes."""

    def __init__(self, file: Path) -> None:
        """``file`` is the study file."""
        access = Access(token="t", names=frozenset({"localhost"}), cookie="c", private=False)
        self.client = TestClient(site(Library([file]), access), base_url="http://127.0.0.1:8090")
        self.bytes = 0

    def ask(self, what: str, *places: str) -> tuple[float, str]:
        """Return the seconds on the clock and the last answer's text."""
        began, processor = time.perf_counter(), time.process_time()
        answers = [self.client.get(place) for place in places]
        seconds, processor = time.perf_counter() - began, time.process_time() - processor
        assert all(answer.status_code == 200 for answer in answers), what
        self.bytes += (size := sum(len(answer.content) for answer in answers))
        print(f"{what:<44} {seconds:6.2f} s, {processor:6.2f} s of the processor, {size / 1000:8.1f} kB")
        return seconds, answers[-1].text if "html" in answers[-1].headers["content-type"] else ""


def bench(file: Path) -> tuple[float, int]:
    """Print the figures of a study; returns the seconds of a page after the first one, and bytes of a first screen."""
    measured = Measured(file)
    measured.ask("first page of the server", GALLERY)
    measured.bytes = 0
    seconds, text = measured.ask("the page again", GALLERY)
    pictures = re.findall(r'src="([^"]+)"', text)
    pictures = [place for place in pictures if "/pictures/" in place]
    measured.ask("pictures of the first screen, made", *pictures[:FIRST_SCREEN])
    made = measured.bytes
    measured.ask("the other pictures, made", *pictures[FIRST_SCREEN:])
    print(f"{'a whole page of 60 trials':<44} {measured.bytes / 1000:.1f} kB, its first screen {made / 1000:.1f} kB")
    measured.ask("pictures of the first screen, kept", *pictures[:FIRST_SCREEN])
    for what, query in (("by a scorer", "sort=by:clip"), ("of a stage", "stage=blocks"), ("like another", "like=20")):
        measured.ask(f"trials {what}", f"{GALLERY}?{query}")
    measured.ask("a trial", f"{GALLERY}/20?beside=A")
    measured.ask("two compared", "/s/mix/compare?left=20&right=A")
    spec = read_study_file(file)
    store = StudyStore(spec.storage.folder, spec.storage.name)
    space = spec.search.space
    trial = store.begin(Proposal(stage="blocks", point=space.neutral), distributions(space))
    store.fail(trial, "a trial more")
    measured.ask("the page after a trial more", GALLERY)
    return seconds, made


@pytest.mark.benchmark
def test_a_large_study_has_its_gallery_in_a_second(tmp_path: Path) -> None:
    seconds, first_screen = bench(write_gallery(tmp_path, 500))
    assert seconds < 1
    assert first_screen < 2_000_000


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=5000)
    with TemporaryDirectory() as folder:
        bench(write_gallery(Path(folder), parser.parse_args().trials))
