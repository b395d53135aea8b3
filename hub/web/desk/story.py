"""A record's timeline: journal facts and inquiries as plain sentences, newest first.

A sentence is made when it is read, in the reader's language and for the reader's role: what a lead desk person is
told never depends on what the lead became.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flask_babel import get_locale
from sqlalchemy import Connection, select

from hub.funnel.evidence import KINDS as TOUCHES
from hub.model import connection, inquiry, journal, member
from hub.routing.explain import sentences
from hub.web.desk import words
from hub.web.desk.access import language
from hub.web.desk.deeds import DEEDS
from hub.web.desk.kept import KEPT
from hub.web.desk.scope import Scope
from hub.web.desk.tongue import _
from hub.web.desk.words import said
from mappings.schema import OWN

LONGEST = 200


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a timeline. `kind` is the journal's word or "inquiry"; `quote` is what somebody wrote."""

    at: int
    kind: str
    text: str
    by: str = ""
    quote: str = ""
    reasons: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Names:
    """Everything that facts mention by id, read once per page."""

    scope: Scope
    members: Mapping[str, str] = field(default_factory=dict)
    connections: Mapping[str, str] = field(default_factory=dict)
    stages: Mapping[tuple[str, str, str], Any] = field(default_factory=dict)
    direction_id: str = ""

    def stage(self, block: str, key: Any) -> str:
        """A stage's name; its key when there is no such stage (any more)."""
        found = self.stages.get((self.direction_id, block, str(key)))
        return str(found.name) if found else str(key)

    def actor(self, actor: str) -> str:
        """Who did it."""
        kind, _colon, key = actor.partition(":")
        known = self.members if kind == "member" else self.connections
        return known.get(key, _("somebody")) if key else _("Lead hub")


def read_names(conn: Connection, scope: Scope, direction_id: str) -> Names:
    """Names of people, connections and stages."""
    return Names(
        scope,
        {row.id: row.name for row in conn.execute(select(member.c.id, member.c.name))},
        {row.id: row.name for row in conn.execute(select(connection.c.id, connection.c.name))},
        {(row.direction_id, row.block, row.key): row for row in conn.execute(scope.stages())},
        direction_id,
    )


def read_story(conn: Connection, names: Names, subjects: dict[str, str], lead_id: str | None) -> Sequence[Line]:
    """Timeline of a lead (with its contact) or of a deal (with its lead and contact), newest first."""
    query = select(journal).where(names.scope.lines(subjects)).order_by(journal.c.at.desc(), journal.c.id.desc())
    written = conn.execute(
        select(inquiry).where(inquiry.c.lead_id == lead_id).order_by(inquiry.c.received_at.desc()).limit(LONGEST)
    )
    lines = [((row.received_at, 0, row.id), _inquiry(names, row)) for row in written]
    lines += [((row.at, 1, row.id), line) for row in conn.execute(query.limit(LONGEST)) if (line := tell(names, row))]
    return [line for _order, line in sorted(lines, key=lambda one: one[0], reverse=True)]


def _inquiry(names: Names, row: Any) -> Line:
    source = names.connections.get(row.connection_id, "")
    text = _("Wrote through “%(source)s”", source=source)
    if row.form:
        text = _("Wrote through “%(source)s”, form “%(form)s”", source=source, form=row.form)
    flags = tuple(said(flag, "inquiry_flag") for flag in row.flags)
    return Line(row.received_at, "inquiry", text, quote="\n".join(filter(None, (row.subject, row.text))), flags=flags)


def tell(names: Names, row: Any) -> Line | None:
    facts: Mapping[str, Any] = row.facts
    tell = SENTENCES.get((row.subject, row.what)) or SENTENCES.get(("", row.what))
    text = tell(names, facts) if tell else row.what
    if not text:
        return None
    by = "" if row.what in ("opened", "joined", "noted", "in_crm") else names.actor(row.actor)
    quote = str(facts.get("text") or "") if row.what in ("noted", *TOUCHES) else ""
    return Line(row.at, row.what, text, by, quote, explain(names, facts))


# ── explanations ─────────────────────────────────────────────────────────────────────────────────


def explain(names: Names, facts: Mapping[str, Any]) -> tuple[str, ...]:
    """Why the person was recognised and why the lead went where it went."""
    reasons = [_recognised(fact) for fact in facts.get("recognised") or ()]
    why = facts.get("route")
    if why and ("of" in why or why.get("by") not in ("rotation", "fallback")):
        reasons += sentences(why, names.members, language())
    elif why:
        reasons += [_by_rule(why), _to_owner(names, why)]
    return tuple(filter(None, reasons))


