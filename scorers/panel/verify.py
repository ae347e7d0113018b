"""Check files before they are needed: open each as a panel would, and compare it with what is published."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.errors import Problem
from scorers.catalogue import lookup as catalogue
from scorers.catalogue.published import Files
from scorers.catalogue.sources import EncoderFiles, Sources
from scorers.encoders.encoder import Encoder
from scorers.errors import ScorerError
from scorers.scoring.heads import HeadScorer, published_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """The result for one file.

    Attributes:
        name: the encoder or scorer that the file is for.
        path: the file.
        identity: which published file it is, or that it is not a known one.
        problems: why it cannot be used; none if it can.
        remark: what the user should know although it can be used.
    """

    name: str
    path: Path
    identity: str = ""
    problems: tuple[Problem, ...] = ()
    remark: str = ""


def verified(sources: Sources) -> Iterator[Verified]:
    """Open every file of a panel, one at a time, and report what each is."""
    widths: dict[str, int] = {}
    for name, files in sources.encoders.items():
        yield _encoder(name, files, name in sources.prompted, widths)
    for text, path in sources.heads.items():
        yield _head(text, path, sources.embeddings[text], widths)


def _encoder(name: str, files: EncoderFiles, prompted: bool, widths: dict[str, int]) -> Verified:
    try:
        encoder = Encoder.open(files.config, files.weights, text=prompted)
    except ScorerError as error:
        return Verified(name=name, path=files.weights, problems=error.problems)
    widths |= {f"{name}/{view}" if view else name: encoder.width(view) for view in encoder.views}
    known = catalogue.encoder_named(name)
    mute = Problem(what=f"encoder {name} reads no prompts offline", remedy="take another one")
    problems = () if encoder.reads_text or not prompted else (mute,)
    identity, remark = _identity(files.weights, encoder.weights_sha256, known.files if known else ())
    return Verified(name=name, path=files.weights, identity=identity, problems=problems, remark=remark)


def _head(text: str, path: Path, embedding: str, widths: dict[str, int]) -> Verified:
    scorer = catalogue.choice(text).scorer
    try:
        rating = HeadScorer(text, scorer, path, embedding)
        if embedding in widths:
            rating.check_width(widths[embedding])
    except ScorerError as error:
        return Verified(name=text, path=path, problems=error.problems)
    files = tuple(file for several in scorer.heads.values() for file in several)
    identity, remark = _identity(path, rating.sha256, files)
    fingerprint = published_name(rating.head)
    if fingerprint and remark:
        return Verified(name=text, path=path, identity=f"the numbers of {fingerprint}, in another file")
    return Verified(name=text, path=path, identity=identity, remark=remark)


def _identity(path: Path, sha256: str, files: Files) -> tuple[str, str]:
    """Which file it is, and a remark if it has the name of a published one but not its hash."""
    owner = catalogue.owner_of(sha256)
    if owner is not None:
        return f"the published {owner[1].name}", ""
    unlike = [file for file in files if path.as_posix().endswith(file.name) and file.is_file_of(sha256) is False]
    if unlike:
        remark = f"its SHA-256 is {sha256}, published is {unlike[0].sha256}; get it again unless you changed it"
        return "not the published file of that name", remark
    return f"no file whose hash is known, SHA-256 {sha256[:12]}...", ""
