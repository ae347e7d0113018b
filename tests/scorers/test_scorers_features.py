"""Features on disk: what was saved is loaded, and a file is whole or not there."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from scorers.errors import ScorerError
from scorers.features import Features


@pytest.fixture
def features() -> Features:
    rng = np.random.default_rng(0)
    embeddings = rng.normal(size=(3, 8)).astype(np.float32)
    embeddings[1] = np.nan
    return Features(
        embeddings=embeddings,
        statistics=rng.normal(size=(3, 4)).astype(np.float32),
        broken=("", "not finite", ""),
        prompts=("a cat", 'ein "Haus", schön', "木"),
        seeds=(1, 2**40, 3),
    )


def test_round_trip(features: Features, tmp_path: Path) -> None:
    features.save(tmp_path / "f.safetensors")
    loaded = Features.load(tmp_path / "f.safetensors")
    np.testing.assert_array_equal(loaded.embeddings, features.embeddings)
    np.testing.assert_array_equal(loaded.statistics, features.statistics)
    assert (loaded.broken, loaded.slots) == (features.broken, features.slots)
    assert list(loaded.sound) == [0, 2]
    assert [path.name for path in tmp_path.iterdir()] == ["f.safetensors"]


def test_a_write_that_fails_leaves_the_old_file(
    features: Features, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "f.safetensors"
    features.take([0]).save(path)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        features.save(path)
    assert len(Features.load(path)) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["f.safetensors"]


def test_damaged_and_foreign_files_are_refused(features: Features, tmp_path: Path) -> None:
    path = tmp_path / "f.safetensors"
    features.save(path)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(ScorerError, match="damaged"):
        Features.load(path)
    with pytest.raises(ScorerError, match="no such file"):
        Features.load(tmp_path / "gone")


def test_rows_must_match(features: Features) -> None:
    with pytest.raises(ScorerError, match="2 seeds"):
        Features(
            embeddings=features.embeddings,
            statistics=features.statistics,
            broken=features.broken,
            prompts=features.prompts,
            seeds=(1, 2),
        )
