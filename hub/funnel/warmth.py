"""How warm a client is and what the lead is worth, by what happened. Pure, with a reason for every point.

Nothing is guessed: touches, answers and contact data are counted, each with its points, and the sum is explained line
by line. Silent is who left several touches unanswered, over all channels together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hub.clock import DAY
from hub.funnel.evidence import MEETING, is_said, is_work
from hub.funnel.questions import Question

SILENT, COLD, WARM, HOT = "silent", "cold", "warm", "hot"
STATES = ("new", SILENT, COLD, WARM, HOT)
"""Lead stages that follow the client's state; a lead on any other stage is not moved by evidence."""
SILENT_AFTER = 3
HOT_AT, WARM_AT = 60, 30
FRESH = 14 * DAY

POINTS: Mapping[str, int] = {
    "phone": 10, "email": 5, "company": 10, "business_mail": 5, "throw_away_mail": -15, "invented": -20,
    "came_again": 10, "replied": 15, "meeting": 25, "unanswered": -5, "campaign": 2,
}  # fmt: skip
BAD_FLAGS = {"disposable": "throw_away_mail", "fake": "invented", "invalid": "invented"}


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a lead: contact points as (kind, flags), touches as journal lines oldest first, answers."""

    points: Sequence[tuple[str, Sequence[str]]] = ()
    company: str = ""
    inquiries: int = 1
    campaign: bool = False
    lines: Sequence[Any] = ()
    questions: Sequence[Question] = ()
    answers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Score:
    """Points and where they come from: (reason, points), in the order of `POINTS`, answers last."""

    points: int
    reasons: tuple[tuple[str, int], ...]


def score(known: Known) -> Score:
    """What the lead is worth. Reasons are keys of `POINTS`, or `answer:<question>`."""
    facts = _facts(known)
    reasons = [(name, points) for name, points in POINTS.items() if name in facts]
    unanswered = _unanswered(known.lines)
    reasons += [("unanswered", POINTS["unanswered"] * unanswered)] if unanswered else []
    for one in known.questions:
        if worth := one.worth(known.answers.get(one.name, "")):
            reasons.append((f"answer:{one.name}", worth))
    return Score(sum(points for _name, points in reasons), tuple(reasons))


def _facts(known: Known) -> set[str]:
    found = {kind for kind, _flags in known.points if kind in ("phone", "email")}
    flags = {flag for _kind, some in known.points for flag in some}
    found |= {BAD_FLAGS[flag] for flag in flags if flag in BAD_FLAGS}
    mails = [some for kind, some in known.points if kind == "email"]
    told = {
        "business_mail": any("free" not in some and "disposable" not in some for some in mails),
        "company": bool(known.company),
        "came_again": known.inquiries > 1,
        "campaign": known.campaign,
        "replied": _replied(known.lines),
        "meeting": any(line.what == MEETING and is_work(line) for line in known.lines),
    }
    return found | {name for name, holds in told.items() if holds}


def _replied(lines: Sequence[Any]) -> bool:
    """Whether the client said something after we did."""
    first = next((line.at for line in lines if is_work(line)), None)
    return first is not None and any(is_said(line) and line.at >= first for line in lines)


def _unanswered(lines: Sequence[Any]) -> int:
    """Our touches since the client last said something, on whatever channel. An answered call is an answer."""
    count = 0
    for line in lines:
        answered = bool(line.facts.get("answered")) or line.what == MEETING
        if is_said(line) or (is_work(line) and answered):
            count = 0
        elif is_work(line):
            count += 1
    return count


def temperature(known: Known) -> tuple[str, str]:
    """(temperature, why in one word); ("", "") while nothing happened that would say."""
    unanswered = _unanswered(known.lines)
    if unanswered >= SILENT_AFTER:
        return SILENT, "unanswered"
    points = score(known).points
    worked = any(is_work(line) for line in known.lines)
    motive = any(known.answers.get(one.name) for one in known.questions if one.motive)
    if points >= HOT_AT and (motive or "meeting" in dict(score(known).reasons)):
        return HOT, "motive" if motive else "meeting"
    if _replied(known.lines):
        return WARM, "replied"
    if worked:
        return (WARM, "points") if points >= WARM_AT and motive else (COLD, "no_reply_yet")
    return "", ""
