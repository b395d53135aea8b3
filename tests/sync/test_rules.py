"""Rules that need a scene of their own: another account, a lost answer, a mass, a poison, a first match, an undo."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from sqlalchemy import select, update

from connectors.contract import Account
from connectors.errors import Unreadable
from hub.clock import HOUR
from hub.model import audit_run, connection, contact, deal, journal, lead, link, pull_state
from hub.store.notes import mark_dirty
from hub.sync.audit import Auditor
from hub.sync.decide import asked, begin_anew, believe_gone, migrate, settle
from hub.sync.health import health
from hub.sync.match import preview, welcome_all
from hub.sync.undo import Undo, runs
from tests.sync.scenes import Scene, card, configure, leads, links, retitle, settled, world_rows
from tests.sync.switches import SWITCHES
from tests.sync.world import CRM_ID, Worker, World

# ── scenes in which one broken rule shows ────────────────────────────────────────────────────────


def reconnected(world: World) -> None:
    """New credentials were entered, and they open another account, in which the same ids are other people's cards."""
    world.crm.check = lambda: Account("Other", "fake-2")  # type: ignore[method-assign]
    with world.store.write() as conn:
        conn.execute(update(connection).where(connection.c.id == CRM_ID).values(generation=2))
    world.accounts._connections.forget()
    retitle(world, world_rows(world, lead)[0].id, "For our account only")


def another_account(scene: Scene) -> bool:
    """Credentials change hands: nothing of ours is written where they lead."""
    world = scene()
    leads(world)
    reconnected(world)
    before = world.crm.writes
    settled(world)
    return world.crm.writes == before


def answer_lost_between_two_edits(scene: Scene) -> bool:
    """Our first write arrives, its answer does not; a person here edits again: the second edit stays."""
    world = scene()
    (lead_id,) = leads(world)
    world.crm.fault = lambda call: "after" if call == "write" else ""
    retitle(world, lead_id, "First")
    world.pusher.drain(CRM_ID)
    world.crm.fault = lambda call: ""
    retitle(world, lead_id, "Second")
    settled(world, 5)
    return card(world).values["title"] == world_rows(world, lead)[0].title == "Second"


def index_behind(scene: Scene) -> bool:
    """A create whose answer was lost stands in no index for a while: it is made once all the same."""
    world = scene("no_bin")
    with world.store.write() as conn:
        world.new_lead(conn)
    world.crm.fault = lambda call: "after" if call == "write" else ""
    world.pusher.drain(CRM_ID)
    world.crm.fault = lambda call: ""
    for _look in range(8):
        world.clock.advance(6)
        world.pusher.drain(CRM_ID)
    settled(world)
    return len(world.crm.live("people")) == 1 == len(world.crm.live("cards"))


def half_a_batch(scene: Scene) -> bool:
    """Of a batch every second answer is lost: each lead has its own card, once."""
    world = scene()
    with world.store.write() as conn:
        for _lead in range(3):
            world.new_lead(conn)
    world.crm.fault = lambda call: "partial" if call == "write" else ""
    world.pusher.drain(CRM_ID)
    world.crm.fault = lambda call: ""
    settled(world, 6)
    marks = {row.ref: row.marker for row in world.crm.live("cards")}
    return {row.record_id: marks.get(row.remote_id) for row in links(world)} == {m: m for m in marks.values()}


def page_from_before(scene: Scene) -> bool:
    """A page is read, then we write the record, then the page is applied: what we wrote stays."""
    world = scene()
    (lead_id,) = leads(world)
    world.crm.edit(card(world), currency_of="x")
    world.clock.advance(40)
    real = world.crm.changes

    def slow(kind: str, cursor: str) -> Any:
        page = real(kind, cursor)
        if kind == "cards" and page.records:
            world.crm.changes = real  # type: ignore[method-assign]
            retitle(world, lead_id, "Written meanwhile")
            world.pusher.drain(CRM_ID)
        return page

    world.crm.changes = slow  # type: ignore[method-assign]
    world.puller.step(CRM_ID)
    return world_rows(world, lead)[0].title == "Written meanwhile"


def frozen_worker(scene: Scene) -> bool:
    """A worker is frozen in a call until its lease ends and another one took over: its late answer counts nothing."""
    world = scene()
    with world.store.write() as conn:
        world.new_lead(conn)
    real = world.crm.write

    def frozen(ops: Any) -> Any:
        world.crm.write = real  # type: ignore[method-assign]
        outcomes = real(ops)
        world.clock.advance(200)
        world.pusher.drain(CRM_ID)
        return outcomes

    world.crm.write = frozen  # type: ignore[method-assign]
    world.pusher.drain(CRM_ID)
    return links(world)[0].state == "uncertain"


