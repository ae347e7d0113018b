"""The languages of the pages: gettext catalogues, read from their sources, and which one a reader gets.

The catalogues are ``locale/LANGUAGE.po``; English is the language of the sources.
"""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path

from babel import Locale, negotiate_locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations

LANGUAGES = {"en": "English", "ja": "日本語"}
"""By their codes, in their own words."""
COOKIE = "recipe-search-language"
"""Keeps a reader's choice."""
CATALOGUES = Path(__file__).with_name("locale")


@cache
def translations(language: str) -> NullTranslations:
    """Return the catalogue of a language, one of ``LANGUAGES``."""
    if language == "en":
        return NullTranslations()
    with (CATALOGUES / f"{language}.po").open("rb") as file:
        catalogue = read_po(file, locale=language)
    content = io.BytesIO()
    write_mo(content, catalogue)
    content.seek(0)
    return Translations(content)


@cache
def locale_of(language: str) -> Locale:
    """Return how a language writes numbers and times."""
    return Locale.parse(language)


def language_for(asked: str | None, kept: str | None, accepted: str) -> str:
    """Return the language of a page.

    Args:
        asked: by the address; it is taken where it is one of ``LANGUAGES``.
        kept: in the reader's cookie; taken next.
        accepted: the browser's header ``Accept-Language``.
    """
    for one in (asked, kept):
        if one in LANGUAGES:
            return one
    wanted = [part.partition(";")[0].strip().replace("-", "_") for part in accepted.split(",")]
    return negotiate_locale(wanted, list(LANGUAGES)) or "en"
