"""What one inquiry is: a new lead, more of a running conversation, or nothing for the desk.

Only a new inquiry becomes a lead. Whoever has an open lead in the same direction, or an open deal there,
is already being talked to: the inquiry joins it. A later one opens a new lead on the same contact.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from connectors.contract import DraftKind


class Decision(StrEnum):
    """As stored with the inquiry."""

    NEW_LEAD = "new_lead"
    JOINED = "joined"
    JOINED_DEAL = "joined_deal"
    NOTE = "note"
    QUARANTINED = "quarantined"
    TEST = "test"
    REPEATED = "repeated"
    AMENDED = "amended"


@dataclass(frozen=True, slots=True)
class Standing:
    """What the hub knows around an inquiry: open lead and deal of the person in this direction, and the open
    lead of its conversation. "" where there is none."""

    open_lead: str = ""
    open_deal: str = ""
    thread_lead: str = ""


@dataclass(frozen=True, slots=True)
class Ruling:
    """A decision, the lead or deal it concerns, and why in one word."""

    decision: Decision
    target: str = ""
    why: str = ""


def rule_on(kind: DraftKind, why: str, reachable: bool, has_content: bool, standing: Standing) -> Ruling:
    """Decide. `reachable`: there is a name or a way to reach the person; `has_content`: there is a message."""
    if kind is DraftKind.QUARANTINE:
        return Ruling(Decision.QUARANTINED, why=why or "set apart by its source")
    if kind is DraftKind.TEST:
        return Ruling(Decision.TEST, why="a test of the sender")
    if kind is DraftKind.NOTE:
        return Ruling(Decision.NOTE, standing.thread_lead, "belongs to its conversation")
    if not reachable and not has_content and not standing.thread_lead:
        return Ruling(Decision.QUARANTINED, why="no name, no contact data and no message understood")
    if standing.thread_lead:
        return Ruling(Decision.JOINED, standing.thread_lead, "same conversation")
    if standing.open_lead:
        return Ruling(Decision.JOINED, standing.open_lead, "open lead of this person")
    if standing.open_deal:
        return Ruling(Decision.JOINED_DEAL, standing.open_deal, "open deal of this person")
    return Ruling(Decision.NEW_LEAD, why="no open lead or deal of this person in this direction")
