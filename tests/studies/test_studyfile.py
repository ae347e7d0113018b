from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.blocks import BLOCKS
from scorers.sources import EncoderFiles
from studies.errors import StudyError
from studies.mistakes import path_text, shown
from studies.space_values import blocks_of_range
from studies.studyfile import StudySpec, read_study_file
from tests.studies.study_text import STUDY, write_study

PEEKING = (
    "proof.seeds: the proof shares prompts and seeds with [[prompts]], so it would prove nothing ([2]); "
    "use seeds that no [[prompts]] has"
)


@pytest.fixture
def spec(tmp_path: Path) -> StudySpec:
    return read_study_file(write_study(tmp_path))


def mistakes(folder: Path, text: str) -> list[str]:
    """The lines of the error that a study file gives, but for those of files that are not there."""
    with pytest.raises(StudyError) as caught:
        read_study_file(write_study(folder, text))
    lines = [line for line in str(caught.value).splitlines() if line.startswith("study.toml: ")]
    return [line.removeprefix("study.toml: ") for line in lines if "no such file" not in line]


def test_everything_is_resolved(spec: StudySpec, tmp_path: Path) -> None:
    assert spec.name == "mix"
    assert spec.folder == tmp_path / "runs/mix"
    assert spec.models == {"A": tmp_path / "a.safetensors", "B": tmp_path / "b.safetensors"}
    assert spec.encoder == EncoderFiles(config=tmp_path / "clip.json", weights=tmp_path / "clip.safetensors")
    assert (spec.scorer_folder, spec.scorer_files) == (tmp_path / "models/scorers", {})
    assert (spec.seed, spec.finalists, spec.device, spec.precision, spec.export_dtype) == (0, 2, "auto", "auto", "fp16")
    assert (spec.plan.groups, spec.plan.blocks, spec.plan.self_mode, spec.plan.adjust) == (2, 3, 1, 1)
    assert spec.scorer_weights == {"style": 1.0, "clip": 0.2, "stats": 0.3}


def test_shots_are_prompts_times_seeds(spec: StudySpec) -> None:
    assert [(shot.prompt, shot.seed, shot.negative) for shot in spec.shots] == [
        ("a cat on grass", 1, "blurry"),
        ("a cat on grass", 2, "blurry"),
        ("a house", 3, "people"),
    ]
    assert {(shot.width, shot.steps, shot.cfg, shot.sampler) for shot in spec.shots} == {(64, 4, 5.0, "DPM++ 2M")}


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
    for shot in (*spec.shots, *spec.proof_shots):
        assert {name: getattr(shot, name) for name in read} == read


def test_proof_takes_the_same_prompts_unless_it_has_its_own(tmp_path: Path, spec: StudySpec) -> None:
    assert [(s.prompt, s.seed, s.negative) for s in spec.proof_shots] == [
        ("a cat on grass", 101, "blurry"),
        ("a cat on grass", 102, "blurry"),
        ("a house", 101, "people"),
        ("a house", 102, "people"),
    ]
    own = read_study_file(
        write_study(tmp_path, STUDY.replace("[proof]\n", '[proof]\nprompts = ["a tree", "a boat"]\n'))
    )
    assert [(shot.prompt, shot.seed) for shot in own.proof_shots] == [
        ("a tree", 101),
        ("a tree", 102),
        ("a boat", 101),
        ("a boat", 102),
    ]


def test_space_is_as_written(spec: StudySpec, tmp_path: Path) -> None:
    knobs = {knob.name: knob for knob in spec.space.knobs}
    assert knobs["BASE"].frozen == 0
    assert knobs["IN07"].group == "IN_LATE"
    assert (knobs["self:OUT05:attn1"].low, knobs["self:OUT05:attn1"].high) == (0.8, 1.2)
    assert (knobs["adjust:CONT"].low, knobs["adjust:CONT"].high) == (-5, 5)
    blocks = '[space.blocks]\nlow = 0.2\nfreeze = { OUT11 = 0.7 }\ngroups = { X = ["IN00-IN02", "M00"] }\n'
    other = {k.name: k for k in read_study_file(write_study(tmp_path, STUDY + blocks)).space.knobs}
    assert (other["BASE"].frozen, other["BASE"].low) == (None, 0.2)
    assert other["OUT11"].frozen == 0.7
    assert [name for name, knob in other.items() if knob.group == "X"] == ["IN00", "IN01", "IN02", "M00"]


