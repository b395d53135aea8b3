"""PHP's query strings: brackets become maps, and `$result[...]` what an earlier command of the batch answered."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

_REF = re.compile(r"\$result\[([^\]]*)\]((?:\[[^\]]*\])*)")
_PART = re.compile(r"\[([^\]]*)\]")


def parse(text: str) -> dict[str, Any]:
    """Nested maps; lists stay maps with number-like keys, as they are for PHP."""
    told: dict[str, Any] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        head, _, rest = name.partition("[")
        path = [head, *_PART.findall("[" + rest if rest else "")]
        place = told
        for part in path[:-1]:
            inner = place.setdefault(part, {})
            place = inner if isinstance(inner, dict) else place
        place[path[-1] or str(len(place))] = value
    return told


def filled(value: Any, results: Mapping[str, Any]) -> Any:
    """References replaced; what leads nowhere becomes nothing."""
    if isinstance(value, dict):
        return {key: filled(one, results) for key, one in value.items()}
    if not isinstance(value, str) or "$result" not in value:
        return value
    return _REF.sub(lambda found: _text(_follow(results.get(found[1]), _PART.findall(found[2]))), value)


def _follow(value: Any, path: list[str]) -> Any:
    for part in path:
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return value


def _text(value: Any) -> str:
    return "" if value is None or isinstance(value, dict | list) else str(value)


def listed(value: Any) -> list[Any]:
    """A list, whether it came as JSON or in brackets."""
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else [] if value in (None, "") else [value]


def php(value: Any) -> Any:
    """An empty map is an empty list in PHP's JSON."""
    return [] if value == {} else value
