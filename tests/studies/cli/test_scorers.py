"""`recipe-search scorers`: list, get from a real server, check."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import save_file

from scorers.catalogue import lookup as catalogue
from scorers.catalogue.published import KnownScorer, PublishedFile
from scorers.catalogue.tensor_files import sha256_of
from studies.cli.main import main
from tests.scorers.local_server import serving
from tests.scorers.tiny_heads import write_head
from tests.studies.sample_study import write_small_study

HEAD = "sac+logos+ava1-l14-linearMSE.pth"


def run(*arguments: object) -> tuple[int, str]:
    """Exit status and all that was said, in one line a message however wide it is."""
    done = CliRunner().invoke(main, ["scorers", *map(str, arguments)], env={"COLUMNS": "400"})
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KnownScorer]:
    """A scorer ``small`` of a linear head on ``clip-b32``, both published on this machine's own server."""
    served = tmp_path / "served"
    served.mkdir()
    write_head(served / "small.pth", "one linear layer", 512)
    (served / "clip.pt").write_bytes(b"as if it were one")
    with serving(served) as server:

        def published(name: str) -> PublishedFile:
            sha256 = sha256_of(served / name)
            return PublishedFile(name=name, source=f"{server.address}/{name}", licence="MIT", sha256=sha256, size=3000)

        known = catalogue.encoder_named("clip-b32")
        assert known is not None
        scorer = KnownScorer(
            name="small", rates="x", scale="y", aspect="aesthetics", kind="head", layout="one linear layer",
            heads={"clip-b32": (published("small.pth"),)},
        )  # fmt: skip
        monkeypatch.setitem(catalogue._SCORERS, "small", scorer)
        monkeypatch.setitem(catalogue._ENCODERS, "clip-b32", replace(known, files=(published("clip.pt"),)))
        yield scorer


def test_list_says_what_there_is_and_what_is_there(tmp_path: Path) -> None:
    status, said = run("list", "--folder", tmp_path)
    assert status == 0
    for scorer in catalogue.SCORERS:
        assert scorer.name in said
    for encoder in catalogue.ENCODERS:
        assert encoder.title in said
    rows = [line for line in said.splitlines() if HEAD in line]
    assert len(rows) == 1
    assert "3.7 MB" in rows[0]
    assert "Apache-2.0" in rows[0]
    assert "through clip-l (missing): " in rows[0]
    assert rows[0].rstrip().endswith("Apache-2.0; missing")
    for name in (HEAD, "ViT-L-14.pt"):
        (tmp_path / name).touch()
    said = run("list", "--folder", tmp_path)[1]
    (row,) = [line for line in said.splitlines() if HEAD in line]
    assert "through clip-l (there): " in row
    assert row.rstrip().endswith("Apache-2.0; there")
    assert "there, as ViT-L-14.pt" in said


def test_a_list_on_a_terminal_of_80_characters_cuts_no_word(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["scorers", "list", "--folder", str(tmp_path)], env={"COLUMNS": "80"})
    for name in (HEAD, "rating@openclip-bigg", "photographs", "aesthetics_scorer_rating_openclip_vit_bigg_14.pth"):
        assert name in done.output
    assert max(map(len, done.output.splitlines()[:-1])) <= 80
    assert len(done.output.splitlines()) < 160


def test_get_says_licence_and_size_and_fetches_what_is_missing(tmp_path: Path, small: KnownScorer) -> None:
    folder = tmp_path / "models"
    status, said = run("get", "small", "--folder", folder)
    assert status == 0, said
    assert "small.pth: 3.0 kB, licence MIT, from http://127.0.0.1:" in said
    assert said.index("licence MIT") < said.index("as published")
    assert sorted(path.name for path in folder.iterdir()) == ["clip.pt", "small.pth"]
    assert sha256_of(folder / "small.pth") == small.heads["clip-b32"][0].sha256
    (folder / "small.pth").unlink()
    status, said = run("get", "small", "clip-b32", "--folder", folder)
    assert (status, "clip.pt" in said) == (0, False)
    assert run("get", "small", "--folder", folder) == (0, f"{folder} already has everything\n")


def test_get_tells_all_names_that_are_none(tmp_path: Path) -> None:
    status, said = run("get", "lion", "imagereward", "--folder", tmp_path)
    assert status == 1
    assert "no scorer 'lion'; did you mean laion?" in said
    assert "'imagereward' is not built in" in said
    status, said = run("get", "clip-k", "--folder", tmp_path)
    assert (status, "there is no encoder and no scorer 'clip-k'; did you mean clip-l?" in said) == (1, True)
    assert run("get", "stats", "--folder", tmp_path) == (0, f"{tmp_path} already has everything\n")


# -------------------------------------------------------------------------------------------------------- check


def test_check_opens_what_a_folder_has(tmp_path: Path) -> None:
    assert run("check", "--folder", tmp_path) == (0, "no file to check\n")
    write_head(tmp_path / HEAD, "five linear layers", 768)
    write_head(tmp_path / "aes-B32-v0.pth", "five linear layers", 512)
    save_file({"x": torch.zeros(1)}, tmp_path / "x.safetensors")
    (tmp_path / "ViT-B-16.pt").write_bytes(b"no model")
    status, said = run("check", "--folder", tmp_path)
    lines = {line.split(": ")[1]: line for line in said.splitlines() if line.startswith(("ok", "error"))}
    assert status == 1
    assert lines["laion@clip-l"].startswith("ok: ")
    assert "not the published file of that name; its SHA-256 is" in lines["laion@clip-l"]
    assert lines["wdaes@clip-b32"].startswith("error: ")
    assert "it has the layout 'five linear layers'" in lines["wdaes@clip-b32"]
    assert "not a file of plain tensors" in lines["clip-b16"]
    assert len(lines) == 3


def test_check_verifies_a_studys_files(tmp_path: Path) -> None:
    study = write_small_study(tmp_path)
    status, said = run("check", study)
    assert status == 0, said
    assert said.startswith(f"ok: clip: {tmp_path / 'sample-clip.safetensors'}: no file whose hash is known, SHA-256 ")
    weights = 'weights = { style = 1, laion = 0.1, "mine.py" = 0.1 }\nfiles = { clip-l = "sample-clip.safetensors" }\n'
    study.write_text(study.read_text() + weights)
    (tmp_path / "mine.py").write_text("def score(image):\n    return 1\n")
    assert "nobody has allowed it to run here" in run("check", study)[1]
    status, said = run("check", study, "--trust")
    assert status == 1
    assert f"error: laion: there is no {HEAD} in {tmp_path / 'models/scorers'}; get it with" in said
    assert "error: clip-l: " in said
    assert "these are not weights of clip-l" in said
    (tmp_path / "mine.py").write_text("def score(")
    status, said = run("check", study, "--trust")
    assert (status, "mine.py: cannot be loaded: SyntaxError" in said) == (1, True)


def test_check_knows_the_names_of_custom_architectures(tmp_path: Path) -> None:
    study = write_small_study(tmp_path)
    config = json.loads((tmp_path / "sample-clip.json").read_text())
    model = config.get("model_cfg", config)
    model["embed_dim"] += 1
    (tmp_path / "sample-clip.json").write_text(json.dumps(config))
    status, said = run("check", study)
    assert status == 1
    assert "of another shape" in said
