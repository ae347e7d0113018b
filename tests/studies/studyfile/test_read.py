from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import place_text, value_text
from engine.recipes.blocks import BLOCKS
from engine.shots.options import USUAL, PictureOptions
from scorers.catalogue.sources import EncoderFiles
from studies.errors import StudyError
from studies.studyfile.read import read_study_file
from studies.studyfile.spec import StudySpec
from studies.studyfile.tables.space_values import blocks_of_range
from tests.studies.study_text import STUDY, write_study


@pytest.fixture
def spec(tmp_path: Path) -> StudySpec:
    return read_study_file(write_study(tmp_path))


def test_everything_is_resolved(spec: StudySpec, tmp_path: Path) -> None:
    assert spec.storage.name == "mix"
    assert spec.storage.folder == tmp_path / "runs/mix"
    assert spec.merge.models == {"A": tmp_path / "a.safetensors", "B": tmp_path / "b.safetensors"}
    assert spec.scoring.encoder == EncoderFiles(config=tmp_path / "clip.json", weights=tmp_path / "clip.safetensors")
    assert (spec.scoring.folder, spec.scoring.files) == (tmp_path / "models/scorers", {})
    assert (spec.search.seed, spec.search.finalists, spec.merge.export_dtype) == (0, 2, "fp16")
    assert (spec.rendering.device, spec.rendering.precision) == ("auto", "auto")
    plan = spec.search.plan
    assert (plan.groups, plan.blocks, plan.self_mode, plan.adjust) == (2, 3, 1, 1)
    assert spec.scoring.weights == {"style": 1.0, "clip": 0.2, "stats": 0.3}


def test_shots_are_prompts_times_seeds(spec: StudySpec) -> None:
    assert [(shot.prompt, shot.seed, shot.negative) for shot in spec.shots.trials] == [
        ("a cat on grass", 1, "blurry"),
        ("a cat on grass", 2, "blurry"),
        ("a house", 3, "people"),
    ]
    assert {(shot.width, shot.steps, shot.cfg, shot.sampler) for shot in spec.shots.trials} == {
        (64, 4, 5.0, "DPM++ 2M")
    }


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ('sampler = "dpm2 a karras"\neta = 0.5', {"sampler": "DPM2 a", "schedule": "Karras", "eta": 0.5}),
        (
            'sampler = "DPM2 a"\nschedule = "Beta"\ns_noise = 0.9',
            {"sampler": "DPM2 a", "schedule": "Beta", "s_noise": 0.9},
        ),
        ('sampler = "Euler a"\nrng = "NV"\nensd = 31337', {"sampler": "Euler a", "rng": "NV", "ensd": 31337}),
        ("", {"sampler": "DPM++ 2M", "schedule": "Automatic", "eta": None, "s_noise": 1.0, "rng": "CPU", "ensd": 0}),
    ],
)
def test_how_noise_is_made_comes_from_the_file(tmp_path: Path, written: str, read: dict[str, object]) -> None:
    spec = read_study_file(write_study(tmp_path, cfg=f"5\n{written}"))
    for shot in spec.shots.every:
        assert {name: getattr(shot, name) for name in read} == read


def test_options_of_pictures_come_from_their_table(tmp_path: Path, spec: StudySpec) -> None:
    table = 'options = { emphasis = "No norm", ngms = 1.5, sigma_max = 10 }'
    changed = read_study_file(write_study(tmp_path, cfg=f"5\n{table}"))
    wanted = PictureOptions(emphasis="No norm", ngms=1.5, sigma_max=10.0)
    assert {shot.options for shot in changed.shots.every} == {wanted}
    assert {shot.options for shot in spec.shots.every} == {USUAL}
    assert changed.fingerprint() != spec.fingerprint()
    usual = read_study_file(write_study(tmp_path, cfg='5\noptions = { emphasis = "Original" }'))
    assert usual.fingerprint() == spec.fingerprint()


