"""People who were taken for one and are two again: whatever came meanwhile, in whatever order merges are undone, both
are as if nobody had ever merged them."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import pytest

from hub.identity.merging import CannotMerge, Merge, undo
from hub.identity.review import join
from hub.model import contact, contact_point, inquiry, journal, lead, link, match_key, merge_log
from tests.whole import JSON, Whole, whole_hub

SCHEDULES = 200 if os.environ.get("LEADHUB_CAMPAIGN") == "full" else 6
PEOPLE = ("Анна Серова", "Борис Котов", "Вера Лапина", "Глеб Зимин")
PEOPLE_KNOWN = 4
STEPS = 14


def script(seed: int) -> list[tuple[Any, ...]]:
    """Everybody comes once; then arrivals, merges and undos at random."""
    chance = random.Random(seed)
    steps: list[tuple[Any, ...]] = [("come", who, ["phone", "email"]) for who in range(PEOPLE_KNOWN)]
    for number in range(STEPS):
        who = chance.randrange(PEOPLE_KNOWN)
        steps.append(
            chance.choice(
                [
                    ("come", who, ["phone"]),
                    ("come", who, ["email"]),
                    ("more", who, number),
                    ("merge", who, chance.randrange(PEOPLE_KNOWN)),
                    ("merge", who, chance.randrange(PEOPLE_KNOWN)),
                    ("undo", chance.random()),
                ]
            )
        )
    return steps


class Play:
    """A script on a hub, with merges or without."""

    def __init__(self, whole: Whole, merging: bool) -> None:
        self.whole, self.merging = whole, merging
        self.live = whole.connect("webhook")
        self.crm = whole.connect("amocrm", kind="crm", address="http://127.0.0.1:1", token="t")
        self.said = 0

    def play(self, steps: list[tuple[Any, ...]], chance: random.Random) -> None:
        for step in steps:
            self.whole.clock.advance(60)
            getattr(self, step[0])(*step[1:])
        while self.open():
            self.undo(chance.random())

    def come(self, who: int, by: list[str], **more: str) -> None:
        known = {"phone": f"+7916123450{who}", "email": f"person-{who}@pochta.test"}
        self.said += 1
        told = {"name": PEOPLE[who], "message": f"{who}: {self.said}", **{name: known[name] for name in by}, **more}
        assert self.whole.post(self.live, json.dumps(told), JSON).status_code == 200
        self.whole.flow()

    def more(self, who: int, number: int) -> None:
        """They name one more number."""
        self.come(who, ["email"], phone=f"+79031110{number:03}")

    def merge(self, one: int, other: int) -> None:
        if not self.merging:
            return
        a, b = self.contact(one), self.contact(other)
        clock = self.whole.hub.clock
        with self.whole.hub.store.write() as conn:
            try:
                join(conn, Merge(clock.new_id(), a, b, clock.now(), "member:m"))
            except CannotMerge:
                return

    def contact(self, who: int) -> str:
        """The living contact that has this person's number now."""
        (row,) = self.whole.rows(match_key, match_key.c.value == f"+7916123450{who}")
        return str(row.contact_id)

    def open(self) -> list[Any]:
        return [row for row in self.whole.rows(merge_log) if row.undone_at is None]

    def undo(self, chance: float) -> None:
        """One of the merges that may be undone now."""
        left = self.open()
        random.Random(chance).shuffle(left)
        for row in left:
            try:
                with self.whole.hub.store.write() as conn:
                    undo(conn, row.id, "member:m", self.whole.hub.clock.now())
            except CannotMerge:
                continue
            return

    def state(self) -> dict[str, Any]:
        """Everything, by the person and without ids."""
        whole, inquiries = self.whole, self.whole.rows(inquiry)
        name = {row.contact_id: row.text.partition(":")[0] for row in inquiries}
        leads = {row.id: row for row in whole.rows(lead)}
        lines = [row for row in whole.rows(journal) if row.subject == "lead"]
        return {
            "people": sorted((name.get(row.id, "?"), row.name, row.merged_into) for row in whole.rows(contact)),
            "points": sorted((name[row.contact_id], row.kind, row.value) for row in whole.rows(contact_point)),
            "keys": sorted((name[row.contact_id], row.kind, row.value) for row in whole.rows(match_key)),
            "said": sorted((name[row.contact_id], row.text) for row in inquiries),
            "leads": sorted(
                (name[row.contact_id], row.state, row.reason, row.inquiries, row.active_at) for row in leads.values()
            ),
            "joined": sorted((name[leads[row.lead_id].contact_id], row.text) for row in inquiries if row.lead_id),
            "timeline": sorted((name[leads[row.subject_id].contact_id], row.what, row.at) for row in lines),
            "links": sorted(
                (name[leads[row.record_id].contact_id if row.role == "lead" else row.record_id], row.role, row.state)
                for row in whole.rows(link)
            ),
        }


@pytest.mark.parametrize("seed", range(SCHEDULES))
def test_undone_in_any_order_they_are_as_if_never_merged(seed: int, tmp_path: Path) -> None:
    states, undone = [], 0
    for merging in (True, False):
        with whole_hub(tmp_path / str(merging)) as whole:
            play = Play(whole, merging)
            play.play(script(seed), random.Random(seed))
            states.append(play.state())
            undone += len(whole.rows(merge_log))
    assert undone, "nothing was merged: the schedule proves nothing"
    assert states[0] == states[1]
