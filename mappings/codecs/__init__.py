"""The named pairs of functions a mapping line can use. There are no others: a line cannot compute."""

from __future__ import annotations

from mappings.codecs.base import Codec, Kept, blank
from mappings.codecs.many import Constant, Joined, Multitext, Table, Tables, Tags
from mappings.codecs.number import Money, Number, Percent
from mappings.codecs.text import Bool, Email, Html, Phone, Text, Url
from mappings.codecs.time import Date, Instant, Unix, UnixDate

__all__ = ["CODECS", "Codec", "Kept", "blank"]

_ALL: tuple[type[Codec], ...] = (
    *(Text, Html, Url, Email, Phone, Bool),
    *(Number, Money, Percent),
    *(Date, Instant, Unix, UnixDate),
    *(Multitext, Tags, Joined, Table, Tables, Constant),
)
CODECS: dict[str, type[Codec]] = {codec.name: codec for codec in _ALL}