def taken_over(scene: Scene) -> bool:
    """The same, watched: a worker comes back after another one has done its work, and writes nothing."""
    world = scene()
    with world.store.write() as conn:
        world.new_lead(conn)
    world.calm = False
    late, quick = hired(world, "late"), hired(world, "quick")
    while late.at != "write>":
        world.run_on(late)
    world.clock.advance(200)
    for worker in (quick, late):
        while worker in world.workers:
            world.run_on(worker)
    world.calm = True
    return world.store.__dict__["fence"].wrong == []


def hired(world: World, name: str) -> Worker:
    world.hire(name, lambda: world.pusher.drain(CRM_ID))
    return world.workers[-1]


def poison_in_a_batch(scene: Scene) -> bool:
    """One record breaks every call it is part of: its neighbours are written in the same step, and it says why."""
    world = scene()
    ids = leads(world, 3)
    poison = links(world)[1]
    world.crm.poison.add(poison.remote_id)
    for one in ids:
        retitle(world, one, "Fine")
    world.pusher.drain(CRM_ID)
    written = [one.values["title"] for one in world.crm.live("cards")].count("Fine") == 2
    (row,) = world_rows(world, link, id=poison.id)
    return written and bool(row.code and row.why)


def mass_at_once(scene: Scene) -> bool:
    """One batch holds more changes than an hour may have: those that may go do, and the others wait."""
    world = scene(brake=5)
    for one in leads(world, 9):
        retitle(world, one, "Mass")
    world.pusher.drain(CRM_ID)
    return [one.values["title"] for one in world.crm.live("cards")].count("Mass") == 5


def cause_behind_a_lost_answer(scene: Scene) -> bool:
    """A card stands where its deal cannot follow, and then an answer is lost: why it stands apart is still told."""
    world = scene()
    made = world.crm.make("cards", {"title": "Theirs", "pipeline": "p", "stage": "deal-in_work"})
    settled(world)
    world.crm.edit(made, stage="lead-warm")
    settled(world)
    world.crm.fault = lambda call: "after" if call == "write" else ""
    with world.store.write() as conn:
        conn.execute(update(deal).values(currency="EUR"))
        mark_dirty(conn, world.clock, list(conn.execute(select(deal.c.id)).scalars()))
    world.pusher.drain(CRM_ID)
    world.crm.fault = lambda call: ""
    settled(world)
    return links(world, "deal")[0].code == "no_lead"


SCENES: Mapping[str, Callable[[Scene], bool]] = {
    "A4": answer_lost_between_two_edits, "A16": another_account, "A17": frozen_worker, "A18": index_behind,
    "A19": half_a_batch, "A20": page_from_before, "I13": taken_over, "I15": poison_in_a_batch,
    "I20": cause_behind_a_lost_answer, "brake": mass_at_once,
}  # fmt: skip


@pytest.mark.parametrize("rule", SCENES)
def test_the_rule_holds_in_its_scene(rule: str, scene: Scene) -> None:
    assert SCENES[rule](scene)


