"""Long work behind pages: one job at a time for a study, its steps, and how it ends."""

from __future__ import annotations

import threading
import time

import pytest

from studies.errors import StudyError
from studies.pages.background.jobs import Job, JobList, JobReport

EXPORT = Job(kind="export", subject="1")


def ended(jobs: JobList, key: str = "one") -> Job:
    until = time.monotonic() + 20
    while (job := jobs.job(key)) is None or job.state == "running":
        assert time.monotonic() < until
        time.sleep(0.01)
    return job


def test_a_study_has_one_job_at_a_time() -> None:
    jobs, go = JobList(), threading.Event()

    def work(report: JobReport) -> tuple[str, ...]:
        report.step("write")(3, 4)
        go.wait(20)
        return ("done",)

    assert jobs.start("one", EXPORT, work, is_wanted=lambda: True)
    assert not jobs.start("one", EXPORT, work, is_wanted=lambda: True)
    assert jobs.start("two", EXPORT, work, is_wanted=lambda: True), "another study's is another matter"
    until = time.monotonic() + 20
    while (job := jobs.job("one")) is None or job.step != "write":
        assert time.monotonic() < until
    assert (job.done, job.total) == (3, 4)
    go.set()
    assert ended(jobs).results == ("done",)
    assert jobs.start("one", EXPORT, work, is_wanted=lambda: True)


def test_what_is_not_wanted_is_not_begun() -> None:
    jobs = JobList()
    assert not jobs.start("one", EXPORT, lambda _: (), is_wanted=lambda: False)
    assert jobs.job("one") is None


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (StudyError("went wrong", remedy="mend it"), "went wrong"),
        (OSError(28, "No space left", "a.bin"), "a.bin: No space"),
    ],
)
def test_a_failure_is_told(error: Exception, words: str) -> None:
    jobs = JobList()

    def work(_: JobReport) -> tuple[str, ...]:
        raise error

    jobs.start("one", EXPORT, work, is_wanted=lambda: True)
    job = ended(jobs)
    assert job.state == "failed"
    assert words in job.problems[0]


def test_a_job_that_breaks_is_not_taken_for_one_that_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs, seen = JobList(), threading.Event()
    monkeypatch.setattr(threading, "excepthook", lambda _: seen.set())

    def work(_: JobReport) -> tuple[str, ...]:
        raise KeyError("nobody foresaw this")

    jobs.start("one", EXPORT, work, is_wanted=lambda: True)
    assert ended(jobs).state == "failed"
    assert seen.wait(20), "the terminal says more"
