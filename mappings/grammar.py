"""The grammar of mapping files in words, made from the code that reads them. The README shows it."""

from __future__ import annotations

from collections.abc import Iterator

from mappings.codecs import CODECS, Codec
from mappings.schema import arguments

_TYPES = {"str": "text", "int": "number", "bool": "true/false", "Choices": "list of texts"}


def codec_table() -> str:
    """Markdown table of every codec: what it makes of a value, and its arguments."""
    rows = [
        f"| `{name}` | {codec.makes or 'any'} | {', '.join(_arguments(codec)) or '–'} | {_about(codec)} |"
        for name, codec in CODECS.items()
    ]
    return "\n".join(["| codec | hub value | arguments | what it does |", "|---|---|---|---|", *rows])


def _about(codec: type[Codec]) -> str:
    return codec.about.replace("|", "\\|")


def _arguments(codec: type[Codec]) -> Iterator[str]:
    for name, kind in arguments(codec).items():
        known = " / ".join(word for word in codec.choices.get(name, ()) if word)
        must = ", needed" if name in codec.needs else ""
        yield f"`{name}` ({known or _TYPES[kind]}{must})"
