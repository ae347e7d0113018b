"""The name-clash guard: our four packages have everyday names, so every command checks that they are really ours."""

from __future__ import annotations

from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path

PACKAGES = ("engine", "scorers", "search", "studies")
HOME = Path(__file__).resolve().parents[2]
"""The folder that holds this `studies`, and so must hold the other three."""


class NameClashError(Exception):
    """Another package has one of our names; carries no problems, which are of a package that may not be ours."""


def origins() -> dict[str, Path | None]:
    """Return where Python would import each package from: its folder, or None if it finds none."""
    return {name: _folder(find_spec(name)) for name in PACKAGES}


def _folder(spec: ModuleSpec | None) -> Path | None:
    if spec is None:
        return None
    if spec.origin is not None and spec.origin not in ("namespace", "built-in", "frozen"):
        file = Path(spec.origin).resolve()
        return file.parent if file.name == "__init__.py" else file
    places = list(spec.submodule_search_locations or ())
    return Path(places[0]).resolve() if places else None


def strangers(found: dict[str, Path | None] | None = None) -> dict[str, Path | None]:
    """Return the packages that do not lie beside this one, with the place they come from.

    Args:
        found: what `origins` returned; by default, called again.
    """
    found = origins() if found is None else found
    return {name: place for name, place in found.items() if place != HOME / name}


def check_names() -> None:
    """Stop if another distribution or folder has taken one of our names; takes about a millisecond.

    Raises:
        NameClashError: names each stranger and where it lives.
    """
    others = strangers()
    if others:
        lines = "\n".join(f"  {name}: {place or 'not found at all'}" for name, place in others.items())
        raise NameClashError(
            f"Python finds other packages under the names of recipe-search, which lives in {HOME}:\n{lines}\n"
            "install recipe-search into an environment of its own, and leave folders with these names out of PYTHONPATH"
        )
