"""Fields that a company adds itself: what a form asked beyond the usual and custom fields of a CRM, under one name.

A mapping calls them `x_` and a name: `x_budget` is the form's field "Budget" and whatever a line ties it to. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from mappings.schema import OWN

MOST, LONGEST = 50, 1000
"""Fields of an inquiry that are kept so, and signs of a value; all of them stand in the inquiry itself."""


def own_name(name: str) -> str:
    """ "Ваш бюджет, €" → "x_ваш_бюджет"."""
    return OWN + re.sub(r"\W+", "_", name.lower()).strip("_")[:60]


def own_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The single values among what an inquiry said under the sender's own names."""
    plain = ((name, value) for name, value in fields.items() if isinstance(value, str | int | float) and value != "")
    told = {own_name(name): value[:LONGEST] if isinstance(value, str) else value for name, value in plain}
    return dict([one for one in told.items() if one[0] != OWN][:MOST])


def is_own(name: str) -> bool:
    """Whether a hub field is one of these."""
    return name.startswith(OWN)
