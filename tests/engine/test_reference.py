"""The slow reference against what SuperMerger itself made: tests/golden/merges/README.md."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine.golden import CASES, expected, full_sha256

STORED = [case for case in CASES if case.get("file")]


@pytest.mark.parametrize("case", STORED, ids=lambda case: case["case"])
def test_stored_results_have_the_hash_that_the_manifest_gives(case: dict[str, Any]) -> None:
    result = expected(case)
    assert result is not None
    assert full_sha256(result) == case["sha256_full"]
