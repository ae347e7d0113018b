"""The report: everything inside, within its size, for every state of a study."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from engine.recipes.recipe import Recipe
from studies.cards.markup import markdown_escaped
from studies.errors import StudyError
from studies.pages.reading.reader import StudyReader
from studies.pages.report import write as writing
from studies.pages.report.embedding import PictureShelf
from studies.pages.report.facts import pick_agreement, time_split
from studies.pages.report.write import write_report
from studies.pages.templating import span
from studies.recipes.recipe_words import recipe_words
from studies.results.settings_file import write_settings
from studies.results.situations import write_situations
from studies.review.judging.picks import Pick
from studies.store.judged.outcome import Standing
from studies.store.renders import shots_key
from tests.studies.chain_studies import typed
from tests.studies.pages.made_results import made_settings, made_situations, write_results
from tests.studies.sample_study import write_small_study

OUTWARD = re.compile(r"""(?:src|href|action|url)\s*[=(]\s*["']?(?!data:|#)[^"'\s>]""")
"""What would load something from elsewhere."""


def test_a_report_has_everything_inside(copied: Path, tmp_path: Path) -> None:
    files = write_report(copied, tmp_path)
    text, study = files.html.read_text(), StudyReader(copied).read()
    assert study.outcome is not None
    assert OUTWARD.findall(text) == []
    assert "<script" not in text
    assert 'style="' not in text
    assert (files.shown, files.left_out) == (len(study.scored), 0)
    finalists = len(study.outcome.finalists)
    rows = len(study.spec.shots.proof)
    pictures = 8 + rows * (3 + finalists) + len(study.scored)
    assert text.count('src="data:image/webp;base64,') == pictures
    for heading in ("The look that was wanted", "How far to trust this", "The course of the search", "To repeat it"):
        assert heading in text
    words = text[text.index("Each finalist") :]
    assert all(text in words for text in texts(study.outcome.finalists))
    said = r"(?:etter|orse) than A \(ahead in \d+ of 4 pictures\)"
    assert re.search(said, text)
    assert len(text.encode()) <= writing.MOST_BYTES


def texts(finalists: tuple[Standing, ...]) -> list[str]:
    words = [recipe_words(one.candidate.recipe) for one in finalists]
    return [text for one in words for run in one.runs for _, text in run.lines]


def test_a_summary_stands_beside_it(copied: Path, tmp_path: Path) -> None:
    text = write_report(copied, tmp_path).markdown.read_text()
    assert text.startswith("# small\n")
    assert "## Finalist 1" in text
    assert "```\n" in text
    assert "&#" not in text
    assert "<" not in re.sub(r"\\<", "", text)


def test_what_has_no_room_is_counted(copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = write_report(copied, tmp_path).html.stat().st_size
    monkeypatch.setattr(writing, "MOST_BYTES", whole - 20_000)
    monkeypatch.setattr(writing, "FOR_THE_REST", 0)
    files = write_report(copied, tmp_path)
    assert files.html.stat().st_size <= whole - 20_000
    assert 0 < files.left_out < files.shown + files.left_out
    assert f"And {files.left_out} more in the gallery." in files.html.read_text()


def test_a_study_that_was_never_proved_and_has_odd_names(copied: Path, tmp_path: Path) -> None:
    folder = StudyReader(copied).read().spec.storage.folder
    (folder / "outcome.json").unlink()
    text = copied.read_text().replace(
        'references = "references"', 'references = "references"\nlike = "<script>alert(1)</script> *ink*"'
    )
    copied.write_text(text)
    files = write_report(copied, tmp_path, language="ja", quick=True)
    page, summary = files.html.read_text(), files.markdown.read_text()
    assert '<html lang="ja">' in page
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "recipe-search run study.toml" in page
    assert r"\<script\>alert(1)\</script\> \*ink\*" in summary
    assert page.count('src="data:image/webp') >= 8 + 3


def test_what_was_measured_after_the_search_is_inside(copied: Path, tmp_path: Path) -> None:
    folder = StudyReader(copied).read().spec.storage.folder
    assert "In other situations" not in write_report(copied, tmp_path).html.read_text()
    write_results(folder)
    text = write_report(copied, tmp_path).html.read_text()
    assert OUTWARD.findall(text) == []
    assert "<script" not in text
    assert 'style="' not in text
    parts = [text.index(heading) for heading in ("In other situations", "Recommended settings", "What each block does")]
    assert parts == sorted(parts)
    assert "red is obeyed in 1 of 8 pictures" in text
    assert "Steps: 6, Sampler: DDIM" in text
    assert text.count('<table class="matrix">') == 4
    for alt in ("Pictures of colour: red", "Pictures with each value of Sampler", "OUT03 low, at the base, and high"):
        assert re.search(rf'<img src="data:image/webp;base64,[^"]+" width="\d+" height="\d+" alt="{alt}', text)
    summary = (tmp_path / "report.md").read_text()
    assert "- **colour: red** (word no longer obeyed): red is obeyed" in summary
    assert "Steps: 6, Sampler: DDIM" in summary
    assert re.search(r"\n- style: IN06 \(2\.5\), .*\n- prompt fidelity: ", summary)
    assert "<script" not in summary.replace(r"\<", "")
    assert set(re.findall(r'href="#([^"]+)"', text)) <= set(re.findall(r' id="([^"]+)"', text))


def test_a_report_names_its_suite_and_what_else_was_measured(copied: Path, tmp_path: Path) -> None:
    folder = StudyReader(copied).read().spec.storage.folder
    write_settings(folder, replace(made_settings(), mode="joint", steps=(), look_back=()))
    write_situations(folder, replace(made_situations(), suite="", suite_key=""))
    write_results(folder)
    pages = [write_report(copied, tmp_path).html.read_text(), (tmp_path / "report.md").read_text()]
    for text in pages:
        assert "finalist 1, suite sample" in text
        assert "The pages show earlier ones too: finalist 1." in text
        assert "The pages show earlier ones too: pin 1, all settings at once." in text


def test_a_damaged_result_is_a_line_of_the_report(copied: Path, tmp_path: Path) -> None:
    folder = StudyReader(copied).read().spec.storage.folder
    write_results(folder)
    for file in folder.glob("s*/*/result.json"):
        file.write_text("{}")
    text = write_report(copied, tmp_path, language="ja").html.read_text()
    problems = re.findall(r'<p class="problem">([^<]*)</p>', text)
    assert ["is damaged" in one for one in problems] == [True, True]
    assert '<table class="matrix">' in text


def test_nothing_tried_is_nothing_to_report(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="nothing was tried yet"):
        write_report(write_small_study(tmp_path))


def test_a_folder_that_is_not_there_is_refused(copied: Path, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="no such folder"):
        write_report(copied, tmp_path / "nowhere")


def test_no_time_takes_no_pictures(copied: Path) -> None:
    study = StudyReader(copied).read()
    assert PictureShelf(study, seconds=-1).take("r0", "320") is None
    assert PictureShelf(study, room=100).take("r0", "320") is None
    assert PictureShelf(study).take("t9999", "320") is None
    picture = PictureShelf(study).take("r0", "320")
    assert picture is not None
    assert picture.width <= 320


def test_the_time_is_split(copied: Path) -> None:
    study = StudyReader(copied).read()
    split = time_split(study)
    assert split is not None
    assert sum(split.share(part) for part in split.parts) == pytest.approx(100, abs=1)
    assert split.parts["render"] > 0
    assert time_split(replace(study, trials=())) is None


def test_picks_agree_where_the_picked_recipe_has_the_higher_score(copied: Path) -> None:
    study = StudyReader(copied).read()
    slots = study.scored[0].slots
    best, *_, worst = [trial for trial in study.scored if trial.slots == slots]
    assert best.score != worst.score
    pick = Pick(
        left=str(best.attributes["recipe"]),
        right=str(worst.attributes["recipe"]),
        shots=shots_key(study.spec.shots.drawn(slots)),
        index=0,
        prompt="",
        seed=1,
        answer="left",
    )
    answers = [pick, replace(pick, answer="right"), replace(pick, answer="same"), replace(pick, shots="unknown")]
    found = pick_agreement(study, [pick, *answers])
    assert found is not None
    assert (found.agreed, found.decided, found.picks) == (2, 3, 5)
    assert pick_agreement(study, []) is None


def test_markdown_obeys_nothing() -> None:
    assert markdown_escaped("a_b *c*\n# d <e> [f](g)|`h`") == r"a\_b \*c\* \# d \<e\> \[f\](g)\|\`h\`"


def test_lengths_of_time_are_words() -> None:
    assert span(timedelta(minutes=19)) == "19 minutes"
    assert span(timedelta(hours=7, minutes=40), language="ja") == "8 時間"


def test_a_later_stage_says_what_was_done_before(copied: Path, tmp_path: Path) -> None:
    models = {"A": copied.parent / "closeups.safetensors", "B": copied.parent / "lamplight.safetensors"}
    words = [word for letter, path in models.items() for word in ("--model", f"{letter}={path}")]
    (tmp_path / "mix.toml").write_text(Recipe.flat(0.3).text)
    merged = tmp_path / "alpha.safetensors"
    done = typed("recipe", "export", tmp_path / "mix.toml", "--out", merged, *words)
    assert done.exit_code == 0, done.output
    merged.replace(copied.parent / "closeups.safetensors")
    files = write_report(copied, tmp_path)
    line = "closeups: 1 step (Weight sum of A, B, alpha 0.3 (BASE 0)), saved as closeups.safetensors"
    assert f"<li>{line}</li>" in files.html.read_text()
    assert "Stage 2 of a chain:\n\n- A is closeups" in files.markdown.read_text()
