"""The VAEs that can decode a subject's pictures, by the names that people know them by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.architecture.widths import Widths
from engine.errors import EngineError
from studies.candidate import MERGED_VAE
from studies.studyfile.spec import Rendering

HASH_DIGITS = 10
"""Digits of a file's SHA-256 in the word of a VAE that the study does not name: another file is another word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedVae:
    """A VAE to decode with.

    Attributes:
        name: for people: the file's, or "merged".
        word: as a candidate names it.
        path: its file; None: the merged VAE, of the subject itself.
        reason: why it cannot decode; "" where it can.
    """

    name: str
    word: str
    path: Path | None
    reason: str = ""


def known_vaes(rendering: Rendering) -> list[NamedVae]:
    """Return the VAEs that a study file names, the one that it begins with first; then the merged one."""
    words: Mapping[str, Path | None] = rendering.vaes or {"": rendering.vae}
    found: list[NamedVae] = []
    for word, path in words.items():
        found.append(NamedVae(name=_name(path, found), word=word, path=path))
    if all(vae.path is not None for vae in found):
        found.append(NamedVae(name=MERGED_VAE, word=MERGED_VAE, path=None))
    return found


def with_files(vaes: Sequence[NamedVae], paths: Sequence[Path], widths: Widths) -> tuple[NamedVae, ...]:
    """Return these and those of more files, each file once; of files that cannot decode with the reason.

    Args:
        vaes: what is known.
        paths: of files that may be among them.
        widths: of the models that they are to decode for.
    """
    from engine.checkpoints.checkpoint import file_sha256
    from engine.checkpoints.vae import read_whole_vae

    found = list(vaes)
    for path in paths:
        if vae_of(path, found) is None:
            word, reason = "", ""
            try:
                read_whole_vae(path, widths)
                word = f"{path.name} {file_sha256(path)[:HASH_DIGITS]}"
            except EngineError as error:
                reason = "; ".join(map(str, error.problems))
            found.append(NamedVae(name=_name(path, found), word=word, path=path, reason=reason))
    return tuple(found)


def vae_of(path: Path | None, vaes: Sequence[NamedVae]) -> NamedVae | None:
    """Return the VAE of a file, or the merged one for None; None where there is none."""
    return next((vae for vae in vaes if _same_file(vae.path, path)), None)


def vae_named(name: str, vaes: Sequence[NamedVae]) -> NamedVae | None:
    """Return the VAE of a name; None where there is none."""
    return next((vae for vae in vaes if vae.name == name), None)


def vae_of_word(word: str, vaes: Sequence[NamedVae]) -> NamedVae:
    """Return the VAE of a candidate; the study's first where its word is none of them."""
    return next((vae for vae in vaes if vae.word == word), vaes[0])


def _same_file(one: Path | None, other: Path | None) -> bool:
    return one is other or (one is not None and other is not None and one.resolve() == other.resolve())


def _name(path: Path | None, others: Sequence[NamedVae]) -> str:
    """The file's name; its whole path where another VAE has that name."""
    if path is None:
        return MERGED_VAE
    return path.name if all(vae.name != path.name for vae in others) else str(path)
