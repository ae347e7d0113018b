"""Every sentence of the pages is there in every language, with the same gaps to fill."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from babel.messages.catalog import Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from studies.pages.languages import CATALOGUES, LANGUAGES, language_for
from studies.review.exporting.export_targets import EXPORT_FORMS

PAGES = CATALOGUES.parent
METHODS = [("**.py", "python"), ("templates/**.html", "jinja2.ext.babel_extract")]
GAP = re.compile(r"%\((\w+)\)[sd]")


def sentences() -> set[tuple[str, ...]]:
    """The sentences of templates and modules, each with its plural if it has one, and what the forms of exports are."""
    found = extract_from_dir(PAGES, METHODS, keywords={"_": None, "gettext": None, "ngettext": (1, 2)})
    return {forms(message[2]) for message in found} | {(form.summary,) for form in EXPORT_FORMS.values()}


def forms(text: object) -> tuple[str, ...]:
    """A sentence with its plural if it has one."""
    return (text,) if isinstance(text, str) else tuple(map(str, cast("tuple[object, ...]", text)))


def translated(language: str) -> Iterator[Message]:
    with (CATALOGUES / f"{language}.po").open("rb") as file:
        yield from (message for message in read_po(file, locale=language) if message.id)


@pytest.mark.parametrize("language", [one for one in LANGUAGES if one != "en"])
def test_every_sentence_is_translated_and_no_other(language: str) -> None:
    known = {forms(message.id) for message in translated(language)}
    assert sentences() - known == set()
    assert known - sentences() == set()


@pytest.mark.parametrize("language", [one for one in LANGUAGES if one != "en"])
def test_translations_are_there_and_have_the_same_gaps(language: str) -> None:
    for message in translated(language):
        texts, ids = forms(message.string), forms(message.id)
        for text in texts:
            assert text, message.id
            assert not message.fuzzy, message.id
            assert set(GAP.findall(text)) <= set(GAP.findall(" ".join(ids))), message.id
            assert set(GAP.findall(text)) >= set(GAP.findall(ids[-1])) - {"num"}, message.id


@pytest.mark.parametrize(
    ("asked", "kept", "accepted", "language"),
    [
        (None, None, "", "en"),
        (None, None, "ja,en-US;q=0.8", "ja"),
        (None, None, "ja-JP", "ja"),
        (None, None, "fr-FR,de;q=0.5", "en"),
        (None, "en", "ja", "en"),
        ("ja", "en", "en", "ja"),
        ("xx", None, "ja", "ja"),
    ],
)
def test_the_choice_comes_before_the_browsers_language(
    asked: str | None, kept: str | None, accepted: str, language: str
) -> None:
    assert language_for(asked, kept, accepted) == language


def test_catalogues_are_read_from_their_sources(tmp_path: Path) -> None:
    assert not list(CATALOGUES.glob("**/*.mo"))