def _recognised(fact: Mapping[str, str]) -> str:
    key = str(words.KEYS.get(fact.get("by", ""), fact.get("by", "")))
    if fact.get("by") == "thread":
        return _("Continues a running conversation.")
    sentence = words.RECOGNISED.get(fact.get("result", ""))
    if sentence is None:
        return fact.get(str(get_locale()), fact.get("en", ""))
    return str(sentence) % {"key": key}


def _by_rule(why: Mapping[str, Any]) -> str:
    if not why.get("rule"):
        return _("No rule matched: it went to the main direction.")
    matched = "; ".join(
        " ".join(filter(None, (said(name, "field"), str(words.OPERATIONS.get(op, op)), f"“{value}”" if value else "")))
        for name, op, value in why.get("matched") or ()
    )
    if matched:
        return _("Rule “%(rule)s” decided, because %(matched)s.", rule=why["rule"], matched=matched)
    return _("Rule “%(rule)s” decided; it takes everything.", rule=why["rule"])


def _to_owner(names: Names, why: Mapping[str, Any]) -> str:
    owner = names.members.get(str(why.get("owner")), _("somebody"))
    if why.get("by") == "rotation":
        return _(
            "It was the turn of %(owner)s in “%(pool)s” (lead no. %(turn)s from this pool).",
            owner=owner, pool=why.get("pool", ""), turn=why.get("turn", ""),
        )  # fmt: skip
    return _("Nobody takes part in “%(pool)s”: %(owner)s got it.", owner=owner, pool=why.get("pool", ""))


# ── sentences ────────────────────────────────────────────────────────────────────────────────────


def _value(names: Names, value: Any) -> str:
    """A field's value; a place [block, direction, stage] only as far as the reader knows of that block."""
    if isinstance(value, list) and len(value) == 3 and value[0] in ("lead", "deal"):
        return names.stage(value[0], value[2]) if value[0] in names.scope.blocks else ""
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return names.members.get(str(value), str(value)) if value not in (None, "") else "–"


def _joined(_names: Names, facts: Mapping[str, Any]) -> str:
    why = words.JOINED.get(str(facts.get("why")))
    return _("Another inquiry joined: %(why)s.", why=why) if why else _("Another inquiry joined.")


def _given(names: Names, facts: Mapping[str, Any]) -> str:
    return _("Given to %(owner)s.", owner=names.members.get(str(facts.get("owner")), _("somebody")))


def _moved_in(block: str) -> Callable[[Names, Mapping[str, Any]], str]:
    def moved(names: Names, facts: Mapping[str, Any]) -> str:
        before, after = names.stage(block, facts.get("from")), names.stage(block, facts.get("to"))
        return _("Moved from “%(before)s” to “%(after)s”.", before=before, after=after)

    return moved


def _converted(names: Names, _facts: Mapping[str, Any]) -> str:
    return _("Qualified: became a deal.") if names.scope.sees_deals else _("Closed: qualified.")


def _reopened(names: Names, facts: Mapping[str, Any]) -> str:
    return _("Reopened on stage “%(stage)s”.", stage=names.stage("lead", facts.get("stage")))


def _reverted(names: Names, facts: Mapping[str, Any]) -> str:
    return _reopened(names, facts) if not names.scope.sees_deals else _(
        "The deal was taken back: the lead is open again on stage “%(stage)s”.",
        stage=names.stage("lead", facts.get("stage")),
    )  # fmt: skip


def _in_crm(names: Names, facts: Mapping[str, Any]) -> str:
    crm = names.connections.get(str(facts.get("connection")), "CRM")
    if not names.scope.sees_deals:  # in most CRMs the card of the lead becomes the card of the deal
        return _("Is in %(crm)s.", crm=crm)
    return _("Is in %(crm)s, record %(ref)s.", crm=crm, ref=facts.get("ref", ""))


def _stuck(sentence: Callable[..., str]) -> Callable[[Names, Mapping[str, Any]], str]:
    def stuck(names: Names, facts: Mapping[str, Any]) -> str:
        said_first = sentence(names.connections.get(str(facts.get("connection")), "CRM"))
        return f"{said_first} {facts.get('why', '')}".strip() if names.scope.sees_deals else said_first

    return stuck


def _heading(field: Any) -> str:
    word = said(field, "field").removeprefix(OWN)
    return word[:1].upper() + word[1:]


