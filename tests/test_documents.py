"""Documents say what is there: links, commands and options, the tables of keys, and code that runs."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from engine.modes.registry import MERGE_MODES, calculation_modes
from engine.shots.samplers import SAMPLERS, SCHEDULES
from studies.cli.main import main
from studies.preflight import card_table
from studies.studyfile import reference

ROOT = Path(__file__).parent.parent
LONGEST = 160
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
SPAN = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
CALL = re.compile(r"(?:^|[\s/\\])recipe-search(?=\s|$)(.*)")
OTHER_PROGRAMS = frozenset({"--write"})
"""Options that the documents name and that are no command's of ours."""


def documents() -> list[Path]:
    """The Markdown files of the repository; folders with a dot in front are passed over."""
    found = ((path, path.relative_to(ROOT).parts) for path in ROOT.rglob("*.md"))
    return sorted(path for path, parts in found if not any(part.startswith(".") for part in parts))


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def anchors(text: str) -> set[str]:
    """The anchors that GitHub gives the headings of a text."""
    headings = re.findall(r"^#+ +(.+)$", FENCE.sub("", text), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings)
    return set(plain)


def dead_links(path: Path, text: str) -> list[str]:
    """Relative links of a text, as it stands in a file, to files or headings that are not there."""
    dead: list[str] = []
    for link in LINK.findall(FENCE.sub("", text)):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = path.parent / name if name else path
        inside = text if not name else text_of(target) if target.suffix == ".md" and target.is_file() else ""
        if not target.exists() or (anchor and anchor not in anchors(inside)):
            dead.append(link)
    return dead


def calls(text: str) -> Iterator[list[str]]:
    """The words after `recipe-search` in code blocks and code spans, comments left out."""
    code = "\n".join(block for _, block in FENCE.findall(text)) + "\n" + "\n".join(SPAN.findall(FENCE.sub("", text)))
    for line in code.splitlines():
        if found := CALL.search(line):
            yield shlex.split(re.split(r"\s#\s|>>|&&", found[1])[0], comments=True)


def wrong_call(words: list[str]) -> str | None:
    """What is wrong about a call of our command: an unknown command or option."""
    command: click.Command = main
    rest = list(words)
    while isinstance(command, click.Group) and rest and re.fullmatch(r"[a-z]+", rest[0]):
        if rest[0] not in command.commands:
            return f"{' '.join(words)}: no command {rest[0]}"
        command = command.commands[rest.pop(0)]
    unknown = [word for word in rest if re.match(r"--?[a-z]", word) and word.partition("=")[0] not in options(command)]
    return f"{' '.join(words)}: no option {', '.join(unknown)}" if unknown else None


def options(command: click.Command) -> set[str]:
    """The options of a command, and of the commands below it."""
    own = {name for one in command.params for name in (*one.opts, *one.secondary_opts)}
    below = command.commands.values() if isinstance(command, click.Group) else ()
    return own.union({"-h", "--help"}, *map(options, below))


def wrong_options(text: str) -> list[str]:
    """Options in code spans of their own, such as `--folded`, that no command has."""
    spans = SPAN.findall(FENCE.sub("", text))
    named = {span.split()[0] for span in spans if re.match(r"--[a-z]", span)}
    return sorted(named - options(main) - OTHER_PROGRAMS)


@pytest.mark.parametrize("path", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_links_and_pictures_are_there(path: Path) -> None:
    assert dead_links(path, text_of(path)) == []


CURRENT = [path for path in documents() if path.name != "CHANGELOG.md"]
"""Documents of today; the changelog names what there was."""


@pytest.mark.parametrize("path", CURRENT, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_and_options_are_there(path: Path) -> None:
    text = text_of(path)
    assert [wrong for words in calls(text) if (wrong := wrong_call(words))] == []
    assert wrong_options(text) == []


def test_the_readme_names_commands() -> None:
    first = {words[0] for words in calls(text_of(ROOT / "README.md")) if words}
    assert {"demo", "init", "check", "run", "show", "approve", "export"} <= first
    assert {"demo", "init", "check", "run", "show", "approve", "export"} <= {
        words[0] for words in calls(text_of(ROOT / "README.ja.md")) if words
    }


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("`recipe-search serach study.toml`", "no command serach"),
        ("```\nrecipe-search run study.toml --worker 4   # all GPUs\n```", "no option --worker"),
        ("`.venv\\Scripts\\recipe-search recipe shew x`", "no command shew"),
        ("`recipe-search run study.toml --workers 4`", None),
        ("```\nrecipe-search show mix.toml   # --no-such option, in a comment\n```", None),
    ],
)
def test_the_check_of_commands_can_fail(text: str, wrong: str | None) -> None:
    (words,) = calls(text)
    found = wrong_call(words)
    assert found is None if wrong is None else found is not None and wrong in found


