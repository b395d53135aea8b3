"""The lens laws, tried on a line before it is saved: on generated values and on live ones.

PutGet: what we send reads back as what we meant, else the line is lossy: allowed one way or with a stated policy.
Stability: what we read, sent back, reads the same; else both sides would answer each other for ever: refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from random import Random

from connectors.contract import Value
from mappings.codecs import Codec, Kept

GENERATED = 200


def lost(codec: Codec, hub_values: Iterable[Value]) -> str:
    """The first hub value that does not come back, as a sentence; "" when all do. Refused values are not lost."""
    for hub in hub_values:
        raw = codec.out(hub)
        if isinstance(raw, Kept):
            continue
        back = codec.into(raw)
        if isinstance(back, Kept) or not codec.same(back, hub):
            return f"{hub!r} is sent as {raw!r} and reads back as {_shown(back)}."
    return ""


def unstable(codec: Codec, raw_values: Iterable[Value]) -> str:
    """The first CRM value that changes again when sent back, as a sentence; "" when none does."""
    for raw in raw_values:
        hub = _read(codec, raw)
        sent = codec.out(hub)
        if isinstance(sent, Kept) or hub is None:
            continue
        again = codec.into(sent)
        if isinstance(again, Kept) or not codec.same(again, hub):
            return f"{raw!r} reads as {hub!r}, is sent as {sent!r} and then reads as {_shown(again)}."
    return ""


def hub_values(codec: Codec, live: Iterable[Value] = ()) -> Iterator[Value]:
    """Values to try PutGet on: what the live values read as, then generated ones, the same every time."""
    read = (_read(codec, raw) for raw in live)
    made = codec.hub_examples(Random(1))  # noqa: S311 - examples, not secrets
    return chain(read, islice(made, GENERATED))


def raw_values(codec: Codec, live: Iterable[Value] = ()) -> Iterator[Value]:
    """Values to try Stability on: the live ones, then generated ones."""
    made = codec.raw_examples(Random(2))  # noqa: S311 - examples, not secrets
    return chain(live, islice(made, GENERATED))


def _read(codec: Codec, raw: Value) -> Value:
    value = codec.into(raw)
    return value.value if isinstance(value, Kept) else value


def _shown(value: Value) -> str:
    return f"{value.raw!r}, which {value.why}" if isinstance(value, Kept) else repr(value)
