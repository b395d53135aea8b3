"""What rules may ask of an inquiry: the same when it comes and when a trial reads it again."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import select, update

from hub.insight.drafts import draft, publish, read_body
from hub.insight.traffic import read_traffic
from hub.insight.trial import outcomes
from hub.intake.decide import routing_facts
from hub.model import company_key, contact, inquiry, journal, lead, member
from tests.whole import JSON, Whole

FORM = {
    "name": "Anna Serova", "phone": "+49 30 1234567", "email": "anna@romashka.test", "company": "ООО «Ромашка»",
    "product": "Kitchens", "message": "Need a kitchen", "Square metres": "12", "utm_campaign": "spring",
}  # fmt: skip

FIRST = ("Anna Serova", "Boris Orlov", "Vera Lisina", "Gleb Somov", "Daria Volkova", "Egor Titov")
SECOND = ("Zoya Belova", "Ivan Kuzmin", "Kira Panova", "Lev Gusev", "Maria Frolova", "Nikita Zuev")


def send(whole: Whole, live: Any, **form: Any) -> None:
    assert whole.post(live, json.dumps(form), JSON).status_code in (200, 201, 202, 303)
    whole.flow()
    whole.clock.advance(1)


@pytest.fixture
def seen(whole: Whole, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """What intake asked the rules about, in order."""
    found: list[dict[str, str]] = []

    def spy(*told: Any) -> Any:
        found.append(dict(routing_facts(*told)))
        return found[-1]

    monkeypatch.setattr("hub.intake.decide.routing_facts", spy)
    return found


def once(seen: list[dict[str, str]]) -> list[dict[str, str]]:
    """A new lead is asked about twice: where it goes, and whose it is."""
    return [one for n, one in enumerate(seen) if one not in seen[:n]]


def test_everything_that_rules_may_ask(whole: Whole, seen: list[dict[str, str]]) -> None:
    send(whole, whole.connect("webhook"), **FORM)
    facts = seen[0]
    assert facts.items() >= {
        "source": "webhook", "product": "Kitchens", "region": "DE", "known_person": "", "known_company": "",
        "company": "ООО «Ромашка»", "score": "32", "field.Square metres": "12", "utm.campaign": "spring",
    }.items()  # fmt: skip


def test_people_and_companies_are_known_the_second_time(whole: Whole, seen: list[dict[str, str]]) -> None:
    live = whole.connect("webhook")
    send(whole, live, **FORM)
    with whole.hub.store.write() as conn:
        conn.execute(update(lead).values(state="rejected", reason="Spam", closed_at=1))
    send(whole, live, **{**FORM, "message": "And a bath"})
    send(whole, live, name="Boris Orlov", phone="+7 916 222-33-44", email="boris@romashka.test", message="A door")
    told = [(one["known_person"], one["known_company"]) for one in once(seen)]
    assert told == [("", ""), ("yes", "yes"), ("", "yes")]


def test_a_trial_reads_the_same_facts_again(whole: Whole, seen: list[dict[str, str]]) -> None:
    live = whole.connect("webhook", region="RU")
    send(whole, live, **FORM)
    send(whole, live, name="Без телефона", message="Позвоните: 8 916 123-45-67, срочно", Tags=["a", "b"])
    send(whole, live, name="Boris Orlov", phone="8 916 222-33-44", company="Ромашка", message="A door")
    with whole.hub.store.read() as conn:
        again = [dict(one.facts) for one in read_traffic(conn, 0, whole.clock.now() + 1)]
    assert again == once(seen)
    assert len(again) == len(whole.rows(lead)) == 3


def test_after_publishing_everybody_gets_what_was_announced(whole: Whole) -> None:
    """The span is tried, the draft goes live, and the same inquiries come again to a hub that knows nobody."""
    live = whole.connect("webhook")
    with whole.hub.store.write() as conn:
        body = read_body(conn)
        olga = conn.execute(select(member.c.id).where(member.c.name == "Olga")).scalar()
        told = [("product", "is", "kitchens"), ("score", "at_least", "25"), ("known_company", "absent", "")]
        conditions = [{"field": field, "op": op, "value": value} for field, op, value in told]
        new = {**body["rules"][0], "id": "new", "name": "Good ones", "conditions": conditions, "pool": "seniors"}
        body = {**body, "rules": [new, *body["rules"]], "shares": {**body["shares"], "seniors": {str(olga): 1}}}
        number = draft(conn, whole.clock, body, "member:x")
    for n in range(6):
        send(whole, live, **{**FORM, "name": FIRST[n], "phone": f"+791622233{n}{n}",
                             "email": f"a{n}@firm{n // 2}.test", "company": f"Firm {'XYZ'[n // 2]}"})  # fmt: skip
    with whole.hub.store.write() as conn:
        announced = [one.pool for one in outcomes(conn, body, 0, whole.clock.now() + 1)]
        publish(conn, whole.clock, number, "member:x")
        for table in (inquiry, journal, company_key):
            conn.execute(table.delete())
        conn.execute(update(lead).values(state="rejected", reason="Spam", closed_at=1))
        conn.execute(update(contact).values(company_id=None))
    assert announced == ["seniors", "desk"] * 3
    for n in range(6):
        send(whole, live, **{**FORM, "name": SECOND[n], "phone": f"+790533344{n}{n}",
                             "email": f"b{n}@firm{n // 2}.test", "company": f"Firm {'XYZ'[n // 2]}"})  # fmt: skip
    pools = [row.facts["route"]["pool"] for row in whole.rows(journal, journal.c.what == "opened")]
    assert pools == announced