def test_the_other_checks_can_fail() -> None:
    readme = ROOT / "README.md"
    assert dead_links(readme, "[a](LICENSE) ![b](no/such.png) [c](#here) [d](engine/README.md#no-such)\n# Here") == [
        "no/such.png",
        "engine/README.md#no-such",
    ]
    assert wrong_options("`--folded` and `--no-such FILE`") == ["--no-such"]


def test_the_readme_is_short() -> None:
    assert len(text_of(ROOT / "README.md").splitlines()) <= LONGEST


def test_the_tables_of_keys_are_those_of_the_schema() -> None:
    text = text_of(reference.README)
    assert reference.readme_with(text, reference.key_tables()) == text, (
        "run python -m studies.studyfile.reference --write"
    )


def test_every_sampler_and_schedule_is_listed() -> None:
    text = text_of(reference.README).partition("## Samplers and schedules")[2].partition("\n## ")[0]
    assert {*SAMPLERS, *SCHEDULES} - set(SPAN.findall(text)) == set()


@pytest.mark.parametrize("package", ["engine", "scorers", "search", "studies"])
def test_every_room_is_in_the_map_of_its_package(package: str) -> None:
    house = text_of(ROOT / "CONTRIBUTING.md").partition("## The house\n")[2].partition("\n## ")[0]
    rooms = house.partition(f"\n**{package}**:")[2].partition("\n**")[0].partition("\n\n`pyproject.toml`")[0]
    assert {path.parent.name for path in inits(package)} - set(SPAN.findall(rooms)) == set()


def inits(package: str) -> Iterator[Path]:
    return (ROOT / package).glob("*/__init__.py")


PYTHON = [
    pytest.param(block, id=f"{path.relative_to(ROOT)}-{number}")
    for path in CURRENT
    for number, block in enumerate((text for kind, text in FENCE.findall(text_of(path)) if kind == "python"), start=1)
]


@pytest.mark.parametrize("block", PYTHON)
def test_python_runs(block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A block that begins with an import stands alone; another one is at least Python."""
    code = compile(block, "document", "exec")
    if re.match(r"import |from ", block):
        monkeypatch.chdir(tmp_path)
        exec(code, {"__name__": "document"})  # noqa: S102  # our own documents


def test_the_engine_in_ten_lines_is_among_them() -> None:
    assert any("engine.render(" in block for block in (param.values[0] for param in PYTHON) if isinstance(block, str))


def test_every_mode_is_listed() -> None:
    rows = [
        line
        for line in text_of(ROOT / "engine" / "README.md").splitlines()
        if re.match(r"\| `(mode|calculation)`", line)
    ]
    assert {*MERGE_MODES, *calculation_modes()} - set(SPAN.findall("\n".join(rows))) == set()


WITH_CARDS = [path for path in card_table.DOCUMENTS if card_table.BEGIN in text_of(path)]


@pytest.mark.parametrize("path", WITH_CARDS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_table_of_cards_is_what_the_plan_says(path: Path) -> None:
    """`python -m studies.preflight.card_table --write` brings it up to date."""
    assert card_table.document_with(path, text_of(path)) == text_of(path)


def test_the_table_of_cards_is_in_a_document_and_can_be_out_of_date() -> None:
    (path, *_) = WITH_CARDS
    old = text_of(path).replace("| 8 GB |", "| 9 GB |")
    assert old != text_of(path)
    assert card_table.document_with(path, old) == text_of(path)
    japanese = card_table.BEGIN + card_table.END
    assert "| GPU |" in card_table.document_with(ROOT / "README.ja.md", japanese)
    assert card_table.document_with(path, "nothing marked") == "nothing marked"
