"""A CRM that calls five thousand times a minute (X22): every call is kept, what they mean is asked once, and nobody who
writes to us waits behind them."""

from __future__ import annotations

from urllib.parse import urlencode

from connectors.contract import Raw
from hub.clock import instant
from hub.intake.accept import Begun
from hub.model import event_work, journal, lead, look_again
from tests.flow.scene import Scene

BURST = 5_000
CARDS = 20
FORM = {"content-type": "application/x-www-form-urlencoded"}


def call(made: Scene, hooks: list[dict[str, str]]) -> None:
    """The CRM calls without waiting for answers; each is answered when it is on the disk."""
    live, now = made.hub.connections.by_id(made.crm_id), instant(made.clock.now())
    assert live is not None
    begun = [made.hub.intake.begin(live, Raw(urlencode(one).encode(), now, FORM)) for one in hooks]
    for one in begun:
        assert isinstance(one, Begun)
        one.ticket.wait()
        one.finish()


def test_five_thousand_hooks_a_minute_are_one_look_at_each_card(small: Scene) -> None:
    for number in range(CARDS):
        small.post(name=f"Person {number}", phone=f"+7916000{number:04}", submission_id=f"s-{number}")
    small.settle()
    cards = [row["id"] for row in small.cards()]
    small.drag("lead", "hot", cards[0])
    reads, writes = small.calls("GET"), small.writes()
    call(small, [{"leads[update][0][id]": str(cards[n % CARDS])} for n in range(BURST)])
    small.post(name="Fresh", phone="+79169999999", submission_id="fresh")
    small.hub.flow.drain()
    assert len(small.rows(look_again)) == CARDS
    assert [row.state for row in small.rows(event_work)].count("done") == BURST + CARDS + 1
    small.push()
    assert len(small.cards()) == CARDS + 1, "who wrote to us is there before the calls are answered"
    assert small.hub.puller.step(small.crm_id) >= CARDS
    assert small.rows(look_again) == []
    assert small.calls("GET") - reads <= 6, "cards are read in one list, and lists once"
    assert small.writes() - writes == 1
    assert sorted(row.stage for row in small.rows(lead)).count("hot") == 1


def test_a_hook_of_another_account_moves_nothing(small: Scene) -> None:
    small.post(name="Anna", phone="+79161234567")
    small.settle()
    before, told, calls = small.lead(), len(small.rows(journal)), small.calls()
    foreign = {"account[id]": "999", "account[subdomain]": "somebody", "account[_links][self]": "https://x.test"}
    status = {"leads[status][0][id]": str(small.card()["id"]), "leads[status][0][status_id]": "143"}
    call(small, [{**foreign, **status}, {**foreign, "leads[delete][0][id]": str(small.card()["id"])}])
    call(small, [{**foreign, "leads[add][0][id]": "777777"}])
    small.hub.flow.drain()
    small.hub.puller.step(small.crm_id)
    assert small.lead() == before
    assert len(small.rows(journal)) == told
    assert small.rows(look_again) == []
    assert small.calls() - calls <= 4
