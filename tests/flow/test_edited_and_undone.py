"""People work in the CRM on the cards of two contacts that are one here for a while: after the undo everybody has what
was entered on their own card, here and there, as if the two had never been merged.

Every pair that is merged and taken apart has a twin pair in the same hub to whom the same happens without a merge.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from connectors.contract import Op
from hub.identity.merging import CannotMerge, Merge, undo
from hub.identity.review import join
from hub.model import contact, contact_point, inquiry, journal, lead, link, match_key, merge_log, not_same
from tests.conftest import embedded
from tests.flow.far import Far, far

PAIRS = 6
"""Schedules; each is played on two pairs."""
STEPS = 7
WAYS = ("title", "title", "number", "number", "fewer", "strange", "emptied", "comes", "renamed")
FIRST = ("Алла", "Вера", "Дина", "Елена", "Зоя", "Инна", "Лидия", "Майя", "Нина", "Ольга", "Раиса", "Тамара", "Юлия")
Who = tuple[int, bool, int]
"""Which pair, whether it is merged, which of the two."""


def script(seed: int) -> list[list[tuple[int, str]]]:
    """What happens before the merge, between merge and undo, and after: (which of the two, what)."""
    chance = random.Random(seed)
    steps = [[(chance.randrange(2), chance.choice(WAYS)) for _ in range(many)] for many in (2, STEPS, 2)]
    steps[1][seed % STEPS] = (winner_of(seed), "strange")
    return steps


def winner_of(pair: int) -> int:
    return (pair + 1) % 2


class Play:
    """All pairs at once, on one hub and one CRM."""

    def __init__(self, far: Far) -> None:
        self.far = far
        self.ids: dict[Who, str] = {}
        self.merges: dict[int, str] = {}
        self.done = 0
        everybody = [(pair, merged, who) for pair in range(PAIRS) for merged in (True, False) for who in (0, 1)]
        for each in everybody:
            far.made.post(name=f"Анна {self.last(each)}", phone=self.phone(each, 0), message="Нужен забор")
        self.later()
        by_key = {row.value: row.contact_id for row in far.made.rows(match_key, kind="phone")}
        self.ids = {each: by_key[self.phone(each, 0)] for each in everybody}
        self.cards = {
            each: far.made.row(link, role="contact", record_id=self.ids[each]).remote_id for each in everybody
        }
        assert all(self.cards.values())

    @staticmethod
    def phone(who: Who, more: int) -> str:
        return f"+7916{random.Random(f'{who} {more}').randrange(10**7):07}"

    @staticmethod
    def last(who: Who) -> str:
        return (
            "".join(random.Random(f"last {who}").choices(("ба", "гор", "зим", "кол", "нев", "руд"), k=3)).title()
            + "ова"
        )

    def later(self) -> None:
        """So long that nobody takes what is written for a fight of two robots."""
        self.far.made.advance(1800)
        self.far.made.settle()

    def play(self) -> None:
        scripts = [script(seed) for seed in range(PAIRS)]
        self.act([one[0] for one in scripts])
        for pair in range(PAIRS):
            self.merges[pair] = self.merge(pair)
        self.later()
        self.act([one[1] for one in scripts])
        for merge_id in self.merges.values():
            self.apart(merge_id)
        self.later()
        self.act([one[2] for one in scripts])
        self.later()

    def act(self, scripts: list[list[tuple[int, str]]]) -> None:
        for step in range(len(scripts[0])):
            self.done += 1
            for pair, steps in enumerate(scripts):
                who, what = steps[step]
                for merged in (True, False):
                    getattr(self, what)((pair, merged, who))
            self.later()

    def merge(self, pair: int) -> str:
        hub, both = self.far.made.hub, [self.ids[pair, True, who] for who in (0, 1)]
        winner, loser = both[winner_of(pair)], both[1 - winner_of(pair)]
        with hub.store.write() as conn:
            return join(conn, Merge(hub.clock.new_id(), winner, loser, hub.clock.now(), "member:m"))

    def apart(self, merge_id: str) -> None:
        with self.far.made.hub.store.write() as conn:
            undo(conn, merge_id, "member:m", self.far.made.hub.clock.now())

    # ── what people do ───────────────────────────────────────────────────────────────────────────

    def title(self, who: Who) -> None:
        self.write(who, position=f"Boss {self.done}")

    def emptied(self, who: Who) -> None:
        self.write(who, position="")

    def renamed(self, who: Who) -> None:
        self.write(who, name=f"{FIRST[self.done]} {self.last(who)}")

    def number(self, who: Who) -> None:
        self.write(who, phones=[*self.shown(who)["phones"], self.phone(who, self.done)])

    def fewer(self, who: Who) -> None:
        """Somebody takes the number off that was added last on this card."""
        held = self.shown(who)["phones"]
        mine = [one for one in held if one in {self.phone(who, more) for more in range(1, 99)}]
        if mine:
            self.write(who, phones=[one for one in held if one != mine[-1]])

    def strange(self, who: Who) -> None:
        """Somebody takes all numbers off that are not this person's."""
        held, mine = self.shown(who)["phones"], {self.phone(who, more) for more in range(99)}
        if set(held) - mine:
            self.write(who, phones=[one for one in held if one in mine])

    def comes(self, who: Who) -> None:
        self.far.made.post(name=f"Анна {self.last(who)}", phone=self.phone(who, 0), message=f"Вопрос {self.done}")

    def write(self, who: Who, **wish: Any) -> None:
        values = self.far.account.mapping.write("contact", wish, {}).values
        self.far.do(Op(self.far.account.kind("contact"), values, ref=self.cards[who]))

    # ── what is there ────────────────────────────────────────────────────────────────────────────

    def shown(self, who: Who) -> dict[str, Any]:
        """The card over there in the hub's words."""
        [record] = self.far.person.get(self.far.account.kind("contact"), [self.cards[who]])
        assert record is not None
        seen = self.far.account.seen(record, "contact")
        slots = {slot.hub: slot for slot in self.far.account.faces["contact"].slots if slot.crm in seen}
        return {
            name: slots[name].into(seen[slots[name].crm]) for name in ("name", "position", "phones") if name in slots
        }

    def state(self, who: Who) -> dict[str, Any]:
        """One person, here and there, without what only says who it is."""
        made, mine = self.far.made, self.ids[who]
        mark = {self.phone(who, more): f"number {more}" for more in range(99)}
        [one] = made.rows(contact, id=mine)
        leads = made.rows(lead, contact_id=mine)
        card = self.shown(who)
        lines = [row for row in made.rows(journal, subject="lead") if row.subject_id in {each.id for each in leads}]
        return {
            "name": one.name.replace(self.last(who), "X"),
            "shows": (one.last_name.replace(self.last(who), "X"), one.position, one.merged_into),
            "points": sorted(mark.get(row.value, row.value) for row in made.rows(contact_point, contact_id=mine)),
            "keys": sorted(
                mark.get(row.value, row.value) for row in made.rows(match_key, contact_id=mine, kind="phone")
            ),
            "said": sorted(row.text for row in made.rows(inquiry, contact_id=mine)),
            "leads": sorted((row.state, row.reason, row.inquiries) for row in leads),
            "timeline": sorted((row.what, row.at) for row in lines),
            "links": sorted((row.role, row.state, row.code) for row in self.links(mine, leads)),
            "card": (card["name"].replace(self.last(who), "X"), card.get("position") or ""),
            "numbers there": sorted(mark.get(one, one) for one in card["phones"]),
        }

    def links(self, mine: str, leads: list[Any]) -> list[Any]:
        return [row for each in (mine, *(one.id for one in leads)) for row in self.far.made.rows(link, record_id=each)]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Play]:
    with pytest.MonkeyPatch.context() as patch, far(embedded(tmp_path_factory.mktemp("far")), "amocrm", patch) as made:
        made.set_up("two_pipelines")
        play = Play(made)
        play.play()
        yield play


