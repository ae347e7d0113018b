"""Scorers of one's own: a Python file, or what an installed package offers under the entry-point group.

* ``mine.py``: a file with ``score(image, prompt="")``, a Pillow picture in and a number out, as in the auto-MBW
  extensions.
* ``mine.py:Red``: a class (made without arguments) or a function of that name in the file.
* an entry point's name in the group ``sd_recipe_search.scorers``: the same, from a package.

A class has ``__call__(features)`` (see ``scorers.base.Scorer``), or ``look(images, prompts)`` (see
``scorers.base.ImageScorer``), or both. ``needs``, ``degree``, ``version``, ``aspect`` (one of
``scorers.scoring.aspects``) and ``fit`` are optional. More is better. The SHA-256 of its file is part of its version;
files that it imports are not.

A plug-in runs with all rights of this program: use files that you trust. The commands ask for that trust, and nothing
of a file runs before; what they asked for is exactly what runs, since no compiled copy beside the file is looked at.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import inspect
import re
import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, Self

import numpy as np
from PIL import Image
from torch import Tensor

from engine.errors import Named
from engine.files import file_kind, readable, user_path
from scorers.base import LARGEST, Calibration, Scorer
from scorers.catalogue import lookup as catalogue
from scorers.errors import ScorerError
from scorers.features import EMBEDDING, STATISTICS, Features, Values
from scorers.scoring.watch import TIME_LIMIT_S, watched

FUNCTION = "score"
"""Name of the function that a file is a scorer by, unless another name follows the file's."""
TRUST = "read it, and if you trust it, run the command again with --trust"
"""The way to let a file run."""
NEEDS = frozenset({STATISTICS, "prompt", "slots", "refs", "image"})
"""What a scorer may read besides embeddings."""


def entry_points() -> dict[str, importlib.metadata.EntryPoint]:
    """The entry points that installed packages offer, by name."""
    return {point.name: point for point in importlib.metadata.entry_points(group=catalogue.ENTRY_POINTS)}


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginFile:
    """A plug-in's file as it is now."""

    path: Path
    """Absolute, without links."""
    content: bytes

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a file.

        Raises:
            ScorerError: it is not there, or cannot be read.
        """
        if not file_kind(path):
            raise ScorerError("there is no such scorer file", place=(path,), remedy="correct its path")
        try:
            return cls(path=path.resolve(), content=readable(path).read_bytes())
        except OSError as error:
            raise ScorerError(f"cannot be read ({error.strerror})", place=(path,), remedy="allow it") from error

    @property
    def sha256(self) -> str:
        """Of the content."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def identity(self) -> tuple[str, str]:
        """Path and SHA-256: what a person trusts."""
        return str(self.path), self.sha256


def _path_of(match: re.Match[str], here: Path) -> Path:
    """The file that a scorer's name names."""
    return here / user_path(match["path"], ScorerError)


def plugin_files(names: Iterable[str], here: Path) -> tuple[PluginFile, ...]:
    """The files among the names of scorers, each once, without running them; those that are not there are left out."""
    paths = [_path_of(match, here) for name in names if (match := catalogue.PLUGIN.fullmatch(name)) is not None]
    return tuple({path.resolve(): PluginFile.read(path) for path in paths if file_kind(path) == "file"}.values())


def open_plugin(
    name: str, here: Path, *, trusted: Collection[tuple[str, str]] | None = None, time_limit_s: float = TIME_LIMIT_S
) -> Scorer:
    """Load a plug-in.

    Args:
        name: a file as the user wrote it, or an entry point's name.
        here: what the file's path is relative to.
        trusted: the files that may run, by their ``PluginFile.identity``; None: every file.
        time_limit_s: seconds that one call of it may take; 0: as long as it likes.

    Raises:
        ScorerError: no such file or entry point, or it is not trusted, cannot be loaded, or is no scorer.
    """
    match = catalogue.PLUGIN.fullmatch(name)
    if match is not None:
        path = _path_of(match, here)
        file = PluginFile.read(path)
        if trusted is not None and file.identity not in trusted:
            raise ScorerError("is a program that nobody has allowed to run here", place=(path,), remedy=TRUST)
        inner = _from_file(path, file, match["attribute"] or FUNCTION, time_limit_s)
        return _wrapped(inner, name, f"file {file.sha256}", time_limit_s)
    point = entry_points().get(name)
    if point is None:
        raise ScorerError(
            f"no scorer {name!r}", remedy=f"there are {', '.join(sorted(entry_points())) or 'no entry points'}"
        )
    release = f"{point.dist.name} {point.dist.version}" if point.dist else "?"
    inner = _loaded(f"entry point {name} ({point.value})", point.load, time_limit_s)
    return _wrapped(inner, name, release, time_limit_s)


def _from_file(path: Path, file: PluginFile, name: str, time_limit_s: float) -> Any:
    module = _loaded(str(path), lambda: _module(path, file), time_limit_s)
    if not hasattr(module, name):
        classes = [
            key
            for key, value in vars(module).items()
            if isinstance(value, type) and value.__module__ == module.__name__
        ]
        hint = f"name one: {path.name}:{classes[0]}" if classes else 'it needs score(image, prompt="") or a class'
        raise ScorerError(f"has no {name!r}", place=(path,), remedy=hint)
    return getattr(module, name)