def test_references_of_a_folder_are_its_pictures(tmp_path: Path) -> None:
    (tmp_path / "wanted").mkdir()
    for name in ("b.PNG", "a.jpg", "notes.txt"):
        (tmp_path / "wanted" / name).touch()
    assert [path.name for path in read_study_file(write_study(tmp_path)).references] == ["a.jpg", "b.PNG"]
    listed = read_study_file(write_study(tmp_path, references='["x.png", "wanted"]'))
    assert [path.name for path in listed.references] == ["x.png", "a.jpg", "b.PNG"]


def test_panel_settings_carry_the_scorers(spec: StudySpec) -> None:
    settings = spec.panel_settings()
    assert settings.encoders == {"clip": spec.encoder}
    assert (settings.main, settings.weights) == ("clip", spec.scorer_weights)
    assert (settings.folder, settings.files, settings.here) == (spec.scorer_folder, {}, spec.file.parent)


def test_an_encoder_has_a_name_or_two_files(tmp_path: Path) -> None:
    table = 'encoder = { config = "clip.json", weights = "clip.safetensors" }'
    text = STUDY.replace(table, 'encoder = "openclip-h"\nfolder = "s"\nfiles = { laion = "x.pth" }')
    spec = read_study_file(write_study(tmp_path, text))
    settings = spec.panel_settings()
    assert (settings.main, settings.encoders) == ("openclip-h", {})
    assert (settings.folder, settings.files) == (tmp_path / "s", {"laion": tmp_path / "x.pth"})
    text = STUDY.replace(table, 'encoder = { config = "ViT-B-32", weights = "x.bin" }')
    assert read_study_file(write_study(tmp_path, text)).encoder == EncoderFiles(
        config="ViT-B-32", weights=tmp_path / "x.bin"
    )
    assert read_study_file(write_study(tmp_path, STUDY.replace(f"[scorers]\n{table}\n", ""))).encoder == "clip-l"


