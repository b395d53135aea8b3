"""Why a link's two sides are not the same, in a code that pages know and a sentence for people.

Of several causes the one is shown that a person can do most about; one that passes by itself hides none that waits for
somebody.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select, update

from hub.clock import Clock
from hub.model import link
from hub.store.notes import PERSON
from hub.sync import holder, records
from hub.sync.account import SEEN_PLACE, Account
from hub.sync.apply import Sighting
from hub.sync.fight import FIGHT, cause
from hub.sync.plan import ASKED, Agreed
from hub.sync.untaken import tell_refused

UNREAD = "@unread"
"""Under this name a base lists fields whose value over there nobody here knows."""
STAYS = "stays_here"
WHY_STAYS = "It was a deal over there and is a lead again, and leads stay here: its card is read, and told nothing"
PASSING = frozenset(
    {
        "",
        "conflict",
        "unmapped",
        "unreadable",
        "unknown_outcome",
        "retry",
        "refuse",
        "refuse_together",
        "left_out",
        "fight",
        STAYS,
    }
)
"""Causes that are gone when a look does not find them again."""
MOVES = ("closed", "has_open_lead", "needs_reason", "no_lead", "no_stage", "not_here", "not_rejected", "reverted")
"""Causes of a move over there that was not possible here."""


def give_cause(account: Account, row: Any, agreed: Agreed, sighting: Sighting) -> None:
    """Why both sides are not the same, if they are not; of several the one that a person can do most about."""
    asked, unread = sighting.base.get(ASKED), sighting.base.get(UNREAD)
    if asked:
        sighting.code, sighting.why = "conflict", f"Changed on both sides: {', '.join(sorted(asked))}"
    elif unread:
        names = ", ".join(unread)
        sighting.code, sighting.why = "unmapped", f"The CRM shows a value that nobody here knows: {names}"
    else:
        sighting.code, sighting.why = _standing(row, agreed)
    if FIGHT in row.base:
        sighting.code, sighting.why = "fight", cause(row.base[FIGHT])
    tell_refused(account, row, agreed, sighting)
    if not sighting.code and not account.kind(row.role):
        sighting.code, sighting.why = STAYS, WHY_STAYS


def _standing(row: Any, agreed: Agreed) -> tuple[str, str]:
    """The cause of a move that was not followed and is there as it was, and why. That a card hangs on somebody to whom
    it could not be followed is seen from itself: another stage says nothing of that."""
    told = agreed.hub.keys() | agreed.push.keys()
    if holder.PERSON not in told and holder.torn(agreed.base, agreed.raw):
        return holder.BUSY, holder.WHY
    stands = row.code not in PASSING and row.why != holder.WHY and records.PLACE not in told
    return (row.code, row.why) if stands else ("", "")


def follow_again(conn: Connection, clock: Clock, connection_id: str, code: str) -> int:
    """What stood in the way may be settled: moves over there that were not followed for this cause are looked at as if
    they were new. Answers of how many records."""
    mine = (link.c.connection_id == connection_id) & (link.c.state == "linked") & (link.c.code == code)
    rows = conn.execute(select(link.c.id, link.c.raw, link.c.why).where(mine)).all() if code in MOVES else []
    for row in rows:
        moved = holder.SEEN if row.why == holder.WHY else SEEN_PLACE
        raw = {name: value for name, value in row.raw.items() if name != moved}
        again = {"raw": raw, "dirty": link.c.dirty + 1, "lane": PERSON, "due_at": clock.now()}
        conn.execute(update(link).where(link.c.id == row.id).values(again))
    return len(rows)
