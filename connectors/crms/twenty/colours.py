"""The colours an option of a select field may have: names over there, #rrggbb here."""

from __future__ import annotations

from connectors.errors import Refuse

COLOURS = {
    "green": "#55ef3c", "turquoise": "#15de8f", "sky": "#00e0ff", "blue": "#1961ed", "purple": "#915ffd",
    "pink": "#f54bd0", "red": "#f83e3e", "orange": "#ff7222", "yellow": "#ffd338", "gray": "#b3b3b3",
}  # fmt: skip
"""The names an option's colour may have, as Twenty paints them."""


def nearest(colour: str) -> str:
    """The name whose paint is closest to #rrggbb."""
    wish = _rgb(colour)
    return min(COLOURS, key=lambda name: sum((a - b) ** 2 for a, b in zip(_rgb(COLOURS[name]), wish, strict=True)))


def _rgb(colour: str) -> bytes:
    try:
        rgb = bytes.fromhex(colour.strip().lstrip("#"))
    except ValueError:
        rgb = b""
    if len(rgb) != 3:
        raise Refuse(f"{colour!r} is not a colour like #1961ed")
    return rgb