def test_proof_takes_the_same_prompts_unless_it_has_its_own(tmp_path: Path, spec: StudySpec) -> None:
    assert [(s.prompt, s.seed, s.negative) for s in spec.shots.proof] == [
        ("a cat on grass", 101, "blurry"),
        ("a cat on grass", 102, "blurry"),
        ("a house", 101, "people"),
        ("a house", 102, "people"),
    ]
    own = read_study_file(
        write_study(tmp_path, STUDY.replace("[proof]\n", '[proof]\nprompts = ["a tree", "a boat"]\n'))
    )
    assert [(shot.prompt, shot.seed) for shot in own.shots.proof] == [
        ("a tree", 101),
        ("a tree", 102),
        ("a boat", 101),
        ("a boat", 102),
    ]


def test_space_is_as_written(spec: StudySpec, tmp_path: Path) -> None:
    knobs = {knob.name: knob for knob in spec.search.space.knobs}
    assert knobs["BASE"].frozen == 0
    assert knobs["IN07"].group == "IN_LATE"
    assert (knobs["self:OUT05:attn1"].low, knobs["self:OUT05:attn1"].high) == (0.8, 1.2)
    assert (knobs["adjust:CONT"].low, knobs["adjust:CONT"].high) == (-5, 5)
    blocks = '[space.blocks]\nlow = 0.2\nfreeze = { OUT11 = 0.7 }\ngroups = { X = ["IN00-IN02", "M00"] }\n'
    other = {k.name: k for k in read_study_file(write_study(tmp_path, STUDY + blocks)).search.space.knobs}
    assert (other["BASE"].frozen, other["BASE"].low) == (None, 0.2)
    assert other["OUT11"].frozen == 0.7
    assert [name for name, knob in other.items() if knob.group == "X"] == ["IN00", "IN01", "IN02", "M00"]


def test_references_of_a_folder_are_its_pictures(tmp_path: Path) -> None:
    (tmp_path / "wanted").mkdir()
    for name in ("b.PNG", "a.jpg", "notes.txt"):
        (tmp_path / "wanted" / name).touch()
    assert [path.name for path in read_study_file(write_study(tmp_path)).target.references] == ["a.jpg", "b.PNG"]
    listed = read_study_file(write_study(tmp_path, references='["x.png", "wanted"]'))
    assert [path.name for path in listed.target.references] == ["x.png", "a.jpg", "b.PNG"]


def test_panel_settings_carry_the_scorers(spec: StudySpec) -> None:
    settings = spec.panel_settings()
    assert settings.encoders == {"clip": spec.scoring.encoder}
    assert (settings.main, settings.weights) == ("clip", spec.scoring.weights)
    assert (settings.folder, settings.files, settings.here) == (spec.scoring.folder, {}, spec.storage.file.parent)


def test_an_encoder_has_a_name_or_two_files(tmp_path: Path) -> None:
    table = 'encoder = { config = "clip.json", weights = "clip.safetensors" }'
    text = STUDY.replace(table, 'encoder = "openclip-h"\nfolder = "s"\nfiles = { laion = "x.pth" }')
    spec = read_study_file(write_study(tmp_path, text))
    settings = spec.panel_settings()
    assert (settings.main, settings.encoders) == ("openclip-h", {})
    assert (settings.folder, settings.files) == (tmp_path / "s", {"laion": tmp_path / "x.pth"})
    text = STUDY.replace(table, 'encoder = { config = "ViT-B-32", weights = "x.bin" }')
    assert read_study_file(write_study(tmp_path, text)).scoring.encoder == EncoderFiles(
        config="ViT-B-32", weights=tmp_path / "x.bin"
    )
    assert (
        read_study_file(write_study(tmp_path, STUDY.replace(f"[scorers]\n{table}\n", ""))).scoring.encoder == "clip-l"
    )


