"""`_`: a sentence in the language of the reader, as plain text."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext


def _(sentence: str, **values: Any) -> str:
    """The translated sentence with its `%(name)s` filled in."""
    return str(gettext(sentence, **values))