@pytest.mark.parametrize("who", [0, 1])
@pytest.mark.parametrize("pair", range(PAIRS))
def test_everybody_has_what_was_entered_on_their_own_card(played: Play, pair: int, who: int) -> None:
    assert played.state((pair, True, who)) == played.state((pair, False, who))


def test_two_people_are_two_for_everybody(played: Play) -> None:
    assert len(played.far.made.rows(not_same)) == PAIRS
    for pair, merge_id in played.merges.items():
        with pytest.raises(CannotMerge, match="Somebody said that these are two people: take that back first"):
            played.merge(pair)
        with pytest.raises(CannotMerge, match=f"There is no merge {merge_id} that could be undone"):
            played.apart(merge_id)
    assert {row.actor for row in played.far.made.rows(merge_log)} == {"member:m"}


def test_the_only_card_goes_back_with_what_was_entered_on_it(played: Play) -> None:
    """The winner had no card yet and took the loser's over: it is the loser's again."""
    made, new, old = played.far.made, (90, True, 0), (91, True, 0)
    made.post(name=f"Анна {played.last(old)}", phone=played.phone(old, 0), message="Нужен забор")
    played.later()
    made.post(name=f"Анна {played.last(new)}", phone=played.phone(new, 0), message="Нужен забор")
    made.hub.flow.drain()
    for who in (new, old):
        played.ids[who] = made.row(match_key, value=played.phone(who, 0)).contact_id
    played.cards[old] = made.row(link, role="contact", record_id=played.ids[old]).remote_id
    with made.hub.store.write() as conn:
        merge_id = join(conn, Merge("m-only", played.ids[new], played.ids[old], made.hub.clock.now(), "member:m"))
    played.later()
    played.write(old, position="Boss", phones=[*played.shown(old)["phones"], played.phone(old, 1)])
    played.later()
    assert {row.value for row in made.rows(contact_point, contact_id=played.ids[new])} >= {played.phone(old, 1)}
    played.apart(merge_id)
    for _look in range(2):
        played.later()
    played.cards[new] = made.row(link, role="contact", record_id=played.ids[new]).remote_id
    assert played.cards[new] != played.cards[old]
    theirs, ours = played.state(old), played.state(new)
    assert (theirs["points"], theirs["numbers there"]) == (["number 0", "number 1"],) * 2
    assert (theirs["shows"][1], theirs["card"][1]) == ("Boss", "Boss")
    assert (ours["points"], ours["numbers there"], ours["shows"][1]) == (["number 0"], ["number 0"], "")
    made.post(name="Анна", phone=played.phone(old, 1), message="Ещё вопрос")
    made.hub.flow.drain()
    assert "Ещё вопрос" in played.state(old)["said"]
