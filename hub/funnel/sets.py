"""Lists that two hold and both change: tags, phones, e-mails. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def merged(before: Iterable[Any], one: Iterable[Any], other: Iterable[Any]) -> list[Any]:
    """What either added stays, what either took off goes; in the order of `one`, then of `other`."""
    first, second = list(one), list(other)
    gone = [value for value in before if value not in first or value not in second]
    return [value for value in dict.fromkeys((*first, *second)) if value not in gone]
