"""Paths of a study file in another folder: every key that holds some."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import tomlkit
from pydantic import AfterValidator, BaseModel

from studies.new_study.rebased import PATHS, rebase
from studies.studyfile.tables import validators
from studies.studyfile.tables.schema import StudyTables

FILE = """
[study]
artifacts = "shared"
notify = ["./tell.sh", "--file", "facts.json", "night ended"]
[models]
A = "a.safetensors"
[target]
references = ["look", "/elsewhere/look"]
[render]
vae = "clear.vae.safetensors"
embeddings = "words"
wildcards = "../lists"
upscalers = "~/upscalers"
[space.choices]
vae = ["merged", "vae/one.safetensors"]
[scorers]
encoder = { config = "clip.json", weights = "clip.safetensors" }
folder = "scorers"
files = { csd = "csd.bin" }
weights = { style = 1.0, "own.py" = 0.5, "own/more.py:Rate" = 0.5 }
keep = ["style", "own.py"]
[situations]
suite = "lists/light.txt"
[settings]
try = ["VAE = one.safetensors, merged, None, \\"a, b.safetensors\\"", "Steps = 10, 20"]
"""


def moved(text: str, folder: Path, here: str = "next") -> dict[str, Any]:
    document = tomlkit.parse(text)
    rebase(document, folder / "first", folder / here)
    return document.unwrap()


def test_every_relative_path_leads_where_it_led(tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / "tell.sh").touch()
    found = moved(FILE, tmp_path)
    assert found["study"] == {
        "artifacts": "../first/shared",
        "notify": ["../first/tell.sh", "--file", "facts.json", "night ended"],
    }
    assert found["target"]["references"] == ["../first/look", "/elsewhere/look"]
    assert found["render"] == {
        "vae": "../first/clear.vae.safetensors",
        "embeddings": "../first/words",
        "wildcards": "../first/../lists",
        "upscalers": "~/upscalers",
    }
    assert found["space"]["choices"]["vae"] == ["merged", "../first/vae/one.safetensors"]
    assert found["scorers"] == {
        "encoder": {"config": "../first/clip.json", "weights": "../first/clip.safetensors"},
        "folder": "../first/scorers",
        "files": {"csd": "../first/csd.bin"},
        "weights": {"style": 1.0, "../first/own.py": 0.5, "../first/own/more.py:Rate": 0.5},
        "keep": ["style", "../first/own.py"],
    }
    assert found["situations"]["suite"] == "../first/lists/light.txt"
    assert found["settings"]["try"] == [
        'VAE = ../first/one.safetensors,merged,None,"../first/a, b.safetensors"',
        "Steps = 10, 20",
    ]


def test_words_that_are_no_paths_stay(tmp_path: Path) -> None:
    plain = '[study]\nartifacts = "s3://bucket/x"\n[scorers]\nencoder = "clip-l"\n[target]\nreferences = "look"\n'
    found = moved(plain, tmp_path)
    assert found["study"]["artifacts"] == "s3://bucket/x"
    assert found["scorers"] == {"encoder": "clip-l"}
    assert found["target"]["references"] == "../first/look"
    config = '[scorers]\nencoder = { config = "ViT-L-14", weights = "w.safetensors" }\n'
    assert moved(config, tmp_path)["scorers"]["encoder"]["config"] == "ViT-L-14"


def test_far_away_paths_are_whole_and_in_the_same_folder_nothing_changes(tmp_path: Path) -> None:
    found = moved('[target]\nreferences = "look"\n', tmp_path, here="far/away/next")
    assert found["target"]["references"] == str(tmp_path / "first" / "look")
    assert moved(FILE, tmp_path, here="first") == tomlkit.parse(FILE).unwrap()


def paths_of(model: type[BaseModel], *keys: str) -> Iterator[tuple[str, ...]]:
    """The keys of a study file whose values are paths, as its schema says it."""
    for name, field in model.model_fields.items():
        place = (*keys, field.alias or name)
        found = list(parts_of([field.annotation, *field.metadata]))
        if any(isinstance(one, AfterValidator) and one.func is validators.path for one in found):
            yield place
        for one in found:
            if isinstance(one, type) and issubclass(one, BaseModel):
                yield from paths_of(one, *place)


def parts_of(values: list[Any]) -> Iterator[Any]:
    for value in values:
        yield value
        yield from parts_of([*get_args(value), *getattr(value, "__metadata__", ())])


@pytest.mark.parametrize("place", sorted(set(paths_of(StudyTables))))
def test_every_path_of_the_schema_is_known(place: tuple[str, ...]) -> None:
    assert place in PATHS or place[0] == "models" or place == ("study", "folder")
