"""What is wrong in a study file is told all at once, each with its place, the value seen and the way out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from studies.errors import StudyError
from studies.studyfile.read import read_study_file
from tests.studies.study_text import STUDY, write_study

PEEKING = (
    "proof.seeds: the proof shares prompts and seeds with [[prompts]], so it would not be independent ([2]); "
    "use seeds that no [[prompts]] has"
)


def problems(folder: Path, text: str) -> list[str]:
    """What is wrong in a study file, within it; but for files that are not there."""
    with pytest.raises(StudyError) as caught:
        read_study_file(write_study(folder, text))
    assert {problem.place[0] for problem in caught.value.problems} == {Path("study.toml")}
    lines = [str(replace(problem, place=problem.place[1:])) for problem in caught.value.problems]
    return [line for line in lines if "no such file" not in line]


def test_unlike_alone_is_a_problem(tmp_path: Path) -> None:
    text = STUDY.replace("[target]\n", '[target]\nunlike = "photo"\n')
    assert problems(tmp_path, text) == ['target.unlike: means nothing without like ("photo"); add like']


def test_five_problems_are_all_reported(tmp_path: Path) -> None:
    text = STUDY.replace("width = 64", "width = 65").replace("[search]", "[search]\ntrails = 5")
    text = text.replace('"OUT05:attn1"', '"OUT5:attn1"').replace("cfg = 5", 'cfg = "7"')
    assert problems(tmp_path, text.replace("[101, 102]", "[2, 101]")) == [
        "render.width: must be a multiple of 8 (65); the nearest are 64 and 72",
        'render.cfg: must be a number ("7"); write for example cfg = 7.0',
        "space.self.sites[1]: there is no block 'OUT5' (\"OUT5:attn1\"); did you mean OUT05?",
        (
            "search.trails: unknown key (5); known here: groups, blocks, self, adjust, refine, line, calibration, "
            "patience, fresh_seeds, racing, shots, begin, start, sampler, options, finalists, simplify"
        ),
        PEEKING,
    ]


def test_the_folder_of_a_study_is_its_own_and_can_be_made(tmp_path: Path) -> None:
    def told(folder: str) -> list[str]:
        return problems(tmp_path, STUDY.replace("[study]\n", f'[study]\nfolder = "{folder}"\n'))

    (long,) = told("f" * 300)
    assert long.startswith("study.folder: has a name that is too long for a folder, at most 255 bytes")
    (shared,) = told("./wanted")
    assert shared.startswith("study.folder: is the folder of the references too")


def test_missing_files_are_told_with_the_other_problems(tmp_path: Path) -> None:
    with pytest.raises(
        StudyError, match=r"(?s)study.toml: 6 problems.*models\.B: there is no such file \(\"b\.safetensors\"\)"
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
        ('name = "mix"', 'name = "a/b"', ['study.name: is not a name for a folder ("a/b")']),
        ("[study]", '[study]\nstorage = "sqlite:///a.db"', ["study.storage: is a file that only the processes of one"]),
        ("[study]", '[study]\nstorage = "mysql://me@host/a"', ["study.storage: is no PostgreSQL database"]),
        ("[study]", '[study]\nstorage = "postgresql://host"', ["study.storage: names no database"]),
        ("[study]", '[study]\nstorage = "postgresql://host/a"', ["study.storage: needs artifacts"]),
        ("[study]", '[study]\nartifacts = "shared"', ["study.artifacts: is for studies over several machines"]),
        ("[study]", '[study]\nartifacts = "gs://a/b"', ["study.artifacts: is no address of a bucket"]),
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
        ("cfg = 5", "cfg = nan", ["render.cfg: must be a number (nan); write for example cfg = 7.0"]),
        ("cfg = 5", "s_noise = nan", ["render.s_noise: must be a number (nan)"]),
        ("cfg = 5", "eta = inf", ["render.eta: must not be above 1 (inf)"]),
        ("cfg = 5", "ensd = 4294967296", ["render.ensd: must not be above 4294967295 (4294967296)"]),
        ("cfg = 5", "cfg = 0.5", ["render.cfg: must not be below 1 (0.5)"]),
        ("cfg = 5", 'ztsnr = "yes"', ['render.ztsnr: unknown word ("yes"); known here: auto, on, off']),
        (
            "cfg = 5",
            'sampler = "uni_pc_bh2"',
            ["render.sampler: this sampler of ComfyUI has no equal among the WebUI's"],
        ),
        ("cfg = 5", 'schedule = "linear_quadratic"', ["render.schedule: this schedule has no equal among the WebUI's"]),
        (
            "[search]",
            '[search]\nsampler = "tpe"\noptions = { n_startup_trials = "x" }',
            ['search.options.n_startup_trials: must be a whole number ("x"); write for example n_startup_trials = 10'],
        ),
        (
            "[search]",
            '[search]\nsampler = "tpe"\noptions = { n_startup_trial = 1 }',
            ["search.options.n_startup_trial: sampler tpe has no such option (1); did you mean n_startup_trials?"],
        ),
        (
            "[search]",
            '[search]\nsampler = "cmaes"\noptions = { sigma = "x" }',
            ['search.options.sigma: must be a number ("x"); write for example sigma = 0.1'],
        ),
        ("[search]", '[search]\nsampler = "tqe"\noptions = { a = 3 }', ['search.sampler: unknown sampler ("tqe")']),
        ('A = "a.safetensors"', 'A = ""', ['models.A: must not be empty (""); write a text']),
        ('"a.safetensors"', '"~nosuchuser/a"', ["models.A: ~nosuchuser/a: there is no such home folder"]),
        ('"a.safetensors"', '"a\\u0000b"', ["models.A: 'a\\x00b': no file can have this name"]),
        ("[scorers]", '[scorers]\nfolder = "~nosuchuser"', ["scorers.folder: ~nosuchuser: there is no such home"]),
        (
            'sites = ["OUT05:attn1"]',
            'sites = ["OUT05:attn1", 7, "OUT99:attn1"]',
            [
                'space.self.sites[2]: must be a text in quotes (7); write for example "OUT05:attn1"',
                "space.self.sites[3]: there is no block 'OUT99' (\"OUT99:attn1\"); did you mean OUT09?",
            ],
        ),
        (
            "cfg = 5",
            "[render.hires]\nupscaler = '4x-x'\nscale = 4.0\nsteps = 1\nsampler = 'LMS'\nschedule = 'Bta'",
            [
                'render.hires.schedule: unknown schedule ("Bta")',
                "render.hires.upscaler: is not a built-in upscaler, and no folder of upscaler files is set",
            ],
        ),
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
        (
            "cfg = 5",
            'options = { emphasis = "Loud", ngms = 20 }',
            [
                'render.options.emphasis: unknown emphasis ("Loud"); known here: Original, No norm, Ignore, None',
                "render.options.ngms: must not be above 15 (20)",
            ],
        ),
        (
            "cfg = 5",
            "options = { sigma_min = 5, sigma_max = 4 }",
            ["render.options.sigma_min: must be less than sigma_max (5.0); write less than 4.0, or a higher sigma_max"],
        ),
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
        ("[scorers]", "[scorers]\nweights = {style = 0}", ["scorers.weights: every weight is 0 ({ style = 0 })"]),
        (
            "[scorers]",
            "[scorers]\nweights = {styl = 1}",
            ["scorers.weights.styl: no scorer 'styl' (\"styl\"); did you mean style?"],
        ),
        (
            "[scorers]",
            '[scorers]\nweights = { laion = 1, sac = 1, "mine.py" = 1 }',
            ["scorers.weights: laion is given twice, by two names ({ laion = 1"],
        ),
        (
            "[scorers]",
            '[scorers]\nweights = { hpsv3 = 1, "pick@clip-l" = 1 }',
            [
                "scorers.weights.hpsv3: scorer 'hpsv3' is not built in (it is a language model of 7 billion weights)",
                'scorers.weights."pick@clip-l": pick takes no other encoder',
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
            ["space.blocks.high: must be above low, which is 0.6 (0.5)"],
        ),
        ("[space.self]", "[space.self]\nlow = 1.3", ["space.self.high: must be above low, which is 1.3 (1.2)"]),
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
            ["proof.seeds: gives 2 pictures, and comparing recipes takes at least 3"],
        ),
    ],
)
def test_each_problem_says_where_what_and_the_way_out(
    tmp_path: Path, before: str, after: str, expected: list[str]
) -> None:
    assert before in STUDY
    lines = problems(tmp_path, STUDY.replace(before, after, 1))
    assert len(lines) == len(expected), lines
    assert [line[: len(start)] for line, start in zip(lines, expected, strict=True)] == expected
    assert all("; " in line for line in lines)


@pytest.mark.parametrize(("seeds", "proved"), [("[1, 1000004]", "[101, 102]"), ("[1, 2]", "[101, 2000007]")])
def test_seeds_that_fresh_ones_come_to_are_refused(tmp_path: Path, seeds: str, proved: str) -> None:
    text = STUDY.replace("seeds = [1, 2]", f"seeds = {seeds}").replace("seeds = [101, 102]", f"seeds = {proved}")
    fresh = text.replace("[search]", "[search]\nfresh_seeds = true")
    (line,) = problems(tmp_path, fresh)
    assert line.startswith("prompts[1].seeds: come again as seeds 1000003 and more above, which another shot")
    assert line.endswith("(fresh_seeds) ([1]); use seeds nearer together")
    assert read_study_file(write_study(tmp_path, text)).search.fresh_seeds is False


def test_a_lone_problem_is_one_line(tmp_path: Path) -> None:
    for name in ("a.safetensors", "b.safetensors", "clip.json", "clip.safetensors"):
        (tmp_path / name).touch()
    (tmp_path / "wanted").mkdir()
    with pytest.raises(StudyError) as caught:
        read_study_file(write_study(tmp_path, steps="0"))
    assert str(caught.value) == "study.toml: render.steps: must not be below 1 (0); write for example steps = 20"


def test_prompts_written_as_one_table_are_told_how_to_write_them(tmp_path: Path) -> None:
    one = STUDY.replace('[[prompts]]\ntext = "a house"\nnegative = "people"\nseeds = [3]\n', "")
    (line,) = problems(tmp_path, one.replace("[[prompts]]", "[prompts]"))
    assert line == "prompts: is one table; write [[prompts]] above each, in double brackets"
    with pytest.raises(StudyError, match=r"the table \[prompts\] stands twice.*each begins with \[\[prompts\]\]"):
        read_study_file(write_study(tmp_path, STUDY.replace("[[prompts]]", "[prompts]")))


def test_recipes_to_begin_with_are_told_with_their_files(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text('format = 1\n[[steps]]\nkind = "merge"\nmode = true\nmodels = ["A", 1]\n')
    named = STUDY.replace("[search]", '[search]\nstart = "bad.toml"\nbegin = ["study.toml", "~nosuchuser/x.toml"]')
    lines = problems(tmp_path, named)
    assert lines[0] == f"search.begin[1]: {tmp_path / 'study.toml'}: is a study file, not a recipe; name a recipe file"
    assert lines[1].startswith("search.begin[2]: ~nosuchuser/x.toml: there is no such home folder")
    bad = [line for line in lines if line.startswith(f"search.start: {tmp_path / 'bad.toml'}: steps[1].")]
    assert len(lines) == len(bad) + 2
    assert any('models: is ["A", 1]; write' in line for line in bad)
    assert any("mode: is true; write" in line for line in bad)


@pytest.mark.parametrize(
    "line",
    [
        'storage = "postgresql+psycopg://me:s3cret@host/a"',
        'storage = "postgresql://me:s3/cr@et@host/a"',
        'storage = "postgresql://host/a?user=me&password=s3cret"',
        'storage = ["postgresql://me:s3cret@host/a"]',
        'strage = "postgresql://me:s3cret@host/a"',
        'artifacts = "https://me:s3cret@host/a"',
    ],
)
def test_no_message_shows_a_password(tmp_path: Path, line: str) -> None:
    told = " ".join(problems(tmp_path, STUDY.replace("[study]\n", f"[study]\n{line}\n")))
    assert told
    assert "s3" not in told.replace("s3://", "")


def test_a_password_in_the_study_file_is_refused_with_the_way_out(tmp_path: Path) -> None:
    text = STUDY.replace("[study]\n", '[study]\nstorage = "postgresql://me:s3cret@host/a"\nartifacts = "shared"\n')
    (told,) = problems(tmp_path, text)
    assert told.startswith("study.storage: holds a password")
    assert told.endswith("put it into ~/.pgpass (or the file that PGPASSFILE names), or into PGPASSWORD")
