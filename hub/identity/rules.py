"""The rules of recognising people in numbers: weights in bits, thresholds, times. Frozen, replaceable, versioned.

A weight is log2 of how much more often two records of one person agree than two of different people
(Fellegi and Sunter 1969). The defaults hold without training; an installation may replace single ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

VERSION = 1
"""Grows with every change of a rule or a default: stored with each decision."""

DAY_S = 86_400


class BadRules(ValueError):
    """A setting nobody knows or a value that is no number; says which and what is allowed."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Bits of evidence, thresholds in bits, times in days."""

    # agreeing identifiers
    account: float = 24.0  # a messenger id
    mailbox: float = 15.0
    mobile: float = 14.0
    holder: float = 3.5  # taken off for each doubling of the people on an identifier
    fixed_line: float = 5.0
    doubtful_number: float = 10.0  # no numbering plan knows it, or another reading of what was typed
    role_mailbox: float = 4.0
    browser: float = 10.0
    shared_browser: float = 5.0
    repaired_mailbox: float = 9.0  # the mailbox that was meant if the domain is a slip
    near_number: float = 7.5
    near_mailbox: float = 7.0
    same_local_part: float = 4.0
    growth: float = 0.6  # taken off near evidence for each doubling of the base over `base`
    base: float = 10_000.0
    # what stands beside them
    company: float = 4.0
    own_domain: float = 4.0
    city: float = 1.0
    other_city: float = -1.0
    lately: float = 3.0
    given_most: float = 7.0
    surname_most: float = 11.0
    near_surname: float = 4.5
    initial: float = 2.0
    middle: float = 3.0
    other_given: float = -10.0
    other_surname: float = -3.0
    other_middle: float = -6.0
    # decisions
    attach: float = 9.0
    ask: float = 3.0
    recycled_days: float = 180.0
    latest_user_days: float = 14.0
    silence_days: float = 30.0
    crowd: int = 24  # a place with so many people says nothing
    fuzzy_crowd: int = 8  # the same of a place that a piece of a number or of a mailbox leads to
    fuzzy_candidates: int = 6
    strict: bool = False  # only verified identifiers merge two contacts by themselves


def configured(values: Mapping[str, object]) -> Rules:
    """The defaults with some replaced. Raises `BadRules`."""
    known = {field.name: field.type for field in fields(Rules)}
    for name, value in values.items():
        if name not in known:
            raise BadRules(f"There is no rule {name!r}: known are {', '.join(sorted(known))}")
        if not isinstance(value, (bool, int, float)) or (name == "strict") != isinstance(value, bool):
            raise BadRules(f"Rule {name!r} cannot be {value!r}: {known[name]} is wanted")
    return replace(Rules(), **values)  # type: ignore[arg-type]
