"""Plug-ins: files, classes and entry points; what they do wrong is told, and is never a number."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from scorers.base import ImageScorer
from scorers.catalogue import lookup as catalogue
from scorers.errors import ScorerError
from scorers.panel.panel import Panel
from scorers.panel.settings import PanelSettings
from scorers.scoring.plugins import ImagePlugin, open_plugin

EXAMPLES = Path(__file__).parents[1] / "plugged"
IMAGES = torch.rand(4, 3, 32, 24, generator=torch.Generator().manual_seed(0))
PROMPTS = ("a cat", "a dog", "", "a tree")


def written(folder: Path, text: str) -> Path:
    path = folder / "mine.py"
    path.write_text(text)
    return path


def looked(name: str, here: Path) -> np.ndarray:
    plugin = open_plugin(name, here)
    assert isinstance(plugin, ImagePlugin)
    return plugin.look(IMAGES, PROMPTS)


def test_a_function_and_a_class_see_the_same_pictures() -> None:
    red = IMAGES[:, 0].mean((1, 2)).numpy()
    np.testing.assert_allclose(looked("red.py:Red", EXAMPLES), red)
    np.testing.assert_allclose(looked("red.py", EXAMPLES), red, atol=0.5 / 255)
    np.testing.assert_array_equal(looked("red.py", EXAMPLES), looked("red.py:score", EXAMPLES))


@pytest.mark.parametrize(
    "signature", ["image", "image, prompt", "prompt, image", "picture, prompt=''", "image, prompt='', reverse=False"]
)
def test_functions_get_their_prompt_by_its_name(tmp_path: Path, signature: str) -> None:
    says = "len(prompt)" if "prompt" in signature else "3"
    first = "picture" if "picture" in signature else "image"
    written(tmp_path, f"def score({signature}):\n    return {says} if {first}.size == (24, 32) else -1\n")
    expected = [len(prompt) for prompt in PROMPTS] if "prompt" in signature else [3, 3, 3, 3]
    assert looked("mine.py", tmp_path).tolist() == expected


def test_names_versions_and_paths(tmp_path: Path) -> None:
    path = written(tmp_path, "def score(image):\n    return 1\n")
    first, again = open_plugin("mine.py", tmp_path), open_plugin(f"{path}", Path("elsewhere"))
    assert (first.name, again.name) == ("mine.py", str(path))
    assert first.version == again.version
    written(tmp_path, "def score(image):\n    return 2\n")
    changed = open_plugin("mine.py", tmp_path)
    assert changed.version != first.version
    assert isinstance(changed, ImageScorer)
    assert changed.look(IMAGES, PROMPTS).tolist() == [2, 2, 2, 2]
    assert not isinstance(open_plugin("red.py:Brighter", EXAMPLES), ImageScorer)


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        ("", "gone.py", "there is no such scorer file; correct its path"),
        ("import nothing_of_that_name", "mine.py", "cannot be loaded: ModuleNotFoundError: No module named"),
        ("def score(:", "mine.py", "cannot be loaded: SyntaxError"),
        ("x = 1", "mine.py", "has no 'score'; it needs score\\(image, prompt=\"\"\\) or a class"),
        ("class Red:\n    pass", "mine.py", "has no 'score'; name one: mine.py:Red"),
        ("class Red:\n    pass", "mine.py:Blue", "has no 'Blue'"),
        ("class Red:\n    pass", "mine.py:Red", "is no scorer; give it __call__"),
        ("class Red:\n    def __init__(self, x):\n        pass", "mine.py:Red", "cannot be loaded: TypeError"),
        ("class Red:\n    needs = {'eyes'}\n    def __call__(self, f):\n        pass", "mine.py:Red", "needs 'eyes'"),
        ("class Red:\n    degree = 3\n    def __call__(self, f):\n        pass", "mine.py:Red", "its degree is 3"),
    ],
)
def test_what_cannot_be_a_scorer_is_refused_with_the_reason(tmp_path: Path, text: str, name: str, message: str) -> None:
    written(tmp_path, text)
    with pytest.raises(ScorerError, match=message):
        open_plugin(name, tmp_path)


@pytest.mark.parametrize(
    ("says", "message"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("float('nan')", "returned nan for a picture"),
        ("float('inf')", "returned inf for a picture"),
        ("-1e300", "returned -1e+300 for a picture instead of a number of 1e+100 at most"),
        ("None", "returned NoneType None instead of a number"),
        ("[1, 2]", "returned list"),
    ],
)
def test_a_picture_without_a_number_is_no_zero(
    settings: PanelSettings, paint: Callable[..., Tensor], tmp_path: Path, says: str, message: str
) -> None:
    written(tmp_path, f"def score(image):\n    return 0.5 if image.size != (64, 64) else {says}\n")
    small = replace(settings, weights={"mine.py": 1.0}, here=tmp_path)
    with pytest.raises(ScorerError) as caught:
        Panel.open(small)
    beginning = "scorer 'mine.py' failed: " if "ZeroDivisionError" in message else "scorer 'mine.py': "
    assert str(caught.value).startswith(beginning)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("def look(self, images, prompts):\n        return [1.0, 2.0]", "returned shape \\(2,\\)"),
        ("def look(self, images, prompts):\n        return images.mean((1, 2, 3)) / 0", "numbers beyond 1e\\+100"),
    ],
)
def test_wrong_lengths_and_infinities_of_classes_fail(
    settings: PanelSettings, tmp_path: Path, body: str, message: str
) -> None:
    written(tmp_path, f"class Red:\n    {body}\n")
    with pytest.raises(ScorerError, match=message):
        Panel.open(replace(settings, weights={"mine.py:Red": 1.0}, here=tmp_path))


def test_needed_encoders_are_opened_or_missed(settings: PanelSettings, tmp_path: Path) -> None:
    name = str(EXAMPLES / "red.py:Far")
    panel = Panel.open(replace(settings, weights={name: 1.0}))
    assert list(panel.references.embeddings) == ["clip"]
    text = (EXAMPLES / "red.py").read_text()
    written(tmp_path, text.replace("embedding:clip", "embedding:openclip-h"))
    with pytest.raises(ScorerError, match="openclip-h: there is no CLIP-ViT-H"):
        Panel.open(replace(settings, weights={"mine.py:Far": 1.0}, here=tmp_path, folder=tmp_path))
    written(tmp_path, text.replace("embedding:clip", "embedding:clip/content"))
    with pytest.raises(ScorerError, match=r"scorer 'mine.py:Far': encoder 'clip' gives no embedding 'clip/content'"):
        Panel.open(replace(settings, weights={"mine.py:Far": 1.0}, here=tmp_path))


def test_a_package_offers_scorers(settings: PanelSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A distribution as pip leaves it behind: a module, and metadata with an entry point."""
    (tmp_path / "redness.py").write_text((EXAMPLES / "red.py").read_text())
    info = tmp_path / "redness-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: redness\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(f"[{catalogue.ENTRY_POINTS}]\nredness = redness:Red\nlaion = redness:Red\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "redness", raising=False)
    plugin = open_plugin("redness", Path())
    assert (plugin.name, plugin.version) == ("redness", ", redness 1.2")
    panel = Panel.open(replace(settings, weights={"redness": 1.0}))
    assert panel.references.readings["redness"].shape == (16,)
    with pytest.raises(ScorerError, match="get laion"):
        Panel.open(replace(settings, weights={"laion": 1.0}, folder=tmp_path))
