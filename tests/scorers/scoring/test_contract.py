"""What every scorer keeps to: built-in ones, every known head and prompt scorer on tiny weights, example plug-ins.

Tolerance: an embedding may differ by rounding when its batch does, by 2e-6 of a unit vector; contributions by 1e-4 of
their spread or 2e-6, whichever is more.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from open_clip import CLIP as CLIP_MODEL
from safetensors.torch import save_file
from torch import Tensor

from scorers.base import Calibration, ImageScorer, Scorer
from scorers.catalogue import lookup as catalogue
from scorers.catalogue.lookup import ScorerChoice
from scorers.catalogue.published import KnownEncoder
from scorers.catalogue.sources import EncoderFiles, FileFinder
from scorers.encoders.opened import Encoders
from scorers.extraction.observer import Observer
from scorers.features import EMBEDDING, READING, STATISTICS, Features
from scorers.panel.registry import ScorerInputs, built_in_scorers, embeddings_of
from scorers.panel.settings import PanelSettings
from scorers.scoring.plugins import open_plugin
from tests.scorers.tiny_encoders import csd_of, write_training_checkpoint
from tests.scorers.tiny_heads import write_head

EXAMPLES = Path(__file__).parents[1] / "plugged"
PLUGINS = ("red.py", "red.py:Red", "red.py:Brighter", "red.py:Far", "red.py:Both")
BUILT_IN = tuple(scorer.name for scorer in catalogue.SCORERS)
NAMES = (*BUILT_IN, "style@csd", "rating@openclip-h", *PLUGINS)
CLIP: dict[str, Any] = {
    "embed_dim": 32,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 48, "head_width": 16, "patch_size": 8},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 1, "layers": 1},
}
WIDTHS = {"pooled": 48, "": 32}


@pytest.fixture(scope="module")
def encoder_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, EncoderFiles]:
    """Every known encoder as a tiny one: its own preprocessing and layout, other weights for each."""
    folder = tmp_path_factory.mktemp("encoders")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        state = {key: value.contiguous() for key, value in CLIP_MODEL(**CLIP).state_dict().items()}
    (folder / "clip.json").write_text(json.dumps(CLIP))
    save_file(state, folder / "clip.safetensors")
    files = {"clip": EncoderFiles(config=folder / "clip.json", weights=folder / "clip.safetensors")}
    for number, known in enumerate(catalogue.ENCODERS):
        files[known.name] = _tiny(known, folder, state, number)
    return files


def _tiny(known: KnownEncoder, folder: Path, state: dict[str, Tensor], seed: int) -> EncoderFiles:
    described = folder / f"{known.name}.json"
    preprocess = {"resize_mode": known.resize}
    described.write_text(json.dumps({"model_cfg": CLIP, "preprocess_cfg": preprocess}))
    if known.name == "csd":
        return EncoderFiles(config=described, weights=write_training_checkpoint(folder / "csd.bin", csd_of(state)))
    generator = torch.Generator().manual_seed(seed)
    proj = torch.randn(state["visual.proj"].shape, generator=generator)
    save_file({**state, "visual.proj": proj}, folder / f"{known.name}.safetensors")
    return EncoderFiles(config=described, weights=folder / f"{known.name}.safetensors")


@pytest.fixture(scope="module")
def heads(tmp_path_factory: pytest.TempPathFactory) -> Callable[[ScorerChoice], Path]:
    folder = tmp_path_factory.mktemp("heads")

    def write(wanted: ScorerChoice) -> Path:
        path = folder / f"{wanted.text}.pth"
        write_head(path, wanted.scorer.layout, WIDTHS[wanted.scorer.view])
        return path

    return write


@pytest.fixture(scope="module")
def make(
    encoder_files: dict[str, EncoderFiles], heads: Callable[[ScorerChoice], Path]
) -> Callable[[str], tuple[Scorer, Encoders]]:
    """A scorer, and the encoders that it reads, each opened once for the module."""
    opened: dict[str, Any] = {}

    def encoders_for(names: set[str]) -> Encoders:
        for name in names - opened.keys():
            opened[name] = Encoders.open({name: encoder_files[name]})[name]
        return Encoders({name: opened[name] for name in names})

    def one(name: str) -> tuple[Scorer, Encoders]:
        if catalogue.is_plugin(name):
            plugin = open_plugin(name, EXAMPLES)
            return plugin, encoders_for(set(embeddings_of([plugin])))
        wanted = catalogue.choice(name)
        own = {wanted.plain: heads(wanted)} if wanted.scorer.heads else {}
        sources = FileFinder("clip", encoder_files, None, own).sources([name])
        assert sources.missing == []
        encoders = encoders_for(set(sources.encoders))
        (scorer,) = built_in_scorers([name], ScorerInputs(encoders=encoders, sources=sources))
        return scorer, encoders

    return one


@pytest.fixture(scope="module")
def observe(paint: Callable[..., Tensor], prompts_of: Callable[[int, int], list[str]]) -> Callable[..., Features]:
    """Pictures seen for a scorer, once for all that read the same embeddings."""
    seen: dict[Any, Features] = {}

    def see(scorer: Scorer, encoders: Encoders, amount: float, rows: tuple[int, ...]) -> Features:
        looking = [scorer] if isinstance(scorer, ImageScorer) else []
        key = (embeddings_of([scorer]), *(one.name for one in looking), amount, rows)
        if key not in seen:
            observer = Observer(encoders, embeddings_of([scorer]), looking, 32)
            prompts = prompts_of(1, 12)
            seen[key] = observer.see(paint(1, 12, amount)[list(rows)], [prompts[row] for row in rows], list(rows))
        return seen[key]

    return see


ALL = tuple(range(6))


Fitted = tuple[Scorer, Callable[..., Features], Features]


@pytest.fixture(scope="module")
def fit(make: Callable[[str], tuple[Scorer, Encoders]], observe: Callable[..., Features]) -> Callable[[str], Fitted]:
    """A scorer fitted on three recipes, what sees for it, and features of six pictures; kept for the module."""

    @functools.cache
    def one(name: str) -> Fitted:
        scorer, encoders = make(name)
        amounts = {"A": 0.0, "FLAT_50": 0.5, "B": 1.0}
        recipes = {label: observe(scorer, encoders, amount, ALL) for label, amount in amounts.items()}
        scorer.fit(Calibration(recipes=recipes, references=observe(scorer, encoders, 0.3, ALL)))
        see = functools.partial(observe, scorer, encoders, 0.7)
        return scorer, see, see(ALL)

    return one


@pytest.fixture
def fitted(request: pytest.FixtureRequest, fit: Callable[[str], Fitted]) -> Fitted:
    return fit(request.param)


every_scorer = pytest.mark.parametrize("fitted", NAMES, indirect=True)


def _same(values: np.ndarray, others: np.ndarray, spread: float) -> None:
    np.testing.assert_allclose(values, others, rtol=0, atol=max(2e-6, 1e-4 * spread))


@every_scorer
def test_every_scorer_keeps_to_the_contract(fitted: Fitted, tmp_path: Path) -> None:
    scorer, see, features = fitted
    values = scorer(features)
    assert values.dtype == np.float64
    assert values.shape == (6,), "one number a picture"
    assert np.isfinite(values).all(), "these pictures are sound, and have prompts"
    spread = float(np.ptp(values))
    assert spread > 0, "it tells these pictures apart"
    np.testing.assert_array_equal(scorer(features), values)
    order = [3, 0, 5, 1, 4, 2]
    _same(scorer(features.take(order)), values[order], spread)
    _same(scorer(see(tuple(order))), values[order], spread)
    if scorer.degree == 1:
        _same(np.concatenate([scorer(see((row,))) for row in (0, 4)]), values[[0, 4]], spread)
    features.save(tmp_path / "kept.safetensors")
    np.testing.assert_array_equal(scorer(Features.load(tmp_path / "kept.safetensors")), values)


@every_scorer
def test_every_scorer_says_what_it_needs_and_reads_nothing_else(fitted: Fitted) -> None:
    scorer, _, features = fitted
    for need in scorer.needs:
        assert need in {STATISTICS, "prompt", "slots", "refs", "image"} or need.startswith(EMBEDDING), need
    kept = {name.removeprefix(EMBEDDING) for name in scorer.needs if name.startswith(EMBEDDING)}
    hidden = replace(
        features,
        embeddings={name: value for name, value in features.embeddings.items() if name in kept},
        statistics=features.statistics if STATISTICS in scorer.needs else np.full_like(features.statistics, np.nan),
        dhash=np.zeros_like(features.dhash),
        prompts=features.prompts if {"prompt", "slots"} & scorer.needs else ("",) * 6,
        seeds=features.seeds if "slots" in scorer.needs else tuple(range(100, 106)),
    )
    np.testing.assert_array_equal(scorer(hidden), scorer(features))


@every_scorer
def test_what_a_scorer_reads_decides(fitted: Fitted) -> None:
    """Without what it needs it has nothing to say: no scorer makes a number out of nothing."""
    scorer, _, features = fitted
    blind = replace(
        features,
        embeddings={name: np.full_like(value, np.nan) for name, value in features.embeddings.items()},
        statistics=np.full_like(features.statistics, np.nan),
        readings={name: np.full_like(value, np.nan) for name, value in features.readings.items()},
    )
    assert np.isnan(scorer(blind)).all()


@every_scorer
def test_one_picture_without_numbers_leaves_the_others(fitted: Fitted) -> None:
    scorer, _, features = fitted
    if scorer.degree == 2:
        return  # its contributions are about all pictures together; the panel leaves broken ones out
    values = scorer(features)
    holed = {name: value.copy() for name, value in features.arrays().items()}
    for name, value in holed.items():
        if name.startswith((EMBEDDING, READING)) or name == STATISTICS:
            value[2] = np.nan
    holed_features = replace(
        features,
        embeddings={name: holed[EMBEDDING + name] for name in features.embeddings},
        statistics=holed[STATISTICS],
        readings={name: holed[READING + name] for name in features.readings},
    )
    assert np.isnan(scorer(holed_features)[2])
    np.testing.assert_array_equal(np.delete(scorer(holed_features), 2), np.delete(values, 2))


@pytest.mark.parametrize("name", NAMES)
def test_names_and_versions_are_stable(name: str, make: Callable[[str], tuple[Scorer, Encoders]]) -> None:
    (one, _), (other, _) = make(name), make(name)
    assert one.name == other.name == name
    assert one.version == other.version
    assert one.version
    assert one.degree in {1, 2}


def test_the_tiny_encoders_cover_all_known_ones(encoder_files: dict[str, EncoderFiles]) -> None:
    assert set(encoder_files) == {"clip", *(known.name for known in catalogue.ENCODERS)}


def test_settings_reach_every_scorer(settings: PanelSettings) -> None:
    """The panel asks ``fit`` once, before anything is scored."""
    from scorers.panel.panel import Panel

    class Counting:
        name, version, needs, degree = "counting", "1", frozenset({"statistics"}), 1
        fits = 0

        def fit(self, calibration: Calibration) -> None:
            self.fits += 1

        def __call__(self, features: Features) -> np.ndarray:
            assert self.fits == 1
            return features.statistics[:, 3].astype(np.float64)

    scorer = Counting()
    panel = Panel.open(replace(settings, weights={"counting": 1.0}), extra=[scorer])
    references = panel.references
    slots = [(f"p{row}", row) for row in range(len(references))]
    with_slots = replace(references, prompts=tuple(p for p, _ in slots), seeds=tuple(s for _, s in slots))
    recipes = {
        label: replace(with_slots, statistics=with_slots.statistics * factor)
        for label, factor in {"A": 0.9, "FLAT_50": 1.0, "B": 1.1}.items()
    }
    panel.calibrate(recipes)
    panel.judge(recipes["B"])
    assert scorer.fits == 1
