"""`_`: a sentence in the language of the reader, as plain text; `told`: one that a room said, `retold`: one that was
stored."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext

from hub.told import Told, again


def _(sentence: str, **values: Any) -> str:
    """The translated sentence with its `%(name)s` filled in."""
    return str(gettext(sentence, **values))


def told(why: str) -> str:
    """One sentence of a room in the reader's language, with what was typed in it."""
    if not isinstance(why, Told):
        return str(gettext(why)) if why else ""
    values = {name: told(one) if isinstance(one, Told) else one for name, one in why.values.items()}
    return str(gettext(why.text, **values))


def retold(stored: str) -> str:
    """A sentence that `hub.told.kept` stored."""
    found = again(stored)
    return told(found) if isinstance(found, Told) else found