class _ContentLoader(SourceFileLoader):
    """Runs a content that was read already: neither a file that changed since, nor a compiled one beside it."""

    def __init__(self, name: str, file: PluginFile) -> None:
        super().__init__(name, str(file.path))
        self._content = file.content

    def get_code(self, fullname: str) -> CodeType:
        """The code of the content."""
        return self.source_to_code(self._content, self.path)


def _module(path: Path, file: PluginFile) -> ModuleType:
    name = f"recipe_search_plugin_{file.sha256[:16]}"
    spec = importlib.util.spec_from_file_location(name, path, loader=_ContentLoader(name, file))
    if spec is None or spec.loader is None:
        raise ImportError("Python cannot load it")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickles look their module up there
    spec.loader.exec_module(module)
    return module


def _loaded(what: str, load: Callable[[], Any], time_limit_s: float) -> Any:
    """Run someone else's code; whatever it raises becomes a ScorerError with its type and message."""
    try:
        with watched(what, time_limit_s):
            return load()
    except ScorerError as error:
        raise error.under(Named(what)) from error
    except Exception as error:
        raise ScorerError(f"cannot be loaded: {type(error).__name__}: {error}", place=(Named(what),)) from error


def _wrapped(inner: Any, name: str, version: str, time_limit_s: float) -> Scorer:
    if inspect.isfunction(inner):
        inner = ScoreFunction(inner)
    elif isinstance(inner, type):
        inner = _loaded(name, inner, time_limit_s)
    reads_images = callable(getattr(inner, "look", None))
    if not reads_images and not callable(inner):
        raise ScorerError(
            "is no scorer", place=(Named(name),), remedy="give it __call__(features) or look(images, prompts)"
        )
    kind = ImagePlugin if reads_images else Plugin
    return _loaded(name, lambda: kind(inner, name, version, time_limit_s), time_limit_s)


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
        if not abs(number) <= LARGEST:
            raise ScorerError(f"returned {number:g} for a picture instead of a number of {LARGEST:g} at most")
        return number


class Plugin:
    """A user's scorer under the name that the user wrote, with defaults for the attributes that it lacks."""

    def __init__(self, inner: Any, name: str, version: str, time_limit_s: float = TIME_LIMIT_S) -> None:
        """Wrap ``inner``; each of its calls may take ``time_limit_s`` seconds, 0 being no limit.

        Raises:
            ScorerError: its ``needs`` names something unknown, or its degree is neither 1 nor 2.
        """
        self.name = name
        self.version = f"{getattr(inner, 'version', '')}, {version}"
        self.needs: frozenset[str] = frozenset(getattr(inner, "needs", ()))
        self.degree: int = getattr(inner, "degree", 1)
        self.aspect = str(getattr(inner, "aspect", ""))
        self._inner = inner
        self._time_limit_s = time_limit_s
        unknown = sorted(need for need in self.needs - NEEDS if not need.startswith(EMBEDDING))
        if unknown:
            known = f"{', '.join(sorted(NEEDS))}, {EMBEDDING}NAME"
            raise ScorerError(f"needs {unknown[0]!r}", remedy=f"there are {known}")
        if self.degree not in {1, 2}:
            raise ScorerError(f"its degree is {self.degree!r}", remedy="it must be 1 or 2")

    def fit(self, calibration: Calibration) -> None:
        """Fit it, if it has ``fit``.

        Raises:
            ScorerError: it failed.
        """
        if not hasattr(self._inner, "fit"):
            return
        try:
            with self._watched():
                self._inner.fit(calibration)
        except ScorerError as error:
            raise error.under(Named(f"scorer {self.name!r}")) from error
        except Exception as error:
            raise ScorerError(f"scorer {self.name!r} failed in fit: {type(error).__name__}: {error}") from error

    def __call__(self, features: Features) -> Values:
        """Its contributions, ``(n,)``."""
        with self._watched():
            return np.asarray(self._inner(features), dtype=np.float64)

    def _watched(self) -> AbstractContextManager[None]:
        return watched(self.name, self._time_limit_s)


class ImagePlugin(Plugin):
    """A plug-in that reads the pictures; its readings are its contributions, unless it has ``__call__`` too."""

    def look(self, images: Tensor, prompts: Sequence[str]) -> Values:
        """Its readings, ``(n,)``."""
        with self._watched():
            return np.asarray(self._inner.look(images, prompts), dtype=np.float64)

    def __call__(self, features: Features) -> Values:
        """Its contributions, ``(n,)``; in ``features.readings`` its own readings are under its own name too."""
        reading = features.readings[self.name]
        if not callable(self._inner):
            return reading
        own = {**features.readings, getattr(self._inner, "name", self.name): reading}
        with self._watched():
            return np.asarray(self._inner(replace(features, readings=own)), dtype=np.float64)
