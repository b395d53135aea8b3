"""How values look on a page: instants in the hub's own time zone (named), ages, texts, safe links.

The zone is the machine's, not the browser's, so that two colleagues who speak on the phone read the same hour.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from babel.dates import format_datetime
from flask import Flask, current_app, request
from flask_babel import get_locale

from hub.clock import DAY, HOUR, MINUTE, SECOND, instant
from hub.web.desk import words
from hub.web.desk.tongue import _

LONG = 200


def init_app(app: Flask) -> None:
    """Filters and words for all templates."""
    for function in (when, day_or_hour, age, span, plain, web_address, choices, words.said):
        app.add_template_filter(function, function.__name__)
    app.context_processor(lambda: {"now": now()})


def now() -> int:
    """Milliseconds since 1970 UTC."""
    moment: int = current_app.extensions["hub"].clock.now()
    return moment


def _local(ms: int) -> datetime:
    return instant(ms).astimezone()


def when(ms: int | None) -> str:
    """Day, hour and zone."""
    return _written(ms, "d MMM yyyy, HH:mm z")


def day_or_hour(ms: int | None) -> str:
    """The hour today, else the day and hour; for lists."""
    today = ms is not None and _local(ms).date() == _local(now()).date()
    return _written(ms, "HH:mm" if today else "d MMM, HH:mm")


def day_begins(text: str) -> int:
    """The first moment of a day as browsers write it (2027-03-01), or of a minute (2027-03-01T10:30), in milliseconds;
    0 for what is neither."""
    try:
        return round(datetime.fromisoformat(text).astimezone().timestamp() * SECOND)
    except ValueError:
        return 0


def _written(ms: int | None, pattern: str) -> str:
    if ms is None:
        return ""
    local = _local(ms)
    return format_datetime(local, pattern, tzinfo=local.tzinfo, locale=get_locale() or "en")


def age(ms: int) -> int:
    """Whole seconds since then, never below 0."""
    return max(0, now() - ms) // SECOND


def span(ms: int) -> str:
    """A length of time in its largest unit: 40 s, 12 min, 3 h, 2 d. The script of the page continues it."""
    units = ((DAY, _("d")), (HOUR, _("h")), (MINUTE, _("min")), (SECOND, _("s")))
    unit, word = next((pair for pair in units if ms >= pair[0]), units[-1])
    return f"{max(ms, 0) // unit} {word}"


def plain(value: Any) -> str:
    """Any value of a form answer as text."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(part, str | int | float) for part in value):
        return ", ".join(map(str, value))
    return json.dumps(value, ensure_ascii=False)


def web_address(value: Any) -> str:
    """The value if a browser may safely follow it, else ""."""
    return str(value) if str(value).lower().startswith(("http://", "https://")) else ""


def choices(rows: Sequence[Any]) -> list[tuple[str, str]]:
    """Rows with id and name as options of a select."""
    return [(row.id, row.name) for row in rows]


def typed(name: str, longest: int = LONG) -> str:
    """A value that somebody typed into this page or its address: cut, without characters no database takes."""
    return request.values.get(name, "").replace("\0", "").strip()[:longest]
