"""Pages of situations, recommended settings and blocks: with results, without, and with damaged ones."""

from __future__ import annotations

import html
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from engine.recipes.blocks import BLOCKS
from studies.after_recipe.settings.joint.joint_space import UNCHANGED
from studies.pages.measured.probe import shown
from studies.pages.measured.read import ReadResult
from studies.pages.reading.measured_files import MEASURES
from studies.pages.reading.reader import StudyReader
from studies.results.probe import probe_file, write_probe
from studies.results.settings_file import write_settings
from studies.studyfile.read import read_study_file
from tests.studies.pages.conftest import Visitor
from tests.studies.pages.made_results import (
    KEY,
    SCRIPT,
    made_probe,
    made_settings,
    write_made_probe,
    write_made_settings,
    write_results,
)
from tests.studies.sample_study import write_small_study

FILES = {
    "situations": f"situations/{KEY}-sample/result.json",
    "settings": f"settings/{KEY}/result.json",
    "probe": "probe/result.json",
}


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a study that was never searched, with all three results; leave it as it is."""
    file = write_small_study(tmp_path_factory.mktemp("made"))
    write_results(folder_of(file))
    return file


@pytest.fixture
def made(made_once: Path, tmp_path: Path) -> Path:
    """The file of a copy of it."""
    shutil.copytree(made_once.parent, tmp_path / "copy")
    return tmp_path / "copy" / "study.toml"


def folder_of(file: Path) -> Path:
    return read_study_file(file).storage.folder


def test_situations_show_verdicts_weak_spots_words_and_diversity(made: Path, visitor: Visitor) -> None:
    text = visitor(made).get("/s/small/situations").text
    verdicts = re.findall(r"<strong class=\"number\">(\d+)</strong> ([\w ]+)</li>", text)
    assert verdicts == [
        ("2", "better than every parent"),
        ("1", "worse than every parent"),
        ("1", "worse than one parent"),
        ("8", "cannot be told"),
    ]
    assert text.index("red is obeyed in 1 of 8 pictures") < text.index("worse by lamp")
    assert f"m-situations~{KEY}-sample~weak-1.png.1280.webp" in text
    assert text.count('<svg class="plot intervals"') == 4
    lost = text[text.index("1 word is no longer obeyed") :]
    assert re.search(r"colour: red</th><td class=\"number\">12 %</td><td class=\"number\">100 %", lost)
    assert "orange" in lost
    assert "0.82 times as varied as A" in text
    assert "Seeds look too alike in: place: the city" in text


def test_settings_show_the_card_its_text_and_every_step(made: Path, visitor: Visitor) -> None:
    text = visitor(made).get("/s/small/settings").text
    assert "instead of Euler a" in text
    copied = re.findall(r'data-copy="([^"]*)"', text)
    assert any("Steps: 6, Sampler: DDIM" in one and "Hires upscale: 2" in one for one in copied)
    rows = re.findall(r"<tr(?: class=\"(chosen)\")?><th scope=\"row\">(.*?)</th><td>(.*?)</td>", text)
    plain = [(chosen, re.sub(r"<[^>]+>", "", name + ": " + state).strip()) for chosen, name, state in rows]
    assert ("", "Euler a the study's:  told worse") in plain
    assert [name for chosen, name in plain if chosen] == ["DDIM chosen:  the best", "6 chosen:  as good as the best"]
    assert "no such sampler" in text
    assert "VAE: nothing was tried (the study has one VAE)" in text
    assert f"m-settings~{KEY}~grid-01-sampler.png" in text
    assert "Sampler: Euler a still holds" in text


def test_the_text_for_the_webui_is_that_of_the_card_where_there_is_one(made: Path, visitor: Visitor) -> None:
    (folder_of(made) / f"settings/{KEY}/card.txt").write_text("a red cat\nSteps: 6, Model: pinned\n")
    text = visitor(made).get("/s/small/settings").text
    assert 'data-copy="a red cat\nSteps: 6, Model: pinned"' in text
    assert "Sampler: DDIM, " not in text


def test_a_joint_search_shows_its_combinations_and_their_grid(made: Path, visitor: Visitor) -> None:
    result = made_settings()
    values = (*result.steps[0].values[:3],)
    file = write_settings(folder_of(made), replace(result, mode="joint", joint=values, steps=(), look_back=()))
    grid = "grid-01-sampler.png"
    file.with_name(grid).write_bytes((folder_of(made) / f"settings/{KEY}" / grid).read_bytes())
    text = visitor(made).get("/s/small/settings").text
    chosen = text.index('<th scope="row">DDIM <span class="state')
    assert text.index("All combinations") < chosen < text.index(f"{KEY}-joint~{grid}")
    assert "pin 1, all settings at once" in text
    assert "Step by step" not in text


def test_the_studys_own_settings_are_said_once_and_in_the_readers_language(made: Path, visitor: Visitor) -> None:
    result = made_settings()
    values = (replace(result.steps[0].values[0], label=UNCHANGED, is_start=True), *result.steps[0].values[1:3])
    write_settings(folder_of(made), replace(result, mode="joint", joint=values, steps=(), look_back=()))
    text = visitor(made).get("/s/small/settings?lang=ja").text
    assert '<th scope="row">もとの設定' in text
    assert UNCHANGED not in html.unescape(text)


def test_probe_shows_a_table_that_tells_noise_in_words(made: Path, visitor: Visitor) -> None:
    text = visitor(made).get("/s/small/probe").text
    first = text[text.index('<table class="matrix">') : text.index("</table>")]
    names = re.findall(r"<th scope=\"row\">(?:<a[^>]*>)?([^<]*)", first)
    assert names == list(BLOCKS)
    cells = re.findall(r"<td(?: class=\"([^\"]*)\")?", first)
    clear = sum(bool(one) and one != "noise" for one in cells)
    effects = [one for one in made_probe().effects if one.method == "one at a time" and one.knob in BLOCKS]
    assert clear == sum(one.clear and one.effect is not None for one in effects)
    assert first.count("not told from noise") == cells.count("noise") == len(effects) - clear - 1
    assert first.count("not measured") == 1
    assert "e5" in first
    assert 'href="#strip-OUT03"' in first
    assert 'id="strip-OUT03"' in text
    assert "m-probe~OUT03.png.1280.webp" in text
    assert "OUT11:attn1" in text


def test_the_pair_s_answers_to_what_people_say_have_a_sign_each(made: Path, visitor: Visitor) -> None:
    text = visitor(made).get("/s/small/probe").text
    claims = text[text.index('<ul class="claims">') :]
    signs = re.findall(r'class="sign (\w+)".*?<strong>(.*?)</strong>', claims, re.DOTALL)
    assert signs[:3] == [("better", "yes"), ("worse", "no, the opposite"), ("open", "cannot be told")]
    (folder_of(made) / "probe/folklore.json").write_text("{}")
    text = visitor(made).get("/s/small/probe").text
    assert re.search(r'role="alert">[^<]*folklore.json[^<]*is damaged', text)
    assert '<table class="matrix">' in text


def test_small_effects_keep_their_first_digit(made: Path, visitor: Visitor) -> None:
    result = made_probe()
    effects = tuple(replace(one, effect=-0.016, ratio=0.04, clear=True) for one in result.effects)
    write_probe(folder_of(made), replace(result, effects=effects))
    text = visitor(made).get("/s/small/probe").text
    assert re.search('<td class="less e1" [^>]*>\\s*\N{MINUS SIGN}0\\.04</td>', text)
    assert re.search(r'<td class="way e1" [^>]*>\s*0\.04</td>', text)


def test_the_darkness_of_a_cell_is_the_effect_over_the_noise_of_seeds() -> None:
    (matrix, _) = shown(made_probe(), ReadResult()).matrices
    for row in matrix.rows:
        for cell in row.cells:
            effect = cell.effect
            if effect is None or effect.effect is None or not effect.clear:
                assert cell.level == 0
            elif effect.ratio is None:
                assert cell.level == 2
            else:
                assert cell.level == 1 + sum(effect.ratio >= level for level in (0.25, 0.5, 1, 2))


@pytest.mark.parametrize("language", ["en", "ja"])
def test_nobody_s_words_become_markup(made: Path, visitor: Visitor, language: str) -> None:
    client = visitor(made)
    for name in MEASURES:
        answer = client.get(f"/s/small/{name}?lang={language}")
        assert answer.status_code == 200
        assert SCRIPT not in answer.text
        assert "style=" not in answer.text
        assert f'<html lang="{language}">' in answer.text


def test_without_a_result_the_page_says_the_command_and_no_navigation_names_it(copied: Path, visitor: Visitor) -> None:
    client = visitor(copied)
    for name in MEASURES:
        text = client.get(f"/s/small/{name}").text
        assert f"recipe-search {name} study.toml" in text
        assert "recipe-search check study.toml" in text
    for place in ("", "/trials", "/finalists", "/exports"):
        text = client.get(f"/s/small{place}").text
        navigation = text[text.index("<nav") : text.index("</nav>")]
        assert not [name for name in MEASURES if f"/s/small/{name}" in navigation], place


def test_the_navigation_names_the_pages_that_have_results(copied: Path, visitor: Visitor) -> None:
    write_made_settings(folder_of(copied))
    text = visitor(copied).get("/s/small/exports").text
    assert [name for name in MEASURES if f'href="/s/small/{name}"' in text] == ["settings"]


@pytest.mark.parametrize("name", MEASURES)
@pytest.mark.parametrize("content", ["{", "[]", '{"study": "small"}', "\udcff"])
def test_a_damaged_result_is_a_plain_line_and_the_others_stay(
    made: Path, visitor: Visitor, name: str, content: str
) -> None:
    (folder_of(made) / FILES[name]).write_bytes(content.encode("utf-8", "surrogateescape"))
    client = visitor(made)
    answer = client.get(f"/s/small/{name}")
    assert answer.status_code == 200
    (problem,) = re.findall(r'<p class="problem" role="alert">(.*?)</p>', answer.text)
    assert "is damaged" in problem
    assert f"recipe-search {name}" in problem
    for other in set(MEASURES) - {name}:
        assert 'role="alert"' not in client.get(f"/s/small/{other}").text
    assert client.get("/s/small").status_code == 200


def test_settings_whose_recipe_cannot_be_read_say_which_file(made: Path, visitor: Visitor) -> None:
    file = folder_of(made) / FILES["settings"]
    row = json.loads(file.read_text())
    row["recipe"] = "format = 1"
    file.write_text(json.dumps(row))
    text = visitor(made).get("/s/small/settings").text
    assert re.search(rf'role="alert">[^<]*settings/{KEY}/result.json[^<]*steps', text)


def test_a_measure_of_a_later_version_is_called_as_it_calls_itself(made: Path, visitor: Visitor) -> None:
    file = probe_file(folder_of(made))
    row = json.loads(file.read_text())
    row["columns"][0]["name"] = "a measure of later"
    file.write_text(json.dumps(row))
    assert "a measure of later" in visitor(made).get("/s/small/probe").text


def test_of_several_subjects_one_can_be_chosen_and_an_unknown_one_is_said(made: Path, visitor: Visitor) -> None:
    client = visitor(made)
    for name in ("situations", "settings"):
        other = folder_of(made) / name / "fedcba987654"
        other.mkdir()
        text = (folder_of(made) / FILES[name]).read_text()
        (other / "result.json").write_text(text.replace(KEY, "fedcba987654").replace("finalist 1", "a file"))
        page = client.get(f"/s/small/{name}").text
        assert f"/s/small/{name}?of=fedcba987654" in page
        assert client.get(f"/s/small/{name}?of=fedcba987654").status_code == 200
        assert client.get(f"/s/small/{name}?of=../../../etc").status_code == 200


def test_pages_notice_a_new_result(made: Path) -> None:
    reader = StudyReader(made)
    marks = {reader.mark()}
    for path in FILES.values():
        file = folder_of(made) / path
        file.write_text(file.read_text() + "\n")
        marks.add(reader.mark())
    assert len(marks) == 4


def test_a_picture_that_is_drawn_anew_has_another_address(made: Path, visitor: Visitor) -> None:
    client, file = visitor(made), probe_file(folder_of(made))

    def address() -> str:
        (found,) = re.findall(r'<img src="([^"]*OUT03[^"]*)"', client.get("/s/small/probe").text)
        return found

    before = address()
    assert client.get(before).status_code == 200
    assert address() == before
    write_made_probe(file.parent.parent)
    assert address() != before


def test_pictures_of_results_are_found_and_nothing_else_is(made: Path, visitor: Visitor) -> None:
    client, folder = visitor(made), folder_of(made)
    (folder / "secret.png").write_bytes((folder / "probe/OUT03.png").read_bytes())
    (folder / "probe/link.png").symlink_to(made.parent / "references/00.png")
    for name, status in {
        "m-probe~OUT03.png": 200,
        f"m-situations~{KEY}-sample~weak-1.png": 200,
        f"m-settings~{KEY}~grid-01-sampler.png": 200,
        "m-probe~result.json": 404,
        "m-probe~link.png": 404,
        "m-probe~..~secret.png": 404,
        "m-renders~a.png": 404,
        "m-~secret.png": 404,
        "m-probe~": 404,
        "m-probe~none.png": 404,
    }.items():
        assert client.get(f"/s/small/pictures/{name}.320.webp").status_code == status, name
