"""One understood inquiry against the book: recognise, decide, route, record. No I/O of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from hub.clock import MINUTE, Clock
from hub.funnel.evidence import touch
from hub.funnel.own import own_fields
from hub.funnel.policy import Decision, Ruling, Standing, rule_on
from hub.identity import survivorship
from hub.identity.junk import is_junk
from hub.identity.merging import Merge, pair_of
from hub.identity.mirror import Card
from hub.identity.resolve import Match, recognise
from hub.identity.rules import VERSION
from hub.intake.book import Book
from hub.intake.drafts import Understood, occurred, person_json, routing_facts, touch_json
from hub.model import contact, contact_point, deal, inquiry, journal, lead, link, match_key, thread
from hub.routing.rules import Route

FIRST_TOUCH = 15 * MINUTE
TITLE = 80
LANE_FRESH = 0
Way = tuple[Route, Mapping[str, str]]
"""Where the rules send an inquiry, and the facts they asked."""


TAKEN = (Decision.NEW_LEAD, Decision.JOINED, Decision.JOINED_DEAL, Decision.NOTE)
"""Decisions about somebody we know or get to know by them. What one of us wrote makes no contact."""


def decide(book: Book, one: Understood, clock: Clock) -> Decision:
    """Record what this inquiry means; answers what it was."""
    known = book.known_inquiry(one)
    if known is not None and _undecided(known, one):
        book.drop_inquiry(known)
    elif known is not None:
        return _again(book, one, known, clock)
    running = book.thread_of(one)
    in_thread = str(running["contact_id"]) if running else ""
    match = recognise(book.ledger, one.known, one.facts, book.owners, in_thread)
    book.meet((match.contact_id, *(other.contact_id for other in match.merges)))
    match = book.overthere.look(book, one, match)
    if firm := book.firms.look(one):
        match = replace(match, why=(*match.why, *firm))
    _merge(book, one, match, clock)
    facts = routing_facts(one, match.why)
    route = book.giving.route(facts, next(iter(book.directions), ""))
    ruling = _ruling(book, one, match, route, running)
    contact_id, lead_id = "", ""
    if ruling.decision in TAKEN and (ruling.target or not one.draft.ours):
        contact_id = _contact(book, one, match, ruling, clock)
        lead_id = _lead(book, one, contact_id, (route, facts), match, ruling, clock)
        _keep_conversation(book, one, contact_id, lead_id)
    _record(book, one, ruling, contact_id, lead_id, match, clock)
    return ruling.decision


def _ruling(book: Book, one: Understood, match: Match, route: Route, running: Mapping[str, Any] | None) -> Ruling:
    """Several signs of junk, and nobody here knows the sender: set apart, where people can look into it."""
    if not match.contact_id and not match.cards and is_junk(one.junk):
        return Ruling(Decision.QUARANTINED, why=f"looks like junk: {', '.join(sorted(one.junk))}")
    standing = _standing(book, match, route, running)
    if one.draft.ours:
        return Ruling(Decision.NOTE, standing.thread_lead or standing.open_lead, "one of us")
    return rule_on(
        one.draft.kind, one.draft.why, _reachable(one), bool(one.draft.text or one.draft.files),
        standing,
    )  # fmt: skip


def _merge(book: Book, one: Understood, match: Match, clock: Clock) -> None:
    """A late bridge: the newcomer shows that two contacts are one."""
    for other in match.merges:
        actor = f"source:{one.live.id}"
        book.merge(
            Merge(clock.new_id(), match.contact_id, other.contact_id, one.received_at, actor, other.why, one.event_id)
        )


def _ask(book: Book, one: Understood, match: Match, contact_id: str, clock: Clock) -> None:
    for other in match.asks:
        first, second = pair_of(contact_id, other.contact_id)
        book.ask(
            {
                "id": clock.new_id(), "first_id": first, "second_id": second, "at": one.received_at,
                "score": other.score, "why": list(other.why), "rules": VERSION, "event_id": one.event_id,
            }
        )  # fmt: skip


def _undecided(known: Mapping[str, Any], one: Understood) -> bool:
    """It was set apart and may be a lead now: its event was replayed, or its sender completed it."""
    return known["decision"] == Decision.QUARANTINED and (one.keyed or known["event_id"] == one.event_id)


def _reachable(one: Understood) -> bool:
    person = one.draft.person
    return bool(
        one.known.name.full or one.known.phones or one.known.emails or person.phones or person.emails or person.handles
    )


def _standing(book: Book, match: Match, route: Route, running: Mapping[str, Any] | None) -> Standing:
    place = (match.contact_id, route.direction_id)
    in_thread = str(running["lead_id"] or "") if running else ""
    return Standing(
        open_lead=book.open_leads.get(place, ""),
        open_deal=book.open_deals.get(place, ""),
        thread_lead=in_thread if in_thread in book.leads else "",
    )


def _again(book: Book, one: Understood, known: dict[str, Any], clock: Clock) -> Decision:
    """The same inquiry once more: a redelivery is nothing, an edit amends, a double click is a note."""
    said = _said(one)
    if one.keyed and (known["event_id"] == one.event_id or all(known[name] == value for name, value in said.items())):
        return Decision.REPEATED
    if one.keyed:
        _amend(book, one, known, {**said, "event_id": one.event_id})
    if known["lead_id"]:
        _note(book, "lead", known["lead_id"], "amended" if one.keyed else "sent_again", one,
              {"inquiry": known["id"]}, clock)  # fmt: skip
    return Decision.AMENDED if one.keyed else Decision.REPEATED


def _said(one: Understood) -> dict[str, Any]:
    """What a sender may correct later, as stored: a tuple comes back as a list."""
    draft = one.draft
    said = {"subject": draft.subject, "text": draft.text, "fields": dict(draft.fields)}
    return {**said, "person": person_json(draft.person)}


def _amend(book: Book, one: Understood, known: dict[str, Any], values: dict[str, Any]) -> None:
    known.update(values)
    if not book.is_new(known["id"]):
        book.change(inquiry, known["id"], **values)
    if known["contact_id"]:
        book.decided_anew.add(known["contact_id"])  # what was said before the correction counts no more
        _add_points(book, one, known["contact_id"])
        book.ledger.learn(known["contact_id"], one.facts)
        book.touched_contacts.add(known["contact_id"])


# ── people ───────────────────────────────────────────────────────────────────────────────────────


def _contact(book: Book, one: Understood, match: Match, ruling: Ruling, clock: Clock) -> str:
    contact_id = match.contact_id or (
        str(book.leads[ruling.target]["contact_id"]) if ruling.target in book.leads else ""
    )
    if not contact_id:
        contact_id = _new_contact(book, one, match, clock)
    else:
        _show(book, one, contact_id)
    _place_in_company(book, one, contact_id, clock)
    _add_points(book, one, contact_id)
    book.ledger.learn(contact_id, one.facts)
    _ask(book, one, match, contact_id, clock)
    if match.owns and not book.is_new(contact_id):
        book.touched_contacts.add(contact_id)
    for kind, value in match.owns:
        book.owners[kind, value] = contact_id
        book.add(match_key, {"kind": kind, "value": value, "contact_id": contact_id, "seen_at": one.received_at})
    return contact_id


def _new_contact(book: Book, one: Understood, match: Match, clock: Clock) -> str:
    contact_id = clock.new_id()
    shown = survivorship.decide(_said_by(one), book.policy)
    row: dict[str, Any] = {
        "id": contact_id,
        **dict.fromkeys(survivorship.COLUMNS, ""),
        **shown.values,
        "basis": shown.basis,
        "company_id": None,
        "merged_into": None,
        "version": 1,
        "created_at": one.received_at,
        "updated_at": one.received_at,
    }
    book.add(contact, row)
    book.contacts[contact_id] = row
    cards = {card.connection_id: card for card in match.cards}
    for crm in book.crms:
        _link(book, crm, "contact", contact_id, one, clock, cards.get(crm))
    for card in match.cards:
        book.overthere.take(book, card, contact_id, one.received_at)
        _note(book, "contact", contact_id, "found_in_crm", one, {"crm": card.connection_id, "ref": card.ref}, clock)
    return contact_id


def _said_by(one: Understood) -> survivorship.Said:
    return survivorship.typed(one.draft.person, one.known.name, one.received_at)


def _show(book: Book, one: Understood, contact_id: str) -> None:
    """A later inquiry may say more, or something newer; what people entered themselves stays."""
    held = book.contacts.get(contact_id)
    if held is None:
        return
    said = _said_by(one)
    if survivorship.needs_all(held) and said.pop("name", []):
        book.decided_anew.add(contact_id)
    news = survivorship.settle(held, said, book.policy)
    if not news:
        return
    held.update(news, version=held["version"] + 1, updated_at=one.received_at)
    if not book.is_new(contact_id):
        book.change(contact, contact_id, **news, version=held["version"], updated_at=one.received_at)
        book.touched_contacts.add(contact_id)


def _place_in_company(book: Book, one: Understood, contact_id: str, clock: Clock) -> None:
    row = book.contacts.get(contact_id)
    if row is None:
        return
    company_id = book.firms.of(one, contact_id, row["company_id"] or "", clock)
    if company_id == (row["company_id"] or ""):
        return
    row["company_id"] = company_id
    if not book.is_new(contact_id):
        book.change(contact, contact_id, company_id=company_id)
        book.touched_contacts.add(contact_id)


def _add_points(book: Book, one: Understood, contact_id: str) -> None:
    def add(kind: str, value: str, raw: str, ext: str, flags: tuple[str, ...], attested: bool) -> None:
        book.add(
            contact_point,
            {
                "contact_id": contact_id, "kind": kind, "value": value, "raw": raw, "ext": ext,
                "flags": list(flags), "attested": attested, "first_seen_at": one.received_at,
            },
        )  # fmt: skip

    attested = {key.value for key in one.known.keys if key.attested}
    for phone in one.known.phones:
        add("phone", phone.e164 or phone.raw, phone.raw, phone.ext, phone.flags, phone.e164 in attested)
    for email in one.known.emails:
        add("email", email.address or email.raw, email.raw, "", email.flags, False)
    for handle in one.draft.person.handles:
        add(handle.kind, handle.id, handle.username, "", (), handle.attested)


# ── leads ────────────────────────────────────────────────────────────────────────────────────────


def _lead(book: Book, one: Understood, contact_id: str, way: Way, match: Match, ruling: Ruling, clock: Clock) -> str:
    if ruling.decision is Decision.NEW_LEAD:
        return _open_lead(book, one, contact_id, way, match, clock)
    if ruling.decision is Decision.JOINED and ruling.target in book.leads:
        _join(book, one, ruling.target)
        book.fill(lead, ruling.target, own_fields(one.draft.fields))
        _note(book, "lead", ruling.target, "joined", one, {"why": ruling.why, "recognised": match.why}, clock)
    elif ruling.decision is Decision.JOINED_DEAL:
        book.fill(deal, ruling.target, own_fields(one.draft.fields))
        _note(book, "deal", ruling.target, "joined", one, {"why": ruling.why, "recognised": match.why}, clock)
        return ""
    elif ruling.decision is Decision.NOTE and ruling.target and one.draft.ours:
        shown = touch(one.draft.ours, channel=one.live.row.connector, text=one.draft.text)
        _note(book, "lead", ruling.target, one.draft.ours, one, shown, clock)
    elif ruling.decision is Decision.NOTE and ruling.target:
        _note(book, "lead", ruling.target, "noted", one, {"text": one.draft.text}, clock)
    return ruling.target


def _open_lead(book: Book, one: Understood, contact_id: str, way: Way, match: Match, clock: Clock) -> str:
    draft, lead_id, now = one.draft, clock.new_id(), clock.now()
    route, facts = way
    firm = str((book.contacts.get(contact_id) or {}).get("company_id") or "")
    given = book.giving.give(lead_id, route, facts, contact_id, now, firm)
    row = {
        "id": lead_id,
        "contact_id": contact_id,
        "direction_id": route.direction_id,
        "stage": book.first_stage[route.direction_id],
        "state": "open",
        "owner_id": given.owner,
        "next_step": "first_touch",
        "next_step_at": book.giving.due(given, now, FIRST_TOUCH),
        "title": _title(one),
        "text": draft.text,
        "source": one.live.row.connector,
        "connection_id": one.live.id,
        "form": draft.form,
        "touch": touch_json(draft.touch),
        "first_touch": touch_json(draft.first_touch),
        "temperature": "",
        "own": own_fields(draft.fields),
        "inquiries": 1,
        "reason": "",
        "version": 1,
        "opened_at": one.received_at,
        "active_at": one.received_at,
    }
    book.add(lead, row)
    book.leads[lead_id] = row
    book.open_leads[contact_id, route.direction_id] = lead_id
    why = {**route.why, **given.why, "owner": given.owner, "pool": given.pool}
    _note(book, "lead", lead_id, "opened", one, {"recognised": match.why, "route": why}, clock, now)
    for crm in book.crms:
        _link(book, crm, "lead", lead_id, one, clock)
    return lead_id


def _title(one: Understood) -> str:
    who = one.known.name.full or one.draft.person.name or one.draft.person.company
    what = one.draft.subject or one.draft.form
    reach = [p.e164 or p.raw for p in one.known.phones] + [e.address for e in one.known.emails]
    return (" · ".join(filter(None, (who or next(iter(reach), ""), what))) or one.live.row.name)[:TITLE]


def _join(book: Book, one: Understood, lead_id: str) -> None:
    row = book.leads[lead_id]
    row["inquiries"] += 1
    row["active_at"] = max(row["active_at"], one.received_at)
    if not book.is_new(lead_id):
        book.join(lead_id, one.received_at)


def _keep_conversation(book: Book, one: Understood, contact_id: str, lead_id: str) -> None:
    for name in one.threads:
        held = book.threads.get(name)
        row = {
            "id": name,
            "contact_id": held["contact_id"] if held else contact_id,
            "lead_id": lead_id or (held["lead_id"] if held else None),
            "seen_at": one.received_at,
        }
        book.threads[name] = row
        book.add(thread, row)


# ── the record ───────────────────────────────────────────────────────────────────────────────────


def _record(
    book: Book, one: Understood, ruling: Ruling, contact_id: str, lead_id: str, match: Match, clock: Clock
) -> None:
    draft = one.draft
    row = {
        "id": clock.new_id(),
        "event_id": one.event_id,
        "position": one.position,
        "connection_id": one.live.id,
        "key": one.key,
        "kind": draft.kind.value,
        "decision": ruling.decision.value,
        "contact_id": contact_id or None,
        "lead_id": lead_id or None,
        "received_at": one.received_at,
        "occurred_at": occurred(draft, one.received_at),
        "form": draft.form,
        "subject": draft.subject,
        "text": draft.text,
        "person": person_json(draft.person),
        "touch": touch_json(draft.touch),
        "first_touch": touch_json(draft.first_touch),
        "consent": asdict(draft.consent) if draft.consent else {},
        "files": [asdict(file) for file in draft.files],
        "fields": dict(draft.fields),
        "flags": list(dict.fromkeys((*draft.flags, *one.known.flags))),
        "why": [ruling.why, *match.why, *book.firms.told(one)],
    }
    book.add(inquiry, row)
    book.inquiries[one.live.id, one.key] = row


def _note(
    book: Book, subject: str, subject_id: str, what: str, one: Understood, facts: Mapping[str, Any], clock: Clock,
    at: int = 0,
) -> None:  # fmt: skip
    """`at` is when it happened, where that is not when the inquiry came: what waited in quarantine is opened late."""
    book.add(
        journal,
        {
            "id": clock.new_id(),
            "at": at or one.received_at,
            "subject": subject,
            "subject_id": subject_id,
            "what": what,
            "actor": f"source:{one.live.id}",
            "facts": {"event": one.event_id, "source": one.live.row.connector, **facts},
        },
    )


def _link(
    book: Book, crm: str, role: str, record_id: str, one: Understood, clock: Clock, card: Card | None = None
) -> None:
    """What still has to be made over there, or the record that is there already: then it is read first."""
    book.add(
        link,
        {
            "id": clock.new_id(),
            "connection_id": crm,
            "role": role,
            "record_id": record_id,
            "remote_kind": card.kind if card else "",
            "remote_id": card.ref if card else None,
            "state": "linked" if card else "new",
            "base": {}, "raw": {}, "sent": {}, "remote_version": "", "mapping_version": "",
            "dirty": 1,
            "lane": LANE_FRESH,
            "due_at": one.received_at,
            "lease": "", "attempts": 0, "lookups": 0, "code": "", "why": "",
            "since": one.received_at,
        },
    )  # fmt: skip