def _field(names: Names, facts: Mapping[str, Any]) -> str:
    return _(
        "%(field)s changed in the CRM: “%(before)s” → “%(after)s”.",
        field=_heading(facts.get("field")),
        before=_value(names, facts.get("from")), after=_value(names, facts.get("to")),
    )  # fmt: skip


def _conflict(names: Names, facts: Mapping[str, Any]) -> str:
    hub, crm = _value(names, facts.get("hub")), _value(names, facts.get("crm"))
    if not names.scope.sees_deals and facts.get("field") == "placement":
        return ""
    if facts.get("winner") == "union":
        return _(
            "%(field)s was changed here (“%(hub)s”) and in the CRM (“%(crm)s”) at once; both were put together.",
            field=_heading(facts.get("field")), hub=hub, crm=crm,
        )  # fmt: skip
    kept = hub if facts.get("winner") == "hub" else crm
    return _(
        "%(field)s was changed here (“%(hub)s”) and in the CRM (“%(crm)s”) at once; “%(kept)s” was kept.",
        field=_heading(facts.get("field")), hub=hub, crm=crm, kept=kept,
    )  # fmt: skip


def _fields(names: Iterable[str]) -> str:
    """Field names as people read them."""
    return ", ".join(str(words.FIELDS.get(name, name)) for name in sorted(names))


def _merged(_names: Names, facts: Mapping[str, Any]) -> str:
    told = _("Merged with another contact: they are one person.")
    rest = facts.get("values") or {}
    named = ", ".join(f"{words.FIELDS.get(name, name)} “{value}”" for name, value in sorted(rest.items()))
    return told + " " + _("Not shown any more: %(values)s.", values=named) if rest else told


def _not_followed(names: Names, facts: Mapping[str, Any]) -> str:
    if not names.scope.sees_deals:
        return ""
    why = words.NOT_POSSIBLE.get(str(facts.get("code")), facts.get("why", ""))
    return _("A move in the CRM was not followed: %(why)s", why=why)


SENTENCES: Mapping[tuple[str, str], Callable[[Names, Mapping[str, Any]], str]] = {
    ("lead", "opened"): lambda _n, _f: _("Lead opened."),
    ("deal", "opened"): lambda _n, _f: _("Deal opened."),
    ("", "joined"): _joined,
    ("", "noted"): lambda _n, _f: _("A note of the conversation."),
    ("", "amended"): lambda _n, _f: _("The sender changed the inquiry."),
    ("", "sent_again"): lambda _n, _f: _("The same inquiry was sent again."),
    ("", "taken"): lambda _n, _f: _("Accepted."),
    ("", "given"): _given,
    ("lead", "moved"): _moved_in("lead"),
    ("deal", "moved"): _moved_in("deal"),
    ("contact", "merged"): _merged,
    ("contact", "unmerged"): lambda _n, _f: _("Taken apart again: two people."),
    ("", "rejected"): lambda _n, f: _("Rejected: %(reason)s", reason=f.get("reason", "")),
    ("", "reopened"): _reopened,
    ("", "converted"): _converted,
    ("", "reverted"): _reverted,
    ("", "in_crm"): _in_crm,
    ("", "uncertain"): _stuck(
        lambda crm: _("%(crm)s has not confirmed the last change; it is being checked.", crm=crm)
    ),
    ("", "parked"): _stuck(lambda crm: _("%(crm)s did not take the last change.", crm=crm)),
    ("", "held"): _stuck(lambda crm: _("Held back from %(crm)s.", crm=crm)),
    ("", "tried_again"): lambda _n, _f: _("Sending to the CRM was started again."),
    ("", "field"): _field,
    ("", "conflict"): _conflict,
    ("", "not_followed"): _not_followed,
    ("", "deleted_in_crm"): lambda _n, _f: _("The record was deleted in the CRM; it stays here."),
    ("", "merged_in_crm"): lambda _n, _f: _("The record was merged into another one in the CRM."),
    ("", "unsaid"): lambda _n, facts: _(
        "These edits were not in the CRM yet when it merged the record: %(fields)s.", fields=_fields(facts["values"])
    ),
    ("", "imported"): lambda _n, _f: _("It was made in the CRM and came from there."),
    ("", "undone"): lambda _n, _f: _("A sync run was undone: what it had changed is as it was before."),
    ("", "settled"): lambda _n, facts: _("Decided whose value is right: %(field)s.", field=_fields([facts["field"]])),
    **DEEDS,
    **KEPT,
}
