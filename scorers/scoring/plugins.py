"""Scorers of one's own: a Python file, or what an installed package offers under the entry-point group.

* ``mine.py``: a file with ``score(image, prompt="")``, a Pillow picture in and a number out, as in the auto-MBW
  extensions.
* ``mine.py:Red``: a class (made without arguments) or a function of that name in the file.
* an entry point's name in the group ``sd_recipe_search.scorers``: the same, from a package.

A class has ``__call__(features)`` (see ``scorers.base.Scorer``), or ``look(images, prompts)`` (see
``scorers.base.ImageScorer``), or both. ``needs``, ``degree``, ``version``, ``aspect`` (one of
``scorers.scoring.aspects``) and ``fit`` are optional. More is better. The SHA-256 of its file is part of its version;
files that it imports are not.

A plug-in runs with all rights of this program: use files that you trust.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import inspect
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from engine.errors import Named
from engine.files import file_kind, user_path
from scorers.base import Calibration, Scorer
from scorers.catalogue import lookup as catalogue
from scorers.catalogue.tensor_files import sha256_of
from scorers.errors import ScorerError
from scorers.features import EMBEDDING, STATISTICS, Features, Values

FUNCTION = "score"
"""Name of the function that a file is a scorer by, unless another name follows the file's."""
NEEDS = frozenset({STATISTICS, "prompt", "slots", "refs", "image"})
"""What a scorer may read besides embeddings."""


def entry_points() -> dict[str, importlib.metadata.EntryPoint]:
    """The entry points that installed packages offer, by name."""
    return {point.name: point for point in importlib.metadata.entry_points(group=catalogue.ENTRY_POINTS)}


def open_plugin(name: str, here: Path) -> Scorer:
    """Load a plug-in.

    Args:
        name: a file as the user wrote it, or an entry point's name.
        here: what the file's path is relative to.

    Raises:
        ScorerError: no such file or entry point, or it cannot be loaded, or is no scorer.
    """
    match = catalogue.PLUGIN.fullmatch(name)
    if match is not None:
        path = here / user_path(match["path"], ScorerError)
        return _wrapped(_from_file(path, match["attribute"]), name, _file_version(path))
    point = entry_points().get(name)
    if point is None:
        raise ScorerError(
            f"no scorer {name!r}", remedy=f"there are {', '.join(sorted(entry_points())) or 'no entry points'}"
        )
    release = f"{point.dist.name} {point.dist.version}" if point.dist else "?"
    return _wrapped(_loaded(f"entry point {name} ({point.value})", point.load), name, release)


def _file_version(path: Path) -> str:
    return f"file {sha256_of(path)}"


def _from_file(path: Path, attribute: str | None) -> Any:
    if file_kind(path) != "file":
        raise ScorerError("there is no such scorer file", place=(path,), remedy="correct its path")
    module = _loaded(str(path), lambda: _module(path))
    name = attribute or FUNCTION
    if not hasattr(module, name):
        classes = [
            key
            for key, value in vars(module).items()
            if isinstance(value, type) and value.__module__ == module.__name__
        ]
        hint = f"name one: {path.name}:{classes[0]}" if classes else 'it needs score(image, prompt="") or a class'
        raise ScorerError(f"has no {name!r}", place=(path,), remedy=hint)
    return getattr(module, name)


def _module(path: Path) -> ModuleType:
    name = f"recipe_search_plugin_{sha256_of(path)[:16]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError("Python cannot load it")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickles look their module up there
    spec.loader.exec_module(module)
    return module


def _loaded(what: str, load: Callable[[], Any]) -> Any:
    """Run someone else's code; whatever it raises becomes a ScorerError with its type and message."""
    try:
        return load()
    except ScorerError as error:
        raise error.under(Named(what)) from error
    except Exception as error:
        raise ScorerError(f"cannot be loaded: {type(error).__name__}: {error}", place=(Named(what),)) from error


def _wrapped(inner: Any, name: str, version: str) -> Scorer:
    if inspect.isfunction(inner):
        inner = ScoreFunction(inner)
    elif isinstance(inner, type):
        inner = _loaded(name, inner)
    reads_images = callable(getattr(inner, "look", None))
    if not reads_images and not callable(inner):
        raise ScorerError(
            "is no scorer", place=(Named(name),), remedy="give it __call__(features) or look(images, prompts)"
        )
    return (ImagePlugin if reads_images else Plugin)(inner, name, version)


class ScoreFunction:
    """Adapts a function ``score(image, prompt="")`` to ``scorers.base.ImageScorer``."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._parameters = inspect.signature(function).parameters

    def look(self, images: Tensor, prompts: Sequence[str]) -> Values:
        """Score pictures one by one, ``(n,)``; the function gets 8-bit pictures.

        Raises:
            ScorerError: the function returned something else than a finite number.
        """
        small = (images * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
        return np.array(
            [self._score(Image.fromarray(pixels), prompt) for pixels, prompt in zip(small, prompts, strict=True)]
        )

    def _score(self, image: Image.Image, prompt: str) -> float:
        given: dict[str, Any] = {"prompt": prompt} if "prompt" in self._parameters else {}
        by_name = "image" in self._parameters
        answer = self._function(image=image, **given) if by_name else self._function(image, **given)
        try:
            number = float(answer)
        except (TypeError, ValueError):
            raise ScorerError(f"returned {type(answer).__name__} {str(answer)[:60]} instead of a number") from None
        if not math.isfinite(number):
            raise ScorerError(f"returned {number} for a picture instead of a finite number")
        return number


class Plugin:
    """A user's scorer under the name that the user wrote, with defaults for the attributes that it lacks."""

    def __init__(self, inner: Any, name: str, version: str) -> None:
        """Wrap ``inner``.

        Raises:
            ScorerError: its ``needs`` names something unknown, or its degree is neither 1 nor 2.
        """
        self.name = name
        self.version = f"{getattr(inner, 'version', '')}, {version}"
        self.needs: frozenset[str] = frozenset(getattr(inner, "needs", ()))
        self.degree: int = getattr(inner, "degree", 1)
        self.aspect = str(getattr(inner, "aspect", ""))
        self._inner = inner
        unknown = sorted(need for need in self.needs - NEEDS if not need.startswith(EMBEDDING))
        if unknown:
            raise ScorerError(
                f"needs {unknown[0]!r}",
                place=(Named(name),),
                remedy=f"there are {', '.join(sorted(NEEDS))}, {EMBEDDING}NAME",
            )
        if self.degree not in {1, 2}:
            raise ScorerError(f"its degree is {self.degree!r}", place=(Named(name),), remedy="it must be 1 or 2")

    def fit(self, calibration: Calibration) -> None:
        """Fit it, if it has ``fit``."""
        if hasattr(self._inner, "fit"):
            self._inner.fit(calibration)

    def __call__(self, features: Features) -> Values:
        """Its contributions, ``(n,)``."""
        return np.asarray(self._inner(features), dtype=np.float64)


class ImagePlugin(Plugin):
    """A plug-in that reads the pictures; its readings are its contributions, unless it has ``__call__`` too."""

    def look(self, images: Tensor, prompts: Sequence[str]) -> Values:
        """Its readings, ``(n,)``."""
        return np.asarray(self._inner.look(images, prompts), dtype=np.float64)

    def __call__(self, features: Features) -> Values:
        """Its contributions, ``(n,)``; in ``features.readings`` its own readings are under its own name too."""
        reading = features.readings[self.name]
        if not callable(self._inner):
            return reading
        own = {**features.readings, getattr(self._inner, "name", self.name): reading}
        return np.asarray(self._inner(replace(features, readings=own)), dtype=np.float64)
