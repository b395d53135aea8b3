"""What Tilda's `COOKIES` field tells: the campaign of the first visit, and ids of counters."""

from __future__ import annotations

from urllib.parse import unquote

from connectors.contract import Touch
from connectors.reading import is_mark, touch

# The visitor's other cookies are none of our business; these are counters' ids that CRMs ask for.
_COUNTERS = frozenset({"_ga", "_gid", "_fbp", "_fbc", "_ym_uid", "roistat_visit", "_ct_session_id", "tildauid"})


def read_cookies(header: str) -> dict[str, str]:
    """The `COOKIES` field as names and values, values still escaped."""
    pairs = (one.partition("=") for one in header.split(";"))
    return {name.strip(): value for name, _, value in pairs}


def counters(cookies: dict[str, str]) -> dict[str, str]:
    """The cookies worth keeping."""
    return {name: value for name, value in cookies.items() if name in _COUNTERS}


def first_touch(cookies: dict[str, str]) -> Touch | None:
    """`utm_source=vk|||utm_medium=social`; `|||amp;` and a glued `#popup:order` have been seen."""
    pairs = (one.removeprefix("amp;").partition("=") for one in unquote(cookies.get("TILDAUTM", "")).split("|||"))
    marks = {name.strip(): value for name, _, value in pairs if is_mark(name)}
    return touch(marks) if marks else None
