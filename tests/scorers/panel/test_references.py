"""Features of the references: the same from the folder where they are kept, and never from what is damaged there."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from scorers.encoders.preprocess import load_picture
from scorers.errors import ScorerError
from scorers.features import Features
from scorers.panel.panel import Panel
from scorers.panel.settings import PanelSettings

Paint = Callable[..., Tensor]
Write = Callable[[Tensor, Path], tuple[Path, ...]]


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The picture files that were decoded for features, in order."""
    paths: list[Path] = []

    def noted(path: Path) -> Tensor:
        paths.append(path)
        return load_picture(path)

    monkeypatch.setattr("scorers.panel.references.load_picture", noted)
    return paths


@pytest.fixture
def own(settings: PanelSettings, tmp_path: Path) -> PanelSettings:
    """The panel's settings with copies of eight references, and a folder to keep their features in."""
    (tmp_path / "wanted").mkdir()
    paths = tuple(Path(shutil.copy(path, tmp_path / "wanted")) for path in settings.references[:8])
    return replace(settings, references=paths, kept=tmp_path / "kept")


def kept_files(settings: PanelSettings) -> list[Path]:
    """The files with features, sorted by name."""
    assert settings.kept is not None
    return sorted(settings.kept.glob("*/*.safetensors"))


def same(one: Features, other: Features) -> bool:
    """Whether all is equal, bit for bit."""
    arrays, others = one.arrays(), other.arrays()
    words = (one.slots, one.broken, one.versions) == (other.slots, other.broken, other.versions)
    return words and arrays.keys() == others.keys() and all(np.array_equal(arrays[k], others[k]) for k in arrays)


def test_what_is_kept_is_what_is_computed(own: PanelSettings, read: list[Path]) -> None:
    plain = Panel.open(replace(own, kept=None))
    first = Panel.open(own)
    assert len(read) == 16
    again = Panel.open(own)
    assert len(read) == 16
    assert same(first.references, plain.references)
    assert same(again.references, plain.references)
    assert again.version == plain.version
    assert (list(again.references.prompts), list(again.references.seeds)) == ([""] * 8, list(range(8)))


def test_only_new_pictures_are_read(own: PanelSettings, read: list[Path], paint: Paint, write_pictures: Write) -> None:
    Panel.open(own)
    del read[:]
    (new,) = write_pictures(paint(55, 1, 0.5), own.references[0].parent / "more")
    own.references[3].write_bytes(own.references[5].read_bytes())  # by what is in it, not by its name
    panel = Panel.open(replace(own, references=(new, *reversed(own.references))))
    assert read == [new]
    assert same(panel.references.take([3]), replace(panel.references.take([5]), seeds=(3,)))


def test_another_encoder_embeds_and_both_are_kept(
    own: PanelSettings, read: list[Path], clip_files: tuple[Path, Path], tmp_path: Path
) -> None:
    Panel.open(own)
    other = tmp_path / "other.json"
    other.write_text(clip_files[0].read_text().replace('"quick_gelu": true', '"quick_gelu": false'))
    (files,) = own.encoders.values()
    further = replace(own, main="other", encoders={**own.encoders, "other": replace(files, config=other)})
    panel = Panel.open(further)
    assert len(read) == 16
    del read[:]
    assert set(panel.references.embeddings) == {"other"}
    assert same(Panel.open(further).references, panel.references)
    assert set(Panel.open(own).references.embeddings) == {"clip"}
    assert read == []
    assert set(Features.load(kept_files(own)[0]).embeddings) == {"clip", "other"}


def test_another_size_measures_the_statistics_again(own: PanelSettings, read: list[Path]) -> None:
    Panel.open(own)
    smaller = replace(own, render_size=48)
    assert same(Panel.open(smaller).references, Panel.open(replace(smaller, kept=None)).references)
    assert len(read) == 24


def _cut(path: Path, _: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def _flip(path: Path, _: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-9] ^= 4
    path.write_bytes(content)


def _swap(path: Path, other: Path) -> None:
    path.write_bytes(other.read_bytes())


def _empty(path: Path, _: Path) -> None:
    path.write_bytes(b"")


def _narrow(path: Path, _: Path) -> None:
    features = Features.load(path)
    replace(features, embeddings={"clip": features.embedding("clip")[:, :8]}).save(path)


def _other_columns(path: Path, _: Path) -> None:
    features = Features.load(path)
    replace(features, statistics=features.statistics[:, :5]).save(path)


def _lost_embedding(path: Path, _: Path) -> None:
    replace(Features.load(path), embeddings={}).save(path)


def _two_rows(path: Path, _: Path) -> None:
    Features.load(path).take([0, 0]).save(path)


@pytest.mark.parametrize(
    "damage",
    [_cut, _flip, _swap, _empty, _narrow, _other_columns, _lost_embedding, _two_rows],
    ids=lambda f: f.__name__,
)
def test_what_is_damaged_is_computed_again(
    own: PanelSettings, read: list[Path], damage: Callable[[Path, Path], None]
) -> None:
    whole = Panel.open(own).references
    del read[:]
    files = kept_files(own)
    damage(files[0], files[1])
    assert same(Panel.open(own).references, whole)
    assert len(read) == 1
    assert same(Panel.open(own).references, whole)
    assert len(read) == 1


def test_a_blank_picture_is_refused_at_every_start(own: PanelSettings, write_pictures: Write) -> None:
    (blank,) = write_pictures(torch.full((1, 3, 64, 64), 0.5), own.references[0].parent / "blank")
    for _ in range(2):
        with pytest.raises(ScorerError, match="shows nothing: blank"):
            Panel.open(replace(own, references=(*own.references, blank)))


def test_nothing_is_made_where_there_is_no_study(own: PanelSettings, tmp_path: Path) -> None:
    Panel.open(replace(own, kept=tmp_path / "study" / "kept"))
    assert not (tmp_path / "study").exists()


def test_a_folder_that_cannot_be_made_is_no_error(
    own: PanelSettings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "kept").write_text("a file")
    Panel.open(own)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "references are not kept" in caplog.text


def test_a_kept_picture_that_cannot_be_read_any_more_is_named(
    own: PanelSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    Panel.open(own)

    def refuse(path: Path) -> Tensor:
        raise ScorerError("has too many pixels to be read", place=(path,))

    monkeypatch.setattr("scorers.panel.references.load_picture", refuse)
    with pytest.raises(ScorerError) as caught:
        Panel.open(replace(own, render_size=48))
    assert len(caught.value.problems) == len(own.references)