@pytest.mark.parametrize("rule", SCENES)
def test_a_broken_rule_is_caught_in_its_scene(rule: str, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    SWITCHES[rule](monkeypatch)
    assert not SCENES[rule](scene), f"{rule} can be lost without anybody noticing"


# ── A16: somebody else's account ─────────────────────────────────────────────────────────────────


def test_another_account_stops_the_connection_and_says_what_to_do(scene: Scene) -> None:
    world = scene()
    leads(world)
    reconnected(world)
    settled(world)
    (row,) = world_rows(world, connection, id=CRM_ID)
    assert row.state == "paused"
    assert "Other" in row.why
    assert "reconnect" in row.why


def test_the_same_account_with_new_credentials_goes_on(scene: Scene) -> None:
    world = scene()
    (lead_id,) = leads(world)
    with world.store.write() as conn:
        conn.execute(update(connection).where(connection.c.id == CRM_ID).values(generation=2))
    world.accounts._connections.forget()
    retitle(world, lead_id, "Still ours")
    settled(world)
    assert card(world).values["title"] == "Still ours"


def test_after_a_migration_each_record_is_looked_for_and_none_is_made_twice(scene: Scene) -> None:
    world = scene()
    leads(world, 3)
    count = len(world.crm.rows)
    placement = world_rows(world, connection, id=CRM_ID)[0].config["placement"]
    with world.store.write() as conn:
        assert migrate(conn, world.clock, "member:v", CRM_ID) == 6
    configure(world, placement=placement)
    settled(world, 5)
    assert len(world.crm.rows) == count
    assert {row.state for row in links(world)} == {"linked"}


def test_beginning_anew_forgets_every_link(scene: Scene) -> None:
    world = scene()
    leads(world, 2)
    with world.store.write() as conn:
        assert begin_anew(conn, world.clock, "member:v", CRM_ID) == 4
    assert links(world) == []
    assert "placement" not in world_rows(world, connection, id=CRM_ID)[0].config


# ── A9: masses ───────────────────────────────────────────────────────────────────────────────────


def delete(world: World, count: int) -> None:
    for row in world.crm.live("cards")[:count]:
        row.deleted = True
        world.crm.touch(row)


def test_deletions_that_trickle_in_are_a_mass_too(scene: Scene) -> None:
    world = scene()
    leads(world, 30)
    for _batch in range(8):
        delete(world, 2)
        settled(world, 1)
    states = [row.state for row in links(world)]
    assert states.count("tombstoned") <= 10
    assert states.count("held") >= 6


def test_an_hour_later_some_more_are_believed(scene: Scene) -> None:
    world = scene()
    leads(world, 30)
    delete(world, 8)
    settled(world)
    world.clock.advance(3700)
    delete(world, 8)
    settled(world)
    assert [row.state for row in links(world)].count("tombstoned") == 16


def test_a_small_account_that_vanished_altogether_is_not_believed(scene: Scene) -> None:
    """Fewer than ten records, and a token that sees nothing any more."""
    world = scene("no_bin")
    ids = leads(world, 4)
    hidden, world.crm.rows = world.crm.rows, {}
    for one in ids:
        retitle(world, one, "Seen by nobody")
    world.clock.advance(40)
    world.pusher.step(CRM_ID, size=1)
    assert {row.state for row in links(world)} <= {"linked", "held"}
    world.crm.rows = hidden


def test_a_mass_that_was_meant_is_confirmed(scene: Scene) -> None:
    world = scene()
    leads(world, 20)
    delete(world, 15)
    settled(world)
    with world.store.write() as conn:
        count = believe_gone(conn, world.clock, "member:v", CRM_ID)
    assert 5 <= count < 15, "the first few were believed before it looked like a mass"
    assert [row.code for row in links(world)].count("deleted_in_crm") == 15
    settled(world)
    assert len(world.crm.live("cards")) == 5


# ── A10: merges ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("profile", ["two_blocks", "no_bin"], ids=["named in the list", "answered by the other id"])
def test_of_two_merged_cards_one_link_stays_and_the_other_says_why(scene: Scene, profile: str) -> None:
    world = scene(profile)
    _one, other = leads(world, 2)
    winner, loser = world.crm.live("cards")
    world.crm.merge_rows(winner, loser)
    retitle(world, other, "Unsaid")
    settled(world)
    states = {row.remote_id: (row.state, row.code) for row in links(world)}
    assert states == {winner.ref: ("linked", ""), loser.ref: ("tombstoned", "merged_in_crm")}
    told = world_rows(world, journal, what="unsaid")
    assert [row.facts["values"].get("title") for row in told] == ["Unsaid"]


def test_a_card_merged_into_a_stranger_takes_its_link_along(scene: Scene) -> None:
    world = scene(strangers="")
    leads(world)
    mine = card(world)
    stranger = world.crm.make("cards", {**mine.values, "title": "Theirs"})
    world.crm.merge_rows(stranger, mine)
    settled(world)
    assert [(row.remote_id, row.state) for row in links(world)] == [(stranger.ref, "linked")]
    assert world_rows(world, lead)[0].title == "Theirs"


# ── A15: two bases meet ──────────────────────────────────────────────────────────────────────────


def existing(world: World) -> None:
    """Cards of people we know, of people we do not, of one person twice, on stages of nobody."""
    place = {"pipeline": "p", "stage": "lead-warm"}
    for number, name in enumerate(("Ann", "Ben", "Cy")):
        person = world.crm.make("people", {"name": name})
        for card_number in range(1 + (number == 2)):
            world.crm.make("cards", {"title": f"{name} {card_number}", **place}, links={"people": (person.ref,)})
    world.crm.make("cards", {"title": "Elsewhere", "pipeline": "p", "stage": "unknown"})
    world.crm.make("cards", {"title": "Won long ago", "pipeline": "p", "stage": "W"})


def test_what_the_preview_counts_is_what_happens(scene: Scene) -> None:
    world = scene(strangers="")
    existing(world)
    settled(world)
    assert not links(world), "nothing is imported before somebody asks for it"
    told = preview(world.store, world.clock, world.account)
    assert (told.counts["create"], told.counts["ambiguous"], told.counts["outside"]) == (4, 1, 1)
    assert not world_rows(world, lead)
    welcome_all(world.store, world.clock, world.account, "member:v")
    world.accounts._connections.forget()
    settled(world)
    made = [row for row in world_rows(world, link) if row.role != "contact"]
    assert [row.state for row in made].count("linked") == told.counts["create"]
    assert [row.code for row in made].count("ambiguous") == told.counts["ambiguous"]
    again = preview(world.store, world.clock, world.account)
    assert (again.counts["create"], again.counts["known"]) == (0, 5)


def test_an_imported_card_keeps_what_stood_there_and_learns_the_hubs_id(scene: Scene) -> None:
    world = scene()
    existing(world)
    settled(world)
    rows = {row.title: row for row in world_rows(world, lead)}
    assert (rows["Ann 0"].stage, rows["Ann 0"].owner_id) == ("warm", "vera")
    assert {row.title for row in world_rows(world, deal)} == {"Won long ago"}
    people = {row.values["name"]: row.values.get("HUB_REF") for row in world.crm.live("people")}
    assert all(people.values())
    assert {row.id for row in world_rows(world, contact)} >= set(people.values())


# ── undo, brake, audit ───────────────────────────────────────────────────────────────────────────


def test_a_run_is_undone_where_nobody_touched_it_since(scene: Scene) -> None:
    world = scene()
    first, second = leads(world, 2)
    titles = {row.id: row.title for row in world_rows(world, lead)}
    for number, one in enumerate(world.crm.live("cards")):
        world.crm.edit(one, title=f"Robot {number}")
    world.clock.advance(40)
    world.puller.step(CRM_ID)
    assert {row.title for row in world_rows(world, lead)} == {"Robot 0", "Robot 1"}
    retitle(world, second, "Touched since")
    with world.store.read() as conn:
        (run,) = [one for one in runs(conn, CRM_ID) if one.here]
    told = Undo(world.store, world.clock, world.accounts).undo(run.id, "member:v")
    assert (len(told.done), len(told.left)) == (1, 1)
    assert "changed since" in told.left[0]
    settled(world)
    after = {row.id: row.title for row in world_rows(world, lead)}
    assert after == {first: titles[first], second: "Touched since"}
    assert {one.values["title"] for one in world.crm.live("cards")} == set(after.values())


def test_more_changes_than_allowed_stop_the_connection(scene: Scene) -> None:
    world = scene(brake=5)
    ids = leads(world, 12)
    for one in ids:
        retitle(world, one, "Mass")
    world.clock.advance(1)
    while world.pusher.step(CRM_ID, size=4):
        pass
    (row,) = world_rows(world, connection, id=CRM_ID)
    assert row.state == "paused"
    assert "5 are allowed" in row.why
    assert [one.values["title"] for one in world.crm.live("cards")].count("Mass") == 5


def test_the_audit_repairs_what_nobody_saw(scene: Scene) -> None:
    world = scene()
    leads(world, 3)
    one = card(world)
    one.values["title"] = "Changed behind everybody's back"  # no change time, no hook
    auditor = Auditor(world.store, world.clock, world.accounts, world.puller)
    world.clock.advance(300)
    assert auditor.run(CRM_ID) == "1 differences on 6 records"
    assert "Changed behind everybody's back" in {row.title for row in world_rows(world, lead)}
    world.clock.advance(300)
    assert auditor.run(CRM_ID) == "0 differences on 6 records"
    assert [row.repaired for row in world_rows(world, audit_run)] == [1, 0]


def test_the_audit_finds_what_was_deleted_without_a_trace(scene: Scene) -> None:
    world = scene("no_bin")
    leads(world, 3)
    card(world).deleted = True
    settled(world)
    assert {row.state for row in links(world)} == {"linked"}
    world.clock.advance(300)
    Auditor(world.store, world.clock, world.accounts, world.puller).run(CRM_ID)
    assert sorted(row.state for row in links(world)) == ["linked", "linked", "tombstoned"]


def test_the_nightly_audit_goes_by_steps_and_once_a_day(scene: Scene) -> None:
    world = scene(audit_s=86_400)
    leads(world)
    auditor = Auditor(world.store, world.clock, world.accounts, world.puller)
    world.clock.advance(86_400)
    assert auditor.step(CRM_ID) == 2
    assert auditor.step(CRM_ID) == 0
    world.clock.advance(86_400)
    assert auditor.step(CRM_ID) == 2


# ── what always fails ────────────────────────────────────────────────────────────────────────────


def test_a_record_that_breaks_every_write_parks_and_delays_nobody(scene: Scene) -> None:
    world = scene()
    ids = leads(world, 6)
    poison = links(world)[2]
    world.crm.poison.add(poison.remote_id)
    for one in ids:
        retitle(world, one, "Fine")
    world.pusher.drain(CRM_ID)
    world.clock.advance(200)
    for _try in range(3):
        world.clock.advance(60)
        world.pusher.drain(CRM_ID)
    assert [one.values["title"] for one in world.crm.live("cards")].count("Fine") == 5
    for _try in range(10):
        world.clock.advance(11 * HOUR / 1000)
        world.pusher.drain(CRM_ID)
    (row,) = world_rows(world, link, id=poison.id)
    assert (row.state, bool(row.code), bool(row.why)) == ("parked", True, True)


def test_a_record_that_breaks_its_reader_is_shown_and_the_rest_is_read(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = scene()
    leads(world, 4)
    bad = card(world, 1)
    real = type(world.account).seen

    def breaking(self: Any, record: Any, role: str) -> Any:
        if record.ref == bad.ref:
            raise RecursionError
        return real(self, record, role)

    monkeypatch.setattr(type(world.account), "seen", breaking)
    for one in world.crm.live("cards"):
        world.crm.edit(one, title=f"T{one.ref}")
    settled(world)
    assert [row.title for row in world_rows(world, lead)].count(f"T{bad.ref}") == 0
    assert len({row.title for row in world_rows(world, lead)} & {f"T{one.ref}" for one in world.crm.live("cards")}) == 3
    (row,) = world_rows(world, link, remote_id=bad.ref, role="lead")
    assert row.code == "unreadable"


def test_a_kind_whose_list_cannot_be_read_stops_no_other(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    world = scene()
    leads(world)
    real = world.crm.changes

    def half(kind: str, cursor: str) -> Any:
        if kind == "people":
            raise Unreadable("a page of HTML")
        return real(kind, cursor)

    monkeypatch.setattr(world.crm, "changes", half)
    world.crm.edit(card(world), title="Still read")
    settled(world)
    assert world_rows(world, lead)[0].title == "Still read"
    (row,) = world_rows(world, pull_state, kind="people")
    assert (row.code, row.why) == ("unreadable", "a page of HTML")
    with world.store.read() as conn:
        (found,) = health(conn)
    assert [one.code for one in found.troubles] == ["unreadable"]


# ── asking ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("side", "final"), [("hub", "here"), ("crm", "there")])
def test_a_person_settles_what_both_sides_changed(scene: Scene, side: str, final: str) -> None:
    world = scene()
    leads(world)
    (person,) = world.crm.live("people")
    (mine,) = world_rows(world, contact)
    world.crm.edit(person, language="there")
    with world.store.write() as conn:
        conn.execute(update(contact).values(language="here"))
        mark_dirty(conn, world.clock, [mine.id])
    settled(world)
    with world.store.read() as conn:
        (question,) = asked(conn, 10)
    assert (question.field, question.here, question.there) == ("language", "here", "there")
    assert len(world_rows(world, journal, what="conflict")) == 1, "told once, however often it is looked at"
    with world.store.write() as conn:
        assert settle(conn, world.clock, "member:v", question.link_id, "language", side)
        assert not settle(conn, world.clock, "member:v", question.link_id, "language", side)
    settled(world)
    assert world_rows(world, contact)[0].language == person.values["language"] == final
    with world.store.read() as conn:
        assert asked(conn, 10) == []


@pytest.mark.parametrize(("hub_later", "final"), [(True, "here"), (False, "there")])
def test_the_later_edit_wins_beyond_the_doubt_of_two_clocks(scene: Scene, hub_later: bool, final: str) -> None:
    world = scene()
    leads(world)
    (person,), (mine,) = world.crm.live("people"), world_rows(world, contact)

    def here() -> None:
        with world.store.write() as conn:
            conn.execute(update(contact).values(position="here"))
            mark_dirty(conn, world.clock, [mine.id])

    first, second = (lambda: world.crm.edit(person, position="there"), here)
    for act in (first, second) if hub_later else (second, first):
        act()
        world.clock.advance(60)
    settled(world)
    assert world_rows(world, contact)[0].position == person.values["position"] == final
