"""The catalogue: every name means one thing, every file says where it is from, and what is not there is told."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from scorers.base import Calibration, Values
from scorers.catalogue import lookup as catalogue
from scorers.catalogue.encoders import ENCODERS
from scorers.catalogue.scorers import NOT_OFFERED, SCORERS
from scorers.catalogue.sources import EncoderFiles, FileFinder, Sources
from scorers.errors import ScorerError
from scorers.features import Features
from scorers.scoring.aspects import FLOORED, PARETO, aspect_of
from scorers.scoring.heads import FINGERPRINTS, LAYOUTS

TINY = {"clip": EncoderFiles(config="tiny.json", weights=Path("tiny.safetensors"))}


def test_names_are_unambiguous() -> None:
    for entries in (ENCODERS, SCORERS):
        names = [name for entry in entries for name in (entry.name, *entry.aliases)]
        assert [name for name, count in Counter(names).items() if count > 1] == []
        assert all(re.fullmatch(r"[a-z0-9.-]+", name) for name in names)
    assert not set(NOT_OFFERED) & {name for entry in SCORERS for name in (entry.name, *entry.aliases)}


def test_every_file_has_all_its_facts() -> None:
    files = [file for _, file in catalogue.published()]
    for file in files:
        assert file.source.startswith("https://"), file
        assert file.licence, file
        assert file.size > 0, file
        assert re.fullmatch(r"(?:[0-9a-f]{8}|[0-9a-f]{64})?", file.sha256), file
        assert not Path(file.name).is_absolute()
        assert ".." not in file.name
    names = Counter(file.name for file in files)
    assert [name for name, count in names.items() if count > 1] == []
    hashes = Counter(file.sha256 for file in files if file.sha256)
    assert [name for name, count in hashes.items() if count > 1] == []
    assert set(FINGERPRINTS) <= set(names)


def test_scorers_are_made_of_what_there_is() -> None:
    encoders = {encoder.name: encoder for encoder in ENCODERS}
    for scorer in SCORERS:
        assert scorer.encoder in {"", *encoders}
        assert (scorer.kind == "head") == bool(scorer.heads) == bool(scorer.layout)
        for encoder in scorer.heads:
            assert not scorer.view or scorer.view in encoders[encoder].views
        assert not scorer.layout or scorer.layout in LAYOUTS
        if scorer.kind == "prompt" and scorer.encoder:
            assert encoders[scorer.encoder].reads_text


def test_every_scorer_has_its_aspect() -> None:
    class Named:
        version, needs, degree = "1", frozenset[str](), 1

        def __init__(self, name: str) -> None:
            self.name = name

        def fit(self, calibration: Calibration) -> None:
            """Nothing to learn."""

        def __call__(self, features: Features) -> Values:
            return features.brightest.astype(np.float64)

    found = {
        name: aspect_of(Named(name)) for name in ("style@csd", "clip", "stats", "sac", "artifacts@openclip-h", "x")
    }
    assert found == {
        "style@csd": "style", "clip": "fidelity", "stats": "", "sac": "aesthetics", "artifacts@openclip-h": "artifacts",
        "x": "",
    }  # fmt: skip
    assert {scorer.aspect for scorer in SCORERS} <= {"", *PARETO, *FLOORED}


def test_restricted_licences_are_named() -> None:
    licences = {file.name: file.licence for _, file in catalogue.published()}
    assert licences["aesthetic_predictor_v2_5.pth"] == "AGPL-3.0"
    assert licences["aes-B32-v0.pth"] == "AGPL-3.0"
    assert licences["CSD-ViT-L/pytorch_model.bin"] == "CC-BY-4.0"


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("laion", "laion"),
        ("sac", "laion"),
        ("pickscore", "pick"),
        ("rating@openclip-h", "rating@openclip-h"),
        ("clip@pick", "clip@pickscore"),
    ],
)
def test_other_names_mean_the_same(text: str, plain: str) -> None:
    assert catalogue.choice(text).plain == plain


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lion", "no scorer 'lion'; did you mean laion?"),
        ("LAION", "no scorer 'LAION'; did you mean laion?"),
        ("imagereward", "'imagereward' is not built in (it is a BLIP model"),
        ("laion@clip-9", "'laion@clip-9': no encoder 'clip-9'; did you mean"),
        ("pick@clip-l", "pick takes no other encoder; write 'pick'"),
        ("stats@clip-l", "stats takes no other encoder"),
    ],
)
def test_unknown_names_are_refused_with_the_nearest(text: str, message: str) -> None:
    with pytest.raises(ScorerError) as caught:
        catalogue.choice(text)
    assert message in str(caught.value)


def test_files_are_known_by_their_hash() -> None:
    owner = catalogue.owner_of("390a3aaf" + 56 * "0")
    assert owner is not None
    assert (owner[0].name, owner[1].name) == ("chad", "ava+logos-l14-linearMSE.pth")
    assert catalogue.owner_of(64 * "0") is None


# -------------------------------------------------------------------------------------------------- where files are


def sources(*names: str, folder: Path | None = None, main: str = "clip", **files: Path) -> Sources:
    return FileFinder(main, TINY, folder, files).sources(names)


def put(folder: Path, name: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_scorers_of_the_main_encoder_want_no_files() -> None:
    found = sources("style", "clip", "stats")
    assert (found.encoders, found.heads, found.missing) == (TINY, {}, [])
    assert (found.embeddings, found.prompted) == ({"style": "clip", "clip": "clip"}, {"clip"})
    assert sources("style").prompted == set()
    assert sources("stats").encoders == {}


def test_files_are_found_by_their_published_names(tmp_path: Path) -> None:
    clip = put(tmp_path, "ViT-L-14.pt")
    head = put(tmp_path, "sac+logos+ava1-l14-linearMSE.pth")
    found = sources("laion", folder=tmp_path)
    assert found.encoders == {"clip-l": EncoderFiles(config="clip-l", weights=clip)}
    assert (found.heads, found.embeddings, found.missing) == ({"laion": head}, {"laion": "clip-l"}, [])
    better = put(tmp_path, "vit_large_patch14_clip_224.openai/open_clip_model.safetensors")
    assert sources("laion", folder=tmp_path).encoders["clip-l"].weights == better


def test_the_users_own_files_come_first(tmp_path: Path) -> None:
    put(tmp_path, "sac+logos+ava1-l14-linearMSE.pth")
    mine, clip = put(tmp_path / "else", "mine.pth"), put(tmp_path / "else", "clip.bin")
    found = FileFinder("clip", TINY, tmp_path, {"laion-v2": mine, "clip-l": clip}).sources(["laion"])
    assert (found.heads["laion"], found.encoders["clip-l"].weights) == (mine, clip)
    gone = FileFinder("clip", TINY, tmp_path, {"laion": tmp_path / "gone.pth", "clip-l": clip}).sources(["laion"])
    assert [str(missing.problem) for missing in gone.missing] == [
        f"laion: there is no file {tmp_path / 'gone.pth'}; correct its path"
    ]


def test_style_reads_csd_where_its_file_is_there(tmp_path: Path) -> None:
    assert sources("style", folder=tmp_path).embeddings["style"] == "clip"
    path = put(tmp_path, "CSD-ViT-L/pytorch_model.bin")
    found = sources("style", "clip", folder=tmp_path)
    assert found.embeddings == {"style": "csd", "clip": "clip"}
    assert found.encoders["csd"] == EncoderFiles(config="csd", weights=path)
    assert sources("style@clip-l", folder=tmp_path).embeddings == {"style@clip-l": "clip-l"}
    assert sources("style", csd=path).embeddings == {"style": "csd"}


def test_one_encoder_serves_all_scorers_that_read_it(tmp_path: Path) -> None:
    for name in ("CLIP-ViT-L-14-laion2B-s32B-b82K/open_clip_pytorch_model.bin", "HPS_v2.1_compressed.pt"):
        put(tmp_path, name)
    for what in ("rating", "artifacts"):
        put(tmp_path, f"aesthetics_scorer_{what}_openclip_vit_l_14.pth")
    found = sources("rating", "artifacts", "clip@openclip-l", folder=tmp_path)
    assert list(found.encoders) == ["openclip-l"]
    assert set(found.embeddings.values()) == {"openclip-l/pooled", "openclip-l"}


def test_missing_files_are_named_with_where_to_get_them(tmp_path: Path) -> None:
    found = sources("laion", "rating@openclip-h", "pick", folder=tmp_path)
    assert [missing.name for missing in found.missing] == [
        "clip-l", "laion", "openclip-h", "rating@openclip-h", "pickscore",
    ]  # fmt: skip
    text = str(found.missing[3].problem)
    assert "there is no aesthetics_scorer_rating_openclip_vit_h_14.pth in" in text
    assert "get it with `recipe-search scorers get rating@openclip-h` (https://github.com/kenjiqq/" in text
    assert "licence MIT" in text


def test_unknown_names_are_all_in_the_message() -> None:
    with pytest.raises(ScorerError) as caught:
        sources("lion", "laion@openclip-h", "mine.py")
    assert "no scorer 'lion'" in str(caught.value)
    assert "no head of laion is published for openclip-h, only for clip-l" in str(caught.value)
    for name, message in {"style": "has no file of its own", "clipl": "no scorer 'clipl'"}.items():
        with pytest.raises(ScorerError, match=message):
            FileFinder("clip", {}, None, {name: Path("x")})
    with pytest.raises(ScorerError, match="no encoder 'klip'"):
        sources("style", main="klip")
