"""Features on disk: what was saved is loaded, and a file is whole or not there."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from scorers.errors import ScorerError
from scorers.features import Features, joined


@pytest.fixture
def features() -> Features:
    rng = np.random.default_rng(0)
    embeddings = rng.normal(size=(3, 8)).astype(np.float32)
    embeddings[1] = np.nan
    return Features(
        embeddings={"clip": embeddings, "openclip-l/pooled": rng.normal(size=(3, 5)).astype(np.float32)},
        statistics=rng.normal(size=(3, 4)).astype(np.float32),
        brightest=np.array([1, np.nan, 0.5], np.float32),
        dhash=np.array([0, 2**64 - 1, 7], np.uint64),
        readings={"./mine.py:Red": np.array([0.5, np.nan, 1])},
        broken=("", "not finite", ""),
        prompts=("a cat", 'ein "Haus", schön', "木"),
        seeds=(1, 2**40, 3),
        versions={"embedding:clip": "1", "statistics": "2"},
    )


def test_round_trip(features: Features, tmp_path: Path) -> None:
    features.save(tmp_path / "f.safetensors")
    loaded = Features.load(tmp_path / "f.safetensors")
    assert loaded.arrays().keys() == features.arrays().keys()
    for name, values in features.arrays().items():
        np.testing.assert_array_equal(loaded.arrays()[name], values)
    assert loaded.versions == features.versions
    assert (loaded.broken, loaded.slots) == (features.broken, features.slots)
    assert list(loaded.intact) == [0, 2]
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
    with pytest.raises(ScorerError, match=r"3 statistics.*2 seeds"):
        replace(features, seeds=(1, 2))


def test_missing_features_are_named(features: Features) -> None:
    assert features.lacks({"embedding:clip": "1", "statistics": "3", "reading:x": "1"}) == ("statistics", "reading:x")
    with pytest.raises(ScorerError, match=r"no embedding 'csd'.*clip, openclip-l/pooled"):
        features.embedding("csd")


def test_parts_are_joined_as_they_were_taken_apart(features: Features) -> None:
    again = joined([features.take([0]), features.take([1, 2])])
    for name, values in features.arrays().items():
        np.testing.assert_array_equal(again.arrays()[name], values)
    assert (again.slots, again.broken, again.versions) == (features.slots, features.broken, features.versions)
