"""Opening and rendering ask no network for anything, and equivalent files give equal pictures."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from engine.architecture.widths import SDXL_TEXT_L, TEXT, UNET, VAE, FamilyName
from engine.engine import Engine
from engine.recipes.recipe import Recipe, SelfStep
from engine.shots.shot import Shot
from tests.engine.models.tiny import modules, tensors
from tests.engine.models.tiny_families import OTHERS, family_modules, family_tensors
from tests.engine.models.tiny_models import NARROWEST

Content = dict[str, Tensor]
FAMILIES: tuple[FamilyName, ...] = ("sd1", "sd2", "sdxl")
SHOT = Shot(prompt="a red house", negative="grey", seed=5, width=64, height=64, steps=1, cfg=3.0)
DTYPES = (torch.float16, torch.float32, torch.bfloat16)


def as_it_is(family: FamilyName) -> Recipe:
    return Recipe(steps=(SelfStep(factors=()),), family=family)


def content_of(family: FamilyName) -> Content:
    """Numbers that fp16, bf16 and fp32 all hold exactly."""
    if family == "sd1":
        content = tensors(modules(NARROWEST, 1))
    else:
        content = family_tensors(OTHERS[family], family_modules(family, 1))
    return {key: value.bfloat16().half() if value.dtype == torch.float16 else value for key, value in content.items()}


@pytest.fixture(scope="module")
def contents() -> dict[str, Content]:
    return {family: content_of(family) for family in FAMILIES}


@pytest.fixture
def attempts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was asked of a network; every attempt is refused too."""
    found: list[str] = []

    def refuse(name: str) -> Callable[..., None]:
        def asked(*words: object, **_: object) -> None:
            found.append(f"{name} {words}")
            raise OSError("there is no network")

        return asked

    for name in ("socket", "create_connection", "getaddrinfo", "gethostbyname"):
        monkeypatch.setattr(socket, name, refuse(name))
    return found


def picture(family: FamilyName, path: Path, vae: Path | None = None) -> Tensor:
    with Engine.open({"A": path}, device="cpu", round_to="fp32", vae=vae) as engine:
        engine.build(as_it_is(family))
        return engine.render([SHOT])


@pytest.fixture(scope="module")
def originals(contents: dict[str, Content], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tensor]:
    """The picture of each family's plain file, VAE inside."""
    folder, found = tmp_path_factory.mktemp("originals"), dict[str, Tensor]()
    for family in FAMILIES:
        save_file(contents[family], folder / f"{family}.safetensors")
        found[family] = picture(family, folder / f"{family}.safetensors")
    return found


# ------------------------------------------------------------------------------------------------ equivalent files


def parted(content: Content) -> tuple[Content, Content]:
    """The model without its VAE, and the VAE under bare names."""
    rest = {key: value for key, value in content.items() if not key.startswith(VAE)}
    return rest, {key.removeprefix(VAE): value for key, value in content.items() if key.startswith(VAE)}


def dtypes(content: Content) -> dict[str, torch.dtype]:
    return {key: value.dtype for key, value in content.items()}


def old_text(content: Content) -> Content:
    return {key.replace(TEXT, "cond_stage_model.transformer."): value for key, value in content.items()}


def with_ema(content: Content) -> Content:
    """Averaged weights that would spoil every picture."""
    ema = {
        f"model_ema.{key.removeprefix('model.').replace('.', '')}": torch.full_like(value, torch.nan)
        for key, value in content.items()
        if key.startswith(UNET)
    }
    return content | ema | {"model_ema.decay": torch.tensor(0.9999), "model_ema.num_updates": torch.tensor(7)}


def mixed_dtypes(content: Content) -> Content:
    kinds = {key: DTYPES[number % 3] for number, key in enumerate(sorted(content))}
    return {key: value.to(kinds[key]) if value.dtype == torch.float16 else value for key, value in content.items()}


def odd_positions(content: Content) -> Content:
    """Position numbers as merges in fp16 leave them, and worse."""
    prefix = SDXL_TEXT_L if any(key.startswith(SDXL_TEXT_L) for key in content) else TEXT
    return content | {f"{prefix}embeddings.position_ids": torch.linspace(-9, 99, 77)[None].half()}


CHANGES: dict[str, Callable[[Content], Content]] = {
    "old text names": old_text, "EMA": with_ema, "mixed dtypes": mixed_dtypes, "position numbers": odd_positions,
}  # fmt: skip
CASES = [(family, name) for family in FAMILIES for name in ("VAE file", *CHANGES)]
ABSENT = {("sd2", "old text names"), ("sdxl", "old text names"), ("sd2", "position numbers")}  # no such files


@pytest.mark.parametrize(("family", "change"), [case for case in CASES if case not in ABSENT])
def test_equivalent_files_give_equal_pictures_without_a_network(
    contents: dict[str, Content],
    originals: dict[str, Tensor],
    attempts: list[str],
    tmp_path: Path,
    family: FamilyName,
    change: str,
) -> None:
    path, vae = tmp_path / "model.safetensors", None
    if change == "VAE file":
        vae = tmp_path / "vae.safetensors"
        rest, inside = parted(contents[family])
        save_file(rest, path)
        save_file(inside, vae)
    else:
        changed = CHANGES[change](contents[family])
        assert dtypes(changed) != dtypes(contents[family])
        save_file(changed, path)
    found = picture(family, path, vae)
    assert torch.equal(found, originals[family])
    assert float(found.std()) > 0.01
    assert attempts == []


# --------------------------------------------------------------------------------------------------- from the start

WATCHED = """
import sys

attempts = []

def watch(event, arguments):
    if event in {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "urllib.Request"}:
        attempts.append(f"{event} {arguments}")
        raise OSError("there is no network")

sys.addaudithook(watch)

from pathlib import Path

from tests.engine.test_offline import picture

family, path, vae = sys.argv[1:]
assert picture(family, Path(path), Path(vae) if vae else None).isfinite().all()
print(len(attempts), *attempts, sep="\\n")
import socket
try:
    socket.getaddrinfo("localhost", 80)
except OSError:
    print("and a look-up would have been seen:", len(attempts))
"""


def test_a_fresh_process_asks_no_network_for_anything(contents: dict[str, Content], tmp_path: Path) -> None:
    """From the first import on, with nothing in the environment that tells the libraries to stay offline."""
    rest, inside = parted(contents["sdxl"])
    save_file(rest, tmp_path / "model.safetensors")
    save_file(inside, tmp_path / "vae.safetensors")
    told = ("HF_", "TRANSFORMERS_", "DO_NOT_TRACK")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(told)}
    words = ("sdxl", tmp_path / "model.safetensors", tmp_path / "vae.safetensors")
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, *map(str, words)],
        env=environment | {"HF_HOME": str(tmp_path / "hub"), "HOME": str(tmp_path)},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "0\nand a look-up would have been seen: 1\n"
    assert not (tmp_path / "hub").exists()