def test_files_that_scorers_name_must_be_there(tmp_path: Path) -> None:
    more = '[scorers]\nweights = { "mine.py:Red" = 1 }\nfiles = { csd = "csd.bin" }'
    with pytest.raises(StudyError) as caught:
        read_study_file(write_study(tmp_path, STUDY.replace("[scorers]", more), width="0"))
    for place in (
        'scorers.files.csd: there is no such file ("csd.bin")',
        '"mine.py:Red": there is no such file ("mine.py")',
    ):
        assert place in str(caught.value)


def test_words_go_to_the_panel_which_judges_by_them(tmp_path: Path, spec: StudySpec) -> None:
    worded = STUDY.replace("[target]\n", '[target]\nlike = "flat, bold outlines"\n')
    plain, named = spec.panel_settings(), read_study_file(write_study(tmp_path, worded)).panel_settings()
    assert (plain.like, named.like, named.unlike) == ("", "flat, bold outlines", "picture")
    assert "text" not in plain.shared_weights
    assert named.shared_weights["text"] > 0
    told = read_study_file(write_study(tmp_path, worded.replace("[render]", 'unlike = "photo"\n\n[render]', 1)))
    assert told.panel_settings().unlike == "photo"
    assert told.fingerprint() == spec.fingerprint(), "no picture changes, so the study can be rescored"


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="there is no such study file; `recipe-search init` writes one"):
        read_study_file(tmp_path / "no.toml")
    with pytest.raises(StudyError, match="cannot be read"):
        read_study_file(tmp_path)
    (tmp_path / "bad.toml").write_text("[study\n")
    with pytest.raises(StudyError, match=r"is not TOML: .*line 1"):
        read_study_file(tmp_path / "bad.toml")
    (tmp_path / "latin.toml").write_bytes(b'[study]\nname = "\xe9"\n')
    with pytest.raises(StudyError, match=r"is not UTF-8 text \(byte 16\)"):
        read_study_file(tmp_path / "latin.toml")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("steps", "5"),
        ("cfg", "6"),
        ("negative", '"x"'),
        ("CONT", "[-4, 5]"),
        ("sites", "[]"),
        ("adjust", "1\ncalibration = 9"),
    ],
)
def test_fingerprint_changes_with_what_trials_depend_on(tmp_path: Path, spec: StudySpec, name: str, value: str) -> None:
    text = STUDY.replace("[101, 102]", "[201, 202]")
    before = read_study_file(write_study(tmp_path, text)).fingerprint()
    assert before == spec.fingerprint(), "the proof is no part of it"
    assert read_study_file(write_study(tmp_path, text, **{name: value})).fingerprint() != before


def test_fingerprint_changes_with_the_seeds(tmp_path: Path, spec: StudySpec) -> None:
    other = read_study_file(write_study(tmp_path, STUDY.replace("seeds = [3]", "seeds = [4]")))
    assert other.fingerprint() != spec.fingerprint()


def test_fingerprint_survives_json_and_more_trials(tmp_path: Path, spec: StudySpec) -> None:
    assert json.loads(json.dumps(spec.fingerprint())) == spec.fingerprint()
    more = read_study_file(write_study(tmp_path, blocks="300", finalists="3"))
    assert more.fingerprint() == spec.fingerprint()


@given(first=st.integers(0, len(BLOCKS) - 1), last=st.integers(0, len(BLOCKS) - 1))
def test_ranges_hold_both_ends_and_all_between(first: int, last: int) -> None:
    low, high = sorted((first, last))
    blocks = blocks_of_range(f"{BLOCKS[low]} - {BLOCKS[high]}")
    assert blocks == BLOCKS[low : high + 1]


def test_places_and_values_are_written_as_people_do() -> None:
    assert place_text(("prompts", 1, "seeds", 0)) == "prompts[2].seeds[1]"
    assert value_text({"a": [1, True, "x"]}) == '{ a = [1, true, "x"] }'
    assert len(value_text("y" * 500)) == 60