def test_files_that_scorers_name_must_be_there(tmp_path: Path) -> None:
    more = '[scorers]\nweights = { "mine.py:Red" = 1 }\nfiles = { csd = "csd.bin" }'
    with pytest.raises(StudyError) as caught:
        read_study_file(write_study(tmp_path, STUDY.replace("[scorers]", more), width="0"))
    for place in (
        'scorers.files.csd: there is no such file ("csd.bin")',
        'mine.py:Red: there is no such file ("mine.py")',
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


def test_unlike_alone_is_a_mistake(tmp_path: Path) -> None:
    text = STUDY.replace("[target]\n", '[target]\nunlike = "photo"\n')
    assert mistakes(tmp_path, text) == [
        'target.unlike: says what the look is told from, but not the look ("photo"); add like'
    ]


def test_five_mistakes_are_all_reported(tmp_path: Path) -> None:
    text = STUDY.replace("width = 64", "width = 65").replace("[search]", "[search]\ntrails = 5")
    text = text.replace('"OUT05:attn1"', '"OUT5:attn1"').replace("cfg = 5", 'cfg = "7"')
    assert mistakes(tmp_path, text.replace("[101, 102]", "[2, 101]")) == [
        "render.width: must be a multiple of 8 (65); the nearest are 64 and 72",
        'render.cfg: must be a number ("7"); write for example cfg = 7.0',
        "space.self.sites[1]: there is no block 'OUT5' (\"OUT5:attn1\"); did you mean OUT05?",
        (
            "search.trails: unknown key (5); known here: groups, blocks, self, adjust, refine, line, calibration, "
            "patience, fresh_seeds, shots, begin, start, sampler, options, finalists, simplify"
        ),
        PEEKING,
    ]


def test_missing_files_are_told_with_the_other_mistakes(tmp_path: Path) -> None:
    with pytest.raises(
        StudyError, match=r"(?s)has 6 mistakes.*models\.B: there is no such file \(\"b\.safetensors\"\)"
    ) as e:
        read_study_file(write_study(tmp_path, width="0"))
    assert f"paths start from {tmp_path}" in str(e.value)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (
            'name = "mix"',
            'nmae = "mix"',
            ["study.name: is missing", 'study.nmae: unknown key ("mix"); did you mean name?'],
        ),
        ('name = "mix"', 'name = "a/b"', ['study.name: is no name for a folder ("a/b")']),
        (
            "[models]",
            "[model]",
            ["model: unknown table or key; did you mean models?", "models: is missing; add a [models]"],
        ),
        ('"b.safetensors"', '"a.safetensors"', ['models.B: is the same file as A ("a.safetensors")']),
        (
            "seeds = [3]",
            "seeds = []",
            ["prompts[2].seeds: needs at least 1 entry ([]); write for example seeds = [1, 2]"],
        ),
        ("seeds = [3]", "seeds = [3, 3]", ["prompts[2].seeds: holds 3 twice ([3, 3])"]),
        ("seeds = [3]", "seeds = [3, -1]", ["prompts[2].seeds[2]: must not be below 0 (-1)"]),
        ("seeds = [3]", "seeds = 3", ["prompts[2].seeds: must be a list in square brackets (3)"]),
        ('text = "a house"', 'text = " "', ['prompts[2].text: must not be empty (" ")']),
        ("cfg = 5", "cfg = nan", ["render.cfg: "]),
        ("cfg = 5", 'sampler = "Euler b"', ['render.sampler: unknown sampler ("Euler b"); did you mean Euler a?']),
        ("cfg = 5", 'sampler = "zzz"', ['render.sampler: unknown sampler ("zzz"); known here: DPM++ 2M, DPM++ SDE']),
        (
            "cfg = 5",
            'sampler = "LMS Karas"',
            ['render.sampler: unknown sampler ("LMS Karas"); did you mean LMS Karras?'],
        ),
        ("cfg = 5", 'schedule = "karas"', ['render.schedule: unknown schedule ("karas"); did you mean Karras?']),
        (
            "cfg = 5",
            'sampler = "LMS Karras"\nschedule = "Beta"',
            ['render.schedule: the sampler\'s name says Karras already ("Beta"); write sampler = "LMS", or leave'],
        ),
        (
            "cfg = 5",
            'sampler = "DDIM"\nschedule = "Beta"',
            ['render.schedule: DDIM has noise levels of its own ("Beta"); leave schedule out'],
        ),
        ("cfg = 5", 'rng = "GPU"', ['render.rng: unknown rng ("GPU"); write "CPU", or "NV" for what a WebUI']),
        ("cfg = 5", "eta = 1.5", ["render.eta: must not be above 1 (1.5)"]),
        ("cfg = 5", "ensd = -1", ["render.ensd: must not be below 0 (-1)"]),
        ("cfg = 5", "s_noise = 3", ["render.s_noise: must not be above 2 (3)"]),
        ("finalists = 2", "finalists = true", ["search.finalists: must be a whole number (true)"]),
        ("CONT = [-5, 5]", "CONT = [5, -5]", ["space.adjust.CONT: the lower bound must come first"]),
        (
            "CONT = [-5, 5]",
            "CONTR = [-5, 5]",
            ['space.adjust.CONTR: unknown Adjust field ("CONTR"); did you mean CONT?'],
        ),
        (
            "CONT = [-5, 5]",
            "CONT = 5",
            ["space.adjust.CONT: must be a list in square brackets (5); write for example CONT"],
        ),
        ("[search]", "[device]\ndevice = 'gpu'\n[search]", ['device.device: unknown device ("gpu")']),
        ("[scorers]", "[scorers]\nweights = {style = 0}", ["scorers.weights: no scorer counts ({ style = 0 })"]),
        (
            "[scorers]",
            "[scorers]\nweights = {styl = 1}",
            ["scorers.weights.styl: no scorer 'styl' (\"styl\"); did you mean 'style'?"],
        ),
        (
            "[scorers]",
            '[scorers]\nweights = { laion = 1, sac = 1, "mine.py" = 1 }',
            ["scorers.weights: laion is there twice, by several names ({ laion = 1"],
        ),
        (
            "[scorers]",
            '[scorers]\nweights = { hpsv3 = 1, "pick@clip-l" = 1 }',
            [
                "scorers.weights.hpsv3: scorer 'hpsv3' is not built in (it is a language model of 7 billion weights)",
                "scorers.weights.pick@clip-l: 'pick@clip-l': pick takes no other encoder",
            ],
        ),
        (
            "[scorers]",
            '[scorers]\nfiles = { style = "x", clip-m = "y" }',
            [
                "scorers.files.style: 'style' has no file of its own (\"style\"); name the file of its encoder",
                "scorers.files.clip-m: no ",
            ],
        ),
        (
            'encoder = { config = "clip.json", weights = "clip.safetensors" }',
            'encoder = "clip-k"',
            ["scorers.encoder: no encoder 'clip-k' (\"clip-k\"); did you mean"],
        ),
        (
            'encoder = { config = "clip.json", weights = "clip.safetensors" }',
            'encoder = { config = "clip.json", weight = "clip.safetensors" }',
            ["scorers.encoder: must be the name of an encoder, or a table of its two files ("],
        ),
        (
            "[space.self]",
            "[space.blocks]\nlow = 0.6\nhigh = 0.5\n[space.self]",
            ["space.blocks.high: must be above low (0.6)"],
        ),
        ("[space.self]", "[space.self]\nlow = 1.3", ["space.self.high: must be above low (1.3) (1.2)"]),
        (
            "[space.self]",
            '[space.blocks]\nfreeze = {BAES = 0}\ngroups = {X = ["IN00-IN99"], Y = ["IN05-IN01"]}\n[space.self]',
            [
                'space.blocks.freeze.BAES: unknown block ("BAES"); did you mean BASE?',
                'space.blocks.groups.X[1]: unknown block IN99 ("IN00-IN99")',
                'space.blocks.groups.Y[1]: range runs backwards ("IN05-IN01"); write IN01-IN05',
            ],
        ),
        (
            "[space.self]",
            '[space.blocks]\ngroups = {X = ["IN00-IN03"], Y = ["IN03"]}\n[space.self]',
            ["space.blocks.groups: IN03 is in X and Y"],
        ),
        (
            "[space.self]",
            '[space.blocks]\ngroups = {OUT05 = ["IN00"]}\n[space.self]',
            ["space: group OUT05 has the name"],
        ),
        (
            'text = "a house"\nnegative = "people"\nseeds = [3]\n\n[proof]\nseeds = [',
            'text = "a cat on grass"\nseeds = [2]\n\n[proof]\nseeds = [103, ',
            ["prompts[2].seeds: makes"],
        ),
        (
            "[proof]\n",
            '[proof]\nprompts = ["a tree"]\n',
            ["proof.seeds: gives 2 pictures, and recipes are compared by 3"],
        ),
    ],
)
def test_each_mistake_says_where_what_and_the_way_out(
    tmp_path: Path, before: str, after: str, expected: list[str]
) -> None:
    assert before in STUDY
    lines = mistakes(tmp_path, STUDY.replace(before, after, 1))
    assert len(lines) == len(expected), lines
    assert [line[: len(start)] for line, start in zip(lines, expected, strict=True)] == expected
    assert all("; " in line for line in lines)


