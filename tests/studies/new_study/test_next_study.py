"""`recipe-search init --from STUDY`: the study file of the next stage."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from engine.recipes.recipe import MergeStep, Recipe
from studies.studyfile.read import read_study_file
from tests.studies.chain_studies import approved, begun, typed

ONE, TWO = Recipe.flat(0.3), Recipe.flat(0.6)


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("next")
    study = begun(folder)
    text = study.read_text()
    text = text.replace("[search]\n", '[search]\nbegin = ["GRAD_V"]\n')
    study.write_text("# my first study\n\n" + text.replace("cfg = 2.0", "cfg = 2.0      # low on purpose"))
    for recipe in (ONE, TWO):
        approved(study, recipe)
    return folder


@pytest.fixture
def here(once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a study of two pins; the commands are typed here."""
    shutil.copytree(once, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def test_a_next_parent_goes_into_the_file_before(here: Path) -> None:
    done = typed("init", "next.toml", "--from", "study.toml", "-a", "alpha.safetensors", "-b", "third.safetensors")
    assert done.exit_code == 0, done.output
    assert "wrote alpha.safetensors\n" in done.output
    assert "left out: begin of [search], which is a recipe of the models before" in done.output
    before, after = read_study_file(here / "study.toml"), read_study_file(here / "next.toml")
    assert after.merge.models == {"A": here / "alpha.safetensors", "B": here / "third.safetensors"}
    assert (after.target, after.shots, after.scoring, after.rendering) == (
        *(before.target, before.shots, before.scoring, before.rendering),
    )
    assert after.search.space == before.search.space
    assert (after.storage.name, after.storage.folder) == ("next", here / "runs" / "next")
    text = (here / "next.toml").read_text()
    assert "cfg = 2.0      # low on purpose" in text
    assert "my first study" not in text
    assert text.startswith(
        "# The next stage after the study small: A is what its approved recipe makes.\n# alpha: 1 step"
    )
    assert "# first parents: A closeups.safetensors, B lamplight.safetensors\n" in text


def test_without_a_next_parent_self_and_adjust_are_searched(here: Path) -> None:
    done = typed("init", "next.toml", "--from", "study.toml", "-a", "alpha.safetensors", "--name", "fine")
    assert done.exit_code == 0, done.output
    spec = read_study_file(here / "next.toml")
    assert [knob.name for knob in spec.search.space.free] == ["self:OUT11:attn1", "adjust:CONT"]
    assert spec.storage.name == "fine"
    text = (here / "study.toml").read_text()
    (here / "study.toml").write_text(text.replace("[space.self]\nsites", "[space.adjust]\nCONT = [-3, 3]\n#").replace(
        "[space.adjust]\nCONT = [-3, 3]\n\n[search]", "[search]"
    ).replace("[space.adjust]\nCONT = [-3, 3]\n#", "#"))  # fmt: skip
    assert not read_study_file(here / "study.toml").search.space.of_kind("self")
    done = typed("init", "bare.toml", "--from", "study.toml", "-a", "alpha.safetensors")
    assert done.exit_code == 0, done.output
    free = [knob.name for knob in read_study_file(here / "bare.toml").search.space.free]
    assert free[0].startswith("self:OUT03:attn1")
    assert all(name.endswith("attn1") for name in free)


def test_a_study_a_folder_and_a_pin_are_told_apart(here: Path) -> None:
    (first,) = (here / "runs" / "small" / "pins").glob("001-*.json")
    keys = {}
    for name, words in {
        "file": ("study.toml",),
        "number": ("study.toml", "--pin", 1),
        "folder": ("runs/small",),
        "here": (".", "--pin", 1),
        "pin": (first.relative_to(here),),
    }.items():
        out = here / f"{name}.safetensors"
        done = typed("init", f"{name}.toml", "--from", *words, "-a", out)
        assert done.exit_code == 0, done.output
        keys[name] = typed("recipe", "show", out).output.split()[1]
    assert keys == {name: (TWO if name in {"file", "folder"} else ONE).key for name in keys}


def test_without_a_name_the_export_of_the_study_is_taken(here: Path) -> None:
    assert typed("export", "study.toml").exit_code == 0
    done = typed("init", "--from", "study.toml")
    assert done.exit_code == 0, done.output
    assert "taken: " in done.output
    (path,) = (here / "runs" / "small" / "exports").glob("*.safetensors")
    assert read_study_file(here / "next.toml").merge.models["A"] == path
    assert path.with_suffix(".chain.toml").is_file()


def test_another_file_in_the_place_of_the_export_is_refused(here: Path) -> None:
    words = ("--from", "study.toml", "-a")
    typed("init", "one.toml", *words, "alpha.safetensors", "--pin", 1)
    done = typed("init", "next.toml", *words, "alpha.safetensors")
    assert done.exit_code == 1
    assert f"is of the recipe {ONE.key[:8]}, and pin 2 is the recipe {TWO.key[:8]}" in done.output
    alpha = here / "alpha.safetensors"
    save_file(load_file(alpha), alpha, metadata={"format": "pt"})
    done = typed("init", "next.toml", *words, "alpha.safetensors", "--pin", 1)
    assert "carries no recipe" in done.output
    assert "the chain would end here" in done.output
    assert not (here / "next.toml").exists()
    typed("export", "study.toml", "--out", "folded.safetensors", "--folded")
    done = typed("init", "next.toml", *words, "folded.safetensors")
    assert "the chain ends here: it was exported folded, which a recipe cannot say" in done.output
    assert "# the chain ends here: it was exported folded" in (here / "next.toml").read_text()


def test_a_file_in_another_folder_has_paths_that_lead_there(here: Path) -> None:
    (here / "plain.py").write_text("def score(image, prompt):\n    return 1.0\n")
    text = (here / "study.toml").read_text().replace("[scorers]\n", '[scorers]\nweights = { "plain.py" = 0.5 }\n')
    (here / "light.txt").write_text("a cat by day\na cat by night\n")
    text += '\n[situations]\nsuite = "light.txt"\n\n[settings]\ntry = ["VAE = third.safetensors"]\n'
    (here / "study.toml").write_text(text.replace("[render]\n", '[render]\nembeddings = "references"\n'))
    done = typed(
        "init", "later/next.toml", "--from", "study.toml", "-a", "alpha.safetensors", "-b", "third.safetensors"
    )
    assert done.exit_code == 0, done.output
    before, after = read_study_file(here / "study.toml"), read_study_file(here / "later" / "next.toml")
    assert [path.resolve() for path in after.target.references] == [*before.target.references]
    assert {name: path.resolve() for name, path in after.merge.models.items()} == {
        "A": here / "alpha.safetensors",
        "B": here / "third.safetensors",
    }
    assert after.rendering.embeddings is not None
    assert after.rendering.embeddings.resolve() == here / "references"
    assert after.scoring.weights == {"../plain.py": 0.5}
    assert after.situations.suite is not None
    assert after.situations.suite.resolve() == here / "light.txt"
    assert after.settings_to_try == ("VAE = ../third.safetensors",)
    assert 'weights = "../sample-clip.safetensors"' in (here / "later" / "next.toml").read_text()


def test_modes_of_three_models(here: Path) -> None:
    words = ("--from", "study.toml", "-a", "alpha.safetensors", "-b", "third.safetensors", "-c", "closeups.safetensors")
    assert typed("init", "three.toml", *words).exit_code == 0
    frame = read_study_file(here / "three.toml").search.space.frame
    assert (frame.mode, [*read_study_file(here / "three.toml").merge.models]) == ("Add difference", ["A", "B", "C"])
    assert typed("init", "sum.toml", *words, "--mode", "Triple sum").exit_code == 0
    assert read_study_file(here / "sum.toml").search.space.frame.mode == "Triple sum"
    approved(here / "sum.toml", Recipe(steps=(MergeStep(models=("A", "B", "C"), alpha=0.1, mode="Triple sum"),)))
    done = typed("init", "last.toml", "--from", "sum.toml", "-a", "beta.safetensors")
    assert done.exit_code == 0, done.output
    assert [*read_study_file(here / "last.toml").merge.models] == ["A", "B"]
    done = typed("init", "two.toml", "--from", "sum.toml", "-a", "beta.safetensors", "-b", "lamplight.safetensors")
    assert done.exit_code == 0, done.output
    spec = read_study_file(here / "two.toml")
    assert (spec.search.space.frame.mode, spec.merge.models["C"]) == ("Triple sum", here / "closeups.safetensors")


@pytest.mark.parametrize(
    ("words", "code", "what"),
    [
        (("--from", "gone.toml"), 1, "--from gone.toml: there is no such file"),
        (("--from", "pin"), 1, "name a study file or its folder (its newest pin, or --pin NUMBER), the file of a pin"),
        (("--from", "references"), 1, "references: its study file is not near it"),
        (("--from", "sample-clip.json"), 1, "sample-clip.json: is no pin"),
        (("--from", "study.toml", "--pin", 7), 1, "there is no pin 7"),
        (("--from", "study.toml", "--like", "flat"), 2, "--like: with --from and a study, these come from it"),
        (("-a", "x.safetensors", "--pin", 1), 2, "--pin is the number of a pin"),
        (
            ("--from", "study.toml", "-a", "same.safetensors", "-b", "same.safetensors"),
            1,
            "not written: next.toml: models.B: is the same file as A",
        ),
        (("--from", "study.toml", "--name", "small"), 1, 'the study "small" is the one before'),
    ],
)
def test_what_is_wrong_is_said(here: Path, words: tuple[object, ...], code: int, what: str) -> None:
    done = typed("init", "next.toml", *words)
    assert done.exit_code == code
    assert what in done.output, done.output
    assert not (here / "next.toml").exists()
    assert not [*here.glob(".next*")]


def test_a_file_that_is_there_is_refused_before_anything_is_written(here: Path) -> None:
    (here / "next.toml").write_text("mine")
    done = typed("init", "next.toml", "--from", "study.toml", "-a", "alpha.safetensors")
    assert "next.toml: already exists" in done.output
    assert not (here / "alpha.safetensors").exists()
    assert (here / "next.toml").read_text() == "mine"
