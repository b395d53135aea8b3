"""The first meeting of two bases: what would be linked, made and asked, counted before anything is done.

Counting uses the very judgement that importing uses, and remembers what it would have made on the way, so that what
was shown is what happens. Importing then is the normal pull, begun anew: resumable, undone like any run.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from sqlalchemy import select, update

from connectors.contract import Record
from hub.clock import Clock
from hub.model import connection, pull_state
from hub.store.engine import Store
from hub.store.notes import note
from hub.sync.account import Account
from hub.sync.observe import Observer
from hub.sync.strangers import WELCOME, Strangers, Unknown, Verdict
from hub.sync.theirs import personal_keys

EXAMPLES = 5


@dataclass
class Preview:
    """How many cards of the CRM are linked already, would be linked, made here, asked about, left alone."""

    counts: Counter[str] = field(default_factory=Counter)
    questions: list[str] = field(default_factory=list)
    left_alone: Counter[str] = field(default_factory=Counter)

    @property
    def sentences(self) -> tuple[str, ...]:
        words = {
            "known": "known already", "adopt": "made by the hub, found again", "link": "belong to an open lead here",
            "create": "get a record here", "ambiguous": "wait for a person", "outside": "are left alone",
        }  # fmt: skip
        told = [f"{self.counts[what]} {text}" for what, text in words.items() if self.counts[what]]
        return (*told, *(f"   {count} × {why}" for why, count in self.left_alone.items()), *self.questions)


@dataclass
class _Made:
    """What the cards counted so far would have made: contacts by their id and keys, open leads."""

    contacts: dict[str, str] = field(default_factory=dict)
    open: set[tuple[str, str]] = field(default_factory=set)


def preview(store: Store, clock: Clock, account: Account) -> Preview:
    """Count without changing anything; one list of each kind of card, and one read of contacts per page."""
    strangers, told, made = Strangers(store, clock, Observer(clock)), Preview(), _Made()
    for kind in account.kinds:
        if kind in (account.crm.contact_kind, account.crm.company_kind):
            continue
        cursor, more, seen = "", True, set[str]()
        while more:
            page = account.crm.changes(kind, cursor)
            cursor, more = page.cursor, page.more
            fresh = [one for one in page.records if one.ref not in seen and not one.deleted and not one.merged_into]
            seen.update(one.ref for one in fresh)
            unknown = strangers.meet(account, kind, fresh, everybody=True)
            told.counts["known"] += len(fresh) - len(unknown.records)
            with store.read() as conn:
                for record in unknown.records:
                    verdict = strangers.judge(conn, account, unknown, record)
                    _count(account, unknown, record, verdict, told, made)
    return told


def _count(account: Account, unknown: Unknown, record: Record, verdict: Verdict, told: Preview, made: _Made) -> None:
    what, why = verdict.what, verdict.why
    if what in ("create", "link") and verdict.spot is not None:
        owner = verdict.contact_id or _owner(account, unknown, record, made)
        place = (owner, verdict.spot[1])
        if what == "create" and verdict.role == "lead" and place in made.open and not verdict.final:
            what, why = "ambiguous", "this person has another open lead with a card of its own"
        elif verdict.role == "lead" and not verdict.final:
            made.open.add(place)
    told.counts[what] += 1
    if what == "outside":
        told.left_alone[why] += 1
    if what == "ambiguous" and len(told.questions) < EXAMPLES:
        told.questions.append(f"   {record.kind} {record.ref}: {why}")


def _owner(account: Account, unknown: Unknown, record: Record, made: _Made) -> str:
    """The contact this card would have by now: of an earlier card, or a new one."""
    person = unknown.person_of(account, record)
    if person is None:
        return f"new:{record.kind}/{record.ref}"
    marks = [f"ref:{person.ref}", *(f"{kind}:{value}" for kind, value in personal_keys(account, person))]
    owner = next((made.contacts[mark] for mark in marks if mark in made.contacts), f"new:{person.ref}")
    made.contacts.update(dict.fromkeys(marks, owner))
    return owner


def welcome_all(store: Store, clock: Clock, account: Account, actor: str) -> None:
    """From now on cards made in the CRM get records here, those that are there already at the next pull."""
    with store.write() as conn:
        config = dict(conn.execute(select(connection.c.config).where(connection.c.id == account.id)).scalar_one())
        values = {**config, "strangers": WELCOME}
        conn.execute(update(connection).where(connection.c.id == account.id).values(config=values))
        anew = {"cursor": "", "read_at": None, "due_at": clock.now(), "lease": "", "lease_until": None}
        conn.execute(update(pull_state).where(pull_state.c.connection_id == account.id).values(anew))
        note(conn, clock, "connection", account.id, "strangers_welcome", actor)
