"""Where a picture's text comes from: the program that wrote it, what it leaves open, and the embeddings it names.

Programs are known by the pairs "Version" and "App": the WebUI's versions begin with a number ("v1.10.1"), Forge's with
an f ("f2.0.1v1.10.1-previous-665-gae278f79"), Forge Neo's and Forge Classic's are words, ComfyUI's nodes and Civitai
write "ComfyUI", SD.Next writes "App: SD.Next" beside a commit. Free of torch.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

from engine.shots.compatibility import number_of_version
from engine.shots.limits import LATENT_STEP

COMFY = "ComfyUI"
"""The program whose noise comes from the CPU where the text does not say so."""
OWN = "sd-recipe-search"
"""How the version begins that this project writes."""
TI_HASHES, HASHES, LORA_HASHES = "TI hashes", "Hashes", "Lora hashes"
"""The keys that say which embeddings and networks a picture was made with."""
OPEN = {"Steps": "20", "CFG scale": "7", "Seed": "1", "Size": "512x512"}
"""Keys that a WebUI always writes, and what is taken where they are missing."""

_PROGRAMS = (
    (re.compile(r"comfy", re.IGNORECASE), COMFY),
    (re.compile(r"sd\.?next|vladmandic", re.IGNORECASE), "SD.Next"),
    (re.compile(r"reforge", re.IGNORECASE), "Forge (reForge)"),
    (re.compile(r"neo\b", re.IGNORECASE), "Forge Neo"),
    (re.compile(r"classic\b", re.IGNORECASE), "Forge Classic"),
    (re.compile(r"f\d+\.\d+|forge", re.IGNORECASE), "Forge"),
    (re.compile(r"fooocus", re.IGNORECASE), "Fooocus"),
    (re.compile(r"invoke", re.IGNORECASE), "InvokeAI"),
    (re.compile(r"diffusers", re.IGNORECASE), "diffusers"),
)
_EMBEDDING = "embed:"
_OWN_HASHES = frozenset({"model", "vae"})


def program_of(fields: Mapping[str, str]) -> str:
    """Return the program that made a picture where it is not the WebUI, as messages name it; else ""."""
    version, app = fields.get("Version", "").strip(), fields.get("App", "").strip()
    if not app and (not version or version.startswith(OWN) or number_of_version(version)):
        return ""
    for pattern, name in _PROGRAMS:
        if pattern.match(app) or pattern.match(version):
            return name
    return app or f'a program of version "{version}"'


def origin_remarks(fields: Mapping[str, str]) -> Iterator[str]:
    """Yield what a person should know of a picture's text before it is rendered; the picture's name comes before.

    Args:
        fields: As ``engine.shots.infotext.read_fields`` gives them.
    """
    if program := program_of(fields):
        noise = " and its noise taken from the CPU" if program == COMFY and "RNG" not in fields else ""
        how = f"its settings are read as the WebUI 1.10 reads them{noise}; the picture may differ"
        yield f"was made by {program}: {how}"
    missing = [f"{key} ({value} unless an option says another)" for key, value in OPEN.items() if key not in fields]
    if missing:
        yield f"does not say {', '.join(missing)}"
    sides = re.fullmatch(r"(\d{1,9})x(\d{1,9})", fields.get("Size", ""))
    if sides and any(int(side) % LATENT_STEP for side in sides.groups()):
        made = "x".join(str(int(side) // LATENT_STEP * LATENT_STEP) for side in sides.groups())
        yield f"says Size: {sides[0]}, of which a WebUI makes {made}"


def named_embeddings(fields: Mapping[str, str]) -> dict[str, str]:
    """Return the embeddings that a picture was made with: the beginning of each file's SHA-256, by its name."""
    pairs = [pair.rpartition(":") for pair in fields.get(TI_HASHES, "").split(",")]
    found = {name.strip(): digits.strip() for name, colon, digits in pairs if colon}
    inside = {key: digits for key, digits in _hashes(fields).items() if key.startswith(_EMBEDDING)}
    return {key.removeprefix(_EMBEDDING): digits for key, digits in inside.items()} | found


def named_networks(fields: Mapping[str, str]) -> list[str]:
    """Return what the text's hashes say of files besides model, VAE and embeddings, such as "lora:style", sorted."""
    others = [key for key in _hashes(fields) if key not in _OWN_HASHES and not key.startswith(_EMBEDDING)]
    return [] if LORA_HASHES in fields else sorted(others)


def _hashes(fields: Mapping[str, str]) -> dict[str, str]:
    """The one pair of the text whose value is an object of JSON, by its names."""
    try:
        found: Any = json.loads(fields.get(HASHES, "{}"))
    except ValueError:
        return {}
    return (
        {str(key): str(value) for key, value in cast("dict[Any, Any]", found).items()}
        if isinstance(found, dict)
        else {}
    )
