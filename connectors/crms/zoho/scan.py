"""Where a scan of changes stands, as text the hub keeps.

The cursor is "<second>" between scans, and "<second>:<last id>:<since>:<start>" within one: pages go on after the last
record seen, by change time and id, so none is skipped when others move.
"""

from __future__ import annotations

from datetime import UTC, datetime

from connectors.crms.zoho.shape import quoted


def begin(cursor: str) -> tuple[int, str, int, int]:
    """Second to read from, last id read of it, second the scan began at, remote time it began at."""
    parts = (cursor or "0").split(":")
    if len(parts) == 1:
        return int(parts[0]), "", int(parts[0]), 0
    return int(parts[0]), parts[1], int(parts[2]), int(parts[3])


def place(low: int, last: str) -> str:
    """The condition of the next page."""
    if not low:
        return "(id is not null)"
    stamp = quoted(datetime.fromtimestamp(low, UTC).isoformat())
    if not last:
        return f"(Modified_Time >= {stamp})"
    return f"((Modified_Time > {stamp}) or ((Modified_Time = {stamp}) and (id > {quoted(last)})))"
