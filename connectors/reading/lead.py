"""From fields to the words of the contract: where somebody came from, when, and nested values as flat ones."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from urllib.parse import parse_qsl

from connectors.contract import Touch, Value

CLICK_IDS = frozenset(
    {"gclid", "gbraid", "wbraid", "dclid", "fbclid", "msclkid", "ttclid", "twclid", "li_fat_id"}
    | {"yclid", "ysclid", "rb_clickid", "vk_click_id", "_openstat", "etext"}
)
"""Parameters by which advertising systems find their click again."""

_CREDENTIALS = re.compile(r"^([a-z][a-z0-9+.-]*:)?//[^/?#]*@", re.IGNORECASE)


def touch(fields: Mapping[str, Value], page: str = "", referrer: str = "", at: datetime | None = None) -> Touch:
    """Campaign marks and click ids among `fields` (`utm_source`, `GCLID` ...); the first non-empty wins.

    What the fields do not say is taken from the query of `page`.
    """
    utm: dict[str, str] = {}
    clicks: dict[str, str] = {}
    for name, value in [*fields.items(), *parse_qsl(page.partition("?")[2].partition("#")[0])]:
        name = name.strip().lower()
        if name.startswith("utm_"):
            _keep(utm, name.removeprefix("utm_"), value)
        elif name in CLICK_IDS:
            _keep(clicks, name, value)
    return Touch(link(page), link(referrer), utm, clicks, at)


def is_mark(name: str) -> bool:
    """Whether `touch` reads this field name."""
    name = name.strip().lower()
    return name.startswith("utm_") or name in CLICK_IDS


def _keep(found: dict[str, str], name: str, value: Value) -> None:
    for one in value if isinstance(value, list) else [value]:
        if text(one).strip() and name not in found:
            found[name] = text(one).strip()


def link(url: str) -> str:
    """`url` without the user name and password that `https://user:secret@host/` carries."""
    return _CREDENTIALS.sub(lambda found: f"{found[1] or ''}//", url.strip())


def text(value: Value) -> str:
    """A value as a person would write it: lists joined by commas, "" for nothing."""
    if value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(filter(None, map(text, value)))
    if isinstance(value, dict):
        return ", ".join(f"{name}: {text(one)}" for name, one in value.items())
    return str(value) if not isinstance(value, bool) else ("true" if value else "false")


def instant(value: Value) -> datetime | None:
    """An ISO 8601 time or unix seconds as an aware UTC instant; None where it is neither. No zone is read as UTC."""
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
        found = datetime.fromisoformat(text(value).strip())
        return found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None


def flatten(value: Value) -> dict[str, Value]:
    """Nested objects as `a.b.c`; a list of plain values stays one value, a list of objects becomes `a.0.b`."""
    flat: dict[str, Value] = {}
    for name, leaf in _leaves(value, "") if value else ():
        while name in flat:
            name += "_"
        flat[name] = leaf
    return flat


def _leaves(value: Value, path: str) -> Iterator[tuple[str, Value]]:
    if isinstance(value, dict) and value:
        parts = list(value.items())
    elif isinstance(value, list) and any(isinstance(one, dict | list) for one in value):
        parts = [(str(at), one) for at, one in enumerate(value)]
    else:
        yield path, value
        return
    for name, one in parts:
        yield from _leaves(one, f"{path}.{name}" if path else name)
