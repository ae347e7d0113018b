"""The command line of a script: its files are checked, then the checkpoint is written."""

from __future__ import annotations

import argparse
import hashlib
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from engine.exports.script.parts.formulas import ScriptError
from engine.exports.script.parts.new_file import SIZES, Output, write
from engine.exports.script.parts.results import Model, readable, vae_tensors


def sha256_of(path: Path) -> str:
    """SHA-256 of a file."""
    digest = hashlib.sha256()
    with readable(path).open("rb") as file:
        while data := file.read(1 << 22):
            digest.update(data)
    return digest.hexdigest()


def place_of(name: str, file: Mapping[str, str], given: str | None) -> Path:
    """Where a file is: as it was given, beside this script, or where it was when the script was made."""
    places = [Path(given)] if given else [Path(__file__).with_name(file["file"]), Path(file["path"])]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        looked = " and ".join(str(place) for place in places)
        way = f"--vae {file['file']}" if name == "the VAE" else f"{name}=PATH"
        raise ScriptError(f"{name} ({file['file']}) is not at {looked}: name it with {way}")
    return found


def checked(files: Mapping[str, Mapping[str, str]], given: Mapping[str, str | None]) -> dict[str, Path]:
    """Where the files are, by name; all of them are read once to see that they are the right ones."""
    paths, wrong = dict[str, Path](), list[str]()
    for name, file in files.items():
        try:
            paths[name] = place_of(name, file, given.get(name))
            sys.stdout.write(f"checking {name}: {paths[name]}\n")
            sys.stdout.flush()
            found = sha256_of(paths[name])
        except (ScriptError, OSError) as error:
            wrong.append(str(error))
            continue
        if found != file["sha256"]:
            needed = f"SHA-256 {found}, and {file['sha256']} is needed"
            wrong.append(f"{name}: {paths[name]} is another file than {file['file']} ({needed})")
    if wrong:
        raise ScriptError("\n".join(wrong))
    return paths


def check_out(out: Path, parents: Sequence[Path], size: int, *, overwrite: bool) -> None:
    """Refuse a path that no checkpoint can be written to."""
    if out.suffix != ".safetensors":
        raise ScriptError(f"{out}: the name of a checkpoint ends in .safetensors")
    if not out.parent.is_dir():
        raise ScriptError(f"{out}: there is no folder {out.parent}: make it first")
    if any(out.exists() and out.samefile(parent) for parent in parents):
        raise ScriptError(f"{out}: this is one of the parents: choose another name")
    if out.is_dir() or (out.exists() and not overwrite):
        raise ScriptError(f"{out}: exists already: choose another name, or add --overwrite")
    if (free := shutil.disk_usage(out.parent).free) < size:
        raise ScriptError(f"{out}: the checkpoint needs {size:,} bytes, {free:,} are free on this disk")


def arguments(models: Mapping[str, Mapping[str, str]], out: str, title: str) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=title)
    parser.add_argument("models", nargs="*", metavar="NAME=PATH", help=f"where a model is: {', '.join(models)}")
    parser.add_argument("--vae", help="where the VAE file is")
    parser.add_argument("--out", default=out, help="the new file (default: %(default)s)")
    parser.add_argument("--overwrite", action="store_true", help="replace a file that exists")
    given = parser.parse_args()
    for text in given.models:
        if text.partition("=")[0] not in models or "=" not in text:
            parser.error(f"{text}: write NAME=PATH, where NAME is one of {', '.join(models)}")
    return given


def build(
    given: argparse.Namespace,
    *,
    models: Mapping[str, Mapping[str, str]],
    vae: Mapping[str, str] | None,
    tensors: Mapping[str, tuple[str, str] | None],
    root: str,
    metadata: Mapping[str, str],
    merge: Callable[[Mapping[str, Model]], Any],
) -> Iterator[str]:
    """Check, merge and write; yields what is to be said."""
    out = Path(given.out)
    files = {**models, **({"the VAE": vae} if vae else {})}
    paths = checked(files, {**dict(text.split("=", 1) for text in given.models), "the VAE": given.vae})
    opened = {name: Model(paths[name]) for name in models}
    baked = vae_tensors(paths["the VAE"]) if vae else {}
    output = Output(opened, merge(opened), tensors, root, baked)
    header = output.header(metadata)
    data = sum(int(np.prod(output.result.shapes[key])) * SIZES[output.dtype[key]] for key in output.order)
    check_out(out, list(paths.values()), len(header) + data, overwrite=given.overwrite)
    yield f"merging {len(output.order)} tensors"
    digest = write(out, output, metadata)
    yield f"{out}: SHA-256 {digest}, short hash {digest[:10]}"


def main(*, title: str, out: str, **content: Any) -> None:
    """Run the command; what goes wrong is said in words."""
    for stream in (sys.stdout, sys.stderr):
        getattr(stream, "reconfigure", lambda **_: None)(errors="replace")
    given = arguments(content["models"], out, title)
    try:
        for line in build(given, **content):
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
    except (ScriptError, OSError) as error:
        sys.exit(f"error: {error}")
