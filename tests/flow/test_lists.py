"""More phones and e-mails than a CRM has room for, beside the stand-in of every CRM: none is lost here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from hub.cli_sandbox import rehearsable
from hub.funnel import moves
from hub.model import contact_point, link
from tests.flow.far import Far, far
from tests.real.stage import ANNA
from tests.servers import Stack

MAILS = [f"anna{n}@petrova.test" for n in range(5)]
PHONES = [f"+7916123456{n}" for n in range(7)]
NEW = {"emails": "anna@new.test", "phones": "+79169999999"}
FIELDS = {"emails": ("email", MAILS), "phones": ("phone", PHONES)}


@pytest.fixture
def there(request: pytest.FixtureRequest, embedded: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Far]:
    """A CRM in which a client's contact stands, known by one phone and one mail."""
    monkeypatch.setattr("connectors.crms.hubspot.SEARCHES", 1000)
    with far(embedded, request.param, monkeypatch) as made:
        made.begin(email=MAILS[0], phone=PHONES[0])
        if not any(row.role == "contact" and row.state == "linked" for row in made.made.rows(link)):
            convert(made)
        yield made


def convert(far: Far) -> None:
    """Where leads stay here, or have no contact, a deal brings it."""
    with far.made.hub.store.write() as conn:
        moves.convert_lead(conn, far.made.clock, far.made.lead().id, "member:x")
    far.made.settle(3)


def here(far: Far, name: str) -> set[str]:
    return {row.value for row in far.made.rows(contact_point, kind=FIELDS[name][0])}


@pytest.mark.parametrize("there", rehearsable(), indirect=True)
def test_what_has_no_room_there_stays_here(there: Far) -> None:
    made = there.made
    for phone, mail in zip(PHONES[1:], [*MAILS[1:], MAILS[0], MAILS[0]], strict=True):
        inquiry: dict[str, Any] = {**ANNA, "submission_id": made.clock.new_id(), "email": mail, "phone": phone}
        made.post(**inquiry)
    made.settle(4)
    assert (here(there, "emails"), here(there, "phones")) == (set(MAILS), set(PHONES))
    held = {name: there.told("contact").get(name) or [] for name in FIELDS}
    assert all(set(held[name]) <= set(FIELDS[name][1]) for name in held)
    said = len(there.sent)
    made.settle(3)
    assert len(there.sent) == said, "what has no room is not said again and again"
    for name, (_kind, values) in FIELDS.items():
        gone, stay = held[name][-1], held[name][:-1]
        there.write("contact", **{name: [*stay, NEW[name]]})
        made.settle(4)
        assert here(there, name) == {*values, NEW[name]} - {gone}, "what people typed over is gone, and no other"
    made.settle(1)
    said = len(there.sent)
    made.settle(3)
    assert len(there.sent) == said
    assert made.hub.auditor.run(made.crm_id).startswith("0 differences")
