"""The templates of the pages, in every language, and how they write numbers and times."""

from __future__ import annotations

import html
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache, partial
from importlib.metadata import version
from typing import Any

import jinja2
from babel.dates import format_datetime, format_time, format_timedelta

from studies.cards.markup import markdown_escaped
from studies.pages.charts.course import course_chart, lowest_shown
from studies.pages.charts.effects import effects_chart, effects_map
from studies.pages.charts.intervals import intervals_chart
from studies.pages.charts.slices import slice_chart, slice_range
from studies.pages.charts.weights import weights_chart
from studies.pages.languages import LANGUAGES, locale_of, translations

MINUS = "\N{MINUS SIGN}"
CHARTS: Mapping[str, Any] = {
    chart.__name__: chart
    for chart in (
        weights_chart,
        course_chart,
        lowest_shown,
        effects_chart,
        effects_map,
        slice_chart,
        slice_range,
        intervals_chart,
    )
}
"""The charts, by the names that templates call them by."""
TODAY = timedelta(hours=20)
"""Times further away than this are shown with their day."""


@cache
def template(language: str, name: str) -> jinja2.Template:
    """Return a template in a language."""
    return _environment(language).get_template(name)


@cache
def _environment(language: str) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("studies.pages"),
        autoescape=jinja2.select_autoescape(disabled_extensions=["md"], default=True, default_for_string=True),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    catalogue = translations(language)
    environment.install_gettext_callables(  # pyright: ignore[reportAttributeAccessIssue] - the extension adds it
        catalogue.gettext, catalogue.ngettext, newstyle=True
    )
    own: dict[str, Any] = {"language": language, "languages": LANGUAGES, "version": version("sd-recipe-search")}
    environment.globals.update({**own, **CHARTS})
    environment.filters.update(
        signed=signed,
        plain=plain,
        clock=partial(clock, language=language),
        ago=partial(ago, language=language),
        moment=partial(moment, language=language),
        whole_time=partial(whole_time, language=language),
        span=partial(span, language=language),
        md=markdown_escaped,
        thousands=thousands,
        unescaped=html.unescape,
    )
    return environment


def signed(number: float, digits: int = 2) -> str:
    """Return a number with its sign, and a true minus."""
    return f"{number:+.{digits}f}".replace("-", MINUS)


def thousands(number: int) -> str:
    """Return a count as texts write it, with a comma after thousands."""
    return f"{number:,}"


def plain(number: float, digits: int = 2) -> str:
    """Return a number with a true minus."""
    return f"{number:.{digits}f}".replace("-", MINUS)


def clock(moment: datetime, *, language: str = "en") -> str:
    """Return a local time; with its day where it is not of about today."""
    locale, local = locale_of(language), moment.astimezone()
    if abs(datetime.now().astimezone() - local) < TODAY:
        return format_time(local, "short", locale=locale, tzinfo=local.tzinfo)
    return format_datetime(local, "short", locale=locale, tzinfo=local.tzinfo)


def moment(text: str, *, language: str = "en") -> str:
    """Return a time of ISO 8601 as `clock` does; the text itself where it is none, as a person may have written it."""
    try:
        return clock(datetime.fromisoformat(text), language=language)
    except (ValueError, OverflowError, OSError):
        return text


def ago(moment: datetime, *, language: str = "en") -> str:
    """Return how long ago a time is."""
    return format_timedelta(
        moment.astimezone() - datetime.now().astimezone(), add_direction=True, locale=locale_of(language)
    )


def whole_time(moment: datetime, *, language: str = "en") -> str:
    """Return a local time with its day, for what is read later."""
    local = moment.astimezone()
    return format_datetime(local, "medium", locale=locale_of(language), tzinfo=local.tzinfo)


def span(duration: timedelta, *, language: str = "en") -> str:
    """Return a length of time."""
    return format_timedelta(duration, threshold=1.5, locale=locale_of(language))
