"""What a panel is made of: references and settings that are refused, and its version."""

from __future__ import annotations

import copy
import json
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from scorers.errors import ScorerError, ScorerWarning
from scorers.features import Features
from scorers.panel.panel import Panel
from scorers.panel.settings import PanelSettings

Paint = Callable[..., Tensor]
Prompts = Callable[[int, int], list[str]]


# --------------------------------------------------------------------------------------------------- references


def test_few_references_are_refused_or_warned_about(settings: PanelSettings) -> None:
    with pytest.raises(ScorerError, match="3 reference pictures; at least 4"):
        Panel.open(replace(settings, references=settings.references[:3]))
    with pytest.warns(ScorerWarning, match="only 5 references"):
        Panel.open(replace(settings, references=settings.references[:5]))


def test_references_that_are_no_pictures_are_all_named(settings: PanelSettings, tmp_path: Path) -> None:
    wrong = tmp_path / "a.png", tmp_path / "b.jpg"
    for path in wrong:
        path.write_text("no picture")
    with pytest.raises(ScorerError) as caught:
        Panel.open(replace(settings, references=(*settings.references, *wrong)))
    assert all(str(path) in str(caught.value) for path in wrong)


def test_blank_references_are_refused(
    settings: PanelSettings, write_pictures: Callable[[Tensor, Path], tuple[Path, ...]], tmp_path: Path
) -> None:
    blank = write_pictures(torch.stack([torch.zeros(3, 64, 64), torch.full((3, 64, 64), 0.7)]), tmp_path)
    with pytest.raises(
        ScorerError, match=r"(?s)the references: 2 problems:.*shows nothing: black.*shows nothing: blank"
    ):
        Panel.open(replace(settings, references=(*settings.references, *blank)))


def test_problems_of_settings_are_all_reported(settings: PanelSettings) -> None:
    with pytest.raises(ScorerError) as caught:
        Panel.open(replace(settings, weights={"stlye": 1.0, "clip": -1.0, "stats": float("nan")}, references=()))
    for part in ("no scorer 'stlye'", "'clip' is -1.0", "'stats' is nan", "0 reference pictures"):
        assert part in str(caught.value)
    with pytest.raises(ScorerError, match="no scorer has a weight"):
        Panel.open(replace(settings, weights={"style": 0.0}))


def test_smaller_renders_are_remarked_unless_announced(settings: PanelSettings) -> None:
    images = torch.rand(1, 3, 48, 48)
    with pytest.warns(ScorerWarning, match="pictures of 48 px"):
        Panel.open(settings).features(images, ["a cat"], [0])
    panel = Panel.open(replace(settings, render_size=48))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        panel.features(images, ["a cat"], [0])
    assert panel.observer.size == 48


# ------------------------------------------------------------------------------------------------------ version


def _with_encoder(settings: PanelSettings, **files: Any) -> PanelSettings:
    return replace(settings, encoders={"clip": replace(settings.encoders["clip"], **files)})


def test_version_changes_with_whatever_changes_numbers(
    settings: PanelSettings, clip_config: dict[str, Any], clip_files: tuple[Path, Path], tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    state = load_file(clip_files[1])
    state["visual.proj"] = state["visual.proj"] + 1e-4
    save_file(state, tmp_path / "other.safetensors")
    config = tmp_path / "published.json"
    config.write_text(json.dumps({"model_cfg": clip_config, "preprocess_cfg": {"resize_mode": "squash"}}))
    changed = {
        "weights file": _with_encoder(settings, weights=tmp_path / "other.safetensors"),
        "preprocessing": _with_encoder(settings, config=config),
        "references": replace(settings, references=settings.references[:-1]),
        "weights": replace(settings, weights={**settings.weights, "clip": 0.25}),
        "scorers": replace(settings, weights={"style": 1.0}),
        "size": replace(settings, render_size=48),
    }
    versions = {name: Panel.open(other).version for name, other in changed.items()}
    versions["as it is"] = Panel.open(settings).version
    assert len(set(versions.values())) == len(versions)
    reordered = replace(settings, references=settings.references[::-1])
    assert Panel.open(reordered).version == versions["as it is"]


def test_version_changes_with_a_scorer_but_not_with_the_calibration(
    calibrated: Panel, look: Callable[..., Features], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = calibrated.version
    other = copy.deepcopy(calibrated)
    other.calibrate({"A": look(0.0), "B": look(1.0), "FLAT_50": look(0.5)})
    assert other.version == before
    monkeypatch.setattr("scorers.scoring.style.Style.version", "another")
    assert calibrated.version != before


def test_an_unknown_precision_is_named(settings: PanelSettings) -> None:
    with pytest.raises(ScorerError, match="encoders run in fp32, fp16, bf16, not in 'half'"):
        Panel.open(replace(settings, precision="half"))