@pytest.mark.parametrize(("seeds", "proved"), [("[1, 1000004]", "[101, 102]"), ("[1, 2]", "[101, 2000007]")])
def test_seeds_that_fresh_ones_come_to_are_refused(tmp_path: Path, seeds: str, proved: str) -> None:
    text = STUDY.replace("seeds = [1, 2]", f"seeds = {seeds}").replace("seeds = [101, 102]", f"seeds = {proved}")
    fresh = text.replace("[search]", "[search]\nfresh_seeds = true")
    (line,) = mistakes(tmp_path, fresh)
    assert line.startswith("prompts[1].seeds: come again as seeds 1000003 and more above, which another shot")
    assert line.endswith("(fresh_seeds) ([1]); use seeds nearer together")
    assert read_study_file(write_study(tmp_path, text)).fresh_seeds is False


def test_a_lone_mistake_is_one_line(tmp_path: Path) -> None:
    for name in ("a.safetensors", "b.safetensors", "clip.json", "clip.safetensors"):
        (tmp_path / name).touch()
    (tmp_path / "wanted").mkdir()
    with pytest.raises(StudyError) as caught:
        read_study_file(write_study(tmp_path, steps="0"))
    assert str(caught.value) == "study.toml: render.steps: must not be below 1 (0); write for example steps = 20"


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="there is no such study file; `recipe-search init` writes one"):
        read_study_file(tmp_path / "no.toml")
    with pytest.raises(StudyError, match="cannot be read"):
        read_study_file(tmp_path)
    (tmp_path / "bad.toml").write_text("[study\n")
    with pytest.raises(StudyError, match=r"is no TOML: .*line 1"):
        read_study_file(tmp_path / "bad.toml")
    (tmp_path / "latin.toml").write_bytes(b'[study]\nname = "\xe9"\n')
    with pytest.raises(StudyError, match=r"is no UTF-8 text \(byte 16\)"):
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
    assert path_text(("prompts", 1, "seeds", 0)) == "prompts[2].seeds[1]"
    assert shown({"a": [1, True, "x"]}) == '{ a = [1, true, "x"] }'
    assert len(shown("y" * 500)) == 60
