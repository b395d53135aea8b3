"""What waits for a person: seen safely, put through again, accepted, dismissed."""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Any

import pytest
from sqlalchemy import select, update

from connectors import registry
from hub import setup
from hub.intake import quarantine
from hub.model import connection, event_work, inquiry, journal, lead, link, pull_state
from hub.sync import holder
from hub.sync.causes import MOVES, PASSING
from hub.sync.health import ACTIONS, SETTLED
from hub.web.admin.attention import cause_words
from hub.web.desk.shown import when
from tests.web.world import World, press

SECRET = "right-secret-of-this-form"
BODY = b'{"name": "Nora Feld", "phone": "+1 202 555 0111", "note": "<script>alert(1)</script>"}'


def webhook(world: World, secret: str, check: str = "hmac") -> Any:
    """A webhook connection with this secret; its row."""
    form = {"check": check, "header": "X-Hub-Signature-256", "secret": secret}
    with world.hub.store.write() as conn:
        made = setup.add_connection(
            conn, world.hub.clock, world.hub.vault, registry.source("webhook"), "Site", form, region="US"
        )
        return conn.execute(select(connection).where(connection.c.id == made)).one()


def post(world: World, row: Any, body: bytes = BODY, secret: str = SECRET) -> Any:
    """A signed message to the connection."""
    signature = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    headers = {"X-Hub-Signature-256": signature, "Content-Type": "application/json"}
    answer = world.app.test_client().post(f"/in/{row.token}", data=body, headers=headers)
    world.hub.flow.drain()
    return answer


def work(world: World) -> Any:
    """The newest event's row of work."""
    with world.hub.store.read() as conn:
        return conn.execute(select(event_work).order_by(event_work.c.seq.desc()).limit(1)).one()


def opened(world: World, name: str = "Nora Feld") -> int:
    with world.hub.store.read() as conn:
        return len([row for row in conn.execute(select(lead.c.title)) if row.title.startswith(name)])


def noted(world: World, what: str) -> list[Any]:
    with world.hub.store.read() as conn:
        return list(conn.execute(select(journal).where(journal.c.what == what)))


def test_fixing_the_secret_and_replaying_opens_the_lead(world: World) -> None:
    row = webhook(world, "mistyped")
    assert post(world, row).status_code == 401
    event = work(world)
    assert (event.state, event.code) == ("quarantined", "unverified")
    admin = world.admin
    page = admin.get("/admin/attention").get_data(as_text=True)
    assert "Sender not proven" in page
    assert press(admin, f"/admin/attention/{event.event_id}/replay").status_code == 303
    world.hub.flow.drain()
    assert (work(world).code, opened(world)) == ("unverified", 0), "still the wrong secret"
    press(
        admin, f"/admin/connections/{row.id}", **{"s-check": "hmac", "s-header": "X-Hub-Signature-256"},
        **{"s-algorithm": "sha256", "s-secret": SECRET, "generation": "1", "do": "save", "name": "Site"},
    )  # fmt: skip
    press(admin, "/admin/attention/replay", connection=row.id, cause="unverified")
    world.hub.flow.drain()
    assert (work(world).state, opened(world)) == ("done", 1)
    assert {line.actor for line in noted(world, "replayed")} == {f"member:{world.members['ada']}"}


def test_accepting_an_unverified_message_needs_a_second_yes(world: World) -> None:
    post(world, webhook(world, "mistyped"))
    admin, address = world.admin, f"/admin/attention/{work(world).event_id}/trust"
    press(admin, address)
    world.hub.flow.drain()
    assert (work(world).state, opened(world)) == ("quarantined", 0)
    press(admin, address, sure="yes")
    world.hub.flow.drain()
    assert (work(world).state, opened(world)) == ("done", 1)
    press(admin, address, sure="yes")
    world.hub.flow.drain()
    assert opened(world) == 1, "what is settled is not done twice"
    assert len(noted(world, "trusted")) == 1


def test_a_trusted_message_stays_trusted_when_its_worker_dies(world: World) -> None:
    post(world, webhook(world, "mistyped"))
    press(world.admin, f"/admin/attention/{work(world).event_id}/trust", sure="yes")
    assert world.hub.flow._take("dead worker", 10)
    world.hub.clock.advance(120)  # type: ignore[attr-defined]
    world.hub.flow.drain()
    assert (work(world).state, opened(world)) == ("done", 1)


def test_a_person_whom_the_honeypot_caught_is_rescued(world: World) -> None:
    world.send(name="Lina Orr", phone="+1 202 555 0112", lh_confirm="filled by a password manager")
    world.process()
    event = work(world)
    assert (event.code, opened(world, "Lina Orr")) == ("set_apart", 0)
    press(world.admin, f"/admin/attention/{event.event_id}/trust", sure="yes")
    world.hub.flow.drain()
    assert (work(world).state, opened(world, "Lina Orr")) == ("done", 1)
    with world.hub.store.read() as conn:
        assert len(list(conn.execute(select(inquiry).where(inquiry.c.event_id == event.event_id)))) == 1


def test_a_person_who_looked_like_junk_is_rescued(world: World) -> None:
    """Judged by signs, so judged the same each time: replaying in a mass would lead nowhere, a person's word does."""
    world.send(name="asdfgh", phone="+1 000 000 0000", message="qwerty qwerty asdf")
    world.process()
    event = work(world)
    assert (event.code, opened(world, "asdfgh")) == ("junk", 0)
    causes = world.admin.get("/admin/attention").text
    assert "Looks like a test, an offer or junk" in causes
    assert "Replay all" not in causes
    assert "Accept as an inquiry" in world.admin.get(f"/admin/attention/{event.event_id}").text
    press(world.admin, f"/admin/attention/{event.event_id}/trust", sure="yes")
    world.hub.flow.drain()
    assert (work(world).state, opened(world, "asdfgh")) == ("done", 1)


def test_messages_of_a_connection_that_was_off_come_through(world: World) -> None:
    row = webhook(world, SECRET)
    admin = world.admin
    press(admin, f"/admin/connections/{row.id}/state", state="off")
    assert post(world, row).status_code == 200
    assert (work(world).code, opened(world)) == ("disabled", 0)
    press(admin, "/admin/attention/replay", connection=row.id, cause="disabled")
    world.hub.flow.drain()
    assert opened(world) == 1


def test_replaying_a_cause_leaves_other_causes_and_connections_alone(world: World) -> None:
    one, other = webhook(world, "mistyped"), webhook(world, "mistyped too")
    post(world, one)
    post(world, other, b'{"name": "Other Person"}')
    press(world.admin, "/admin/attention/replay", connection=one.id, cause="unverified")
    with world.hub.store.read() as conn:
        states = {row.connection_id: row.state for row in conn.execute(select(event_work)) if row.code != ""
                  or row.state == "waiting"}  # fmt: skip
    assert (states[one.id], states[other.id]) == ("waiting", "quarantined")


def test_dismissed_is_off_the_list_and_still_stored(world: World) -> None:
    post(world, webhook(world, "mistyped"))
    admin, event = world.admin, work(world).event_id
    press(admin, f"/admin/attention/{event}/dismiss")
    assert event not in admin.get("/admin/attention").get_data(as_text=True)
    page = admin.get(f"/admin/attention/{event}").get_data(as_text=True)
    assert "Nora Feld" in page
    assert noted(world, "dismissed")


# ── what is shown ────────────────────────────────────────────────────────────────────────────────

PAYLOADS = (
    b"<script>alert(1)</script>", b'"><img src=x onerror=alert(1)>', b"{{ 7*7 }}", b"</pre><svg onload=alert(1)>",
    "＜script＞ \u2028 ‮txt".encode(), b"\xff\xfe\x00<script>", b"a" * 100_000, b"\x00",
)  # fmt: skip


def test_a_raw_message_is_text_whatever_it_holds(world: World) -> None:
    row, admin = webhook(world, "mistyped"), world.admin
    for payload in PAYLOADS:
        post(world, row, payload)
        answer = admin.get(f"/admin/attention/{work(world).event_id}")
        page = answer.get_data(as_text=True)
        assert answer.status_code == 200
        assert not re.search(r"<script>|<svg onload|<img src=x|>49<", page)
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'self';")
        assert "unsafe" not in answer.headers["Content-Security-Policy"]


def test_secrets_of_headers_and_bodies_are_hidden(world: World) -> None:
    row = webhook(world, SECRET)
    body = b"name=Nora&secret=" + SECRET.encode() + b"&note=kept"
    headers = {"X-Hub-Signature-256": "sha256=abc", "X-Api-Key": "key-of-somebody", "X-Plain": SECRET,
               "X-Kept": "shown", "Content-Type": "application/x-www-form-urlencoded"}  # fmt: skip
    world.app.test_client().post(f"/in/{row.token}?token=in-the-address", data=body, headers=headers)
    world.hub.flow.drain()
    page = world.admin.get(f"/admin/attention/{work(world).event_id}").get_data(as_text=True)
    for secret in (SECRET, "sha256=abc", "key-of-somebody", "in-the-address", row.token):
        assert secret not in page
    assert "x-kept: shown" in page
    assert "note=kept" in page


@pytest.mark.parametrize(
    "query", ["page=-1", "page=1e9", "page='", "page=999999999999999999", "connection=nobody", "cause='%22><b>", "x=y"]
)
def test_odd_parameters_show_a_page(still: World, query: str) -> None:
    assert still.admin.get(f"/admin/attention?{query}").status_code == 200


def test_the_list_has_pages(world: World) -> None:
    with world.hub.store.write() as conn:
        conn.execute(event_work.insert(), [
            {"event_id": world.hub.clock.new_id(), "seq": 1000 + n, "connection_id": world.form, "state": "parked",
             "code": "unreadable", "why": f"reason {n}", "at": 1_770_000_000_000 + n, "attempts": 1}
            for n in range(60)
        ])  # fmt: skip
    admin = world.admin
    first = admin.get("/admin/attention").get_data(as_text=True)
    second = admin.get("/admin/attention?page=2").get_data(as_text=True)
    assert "reason 59<" in first
    assert "reason 9<" not in first
    assert "reason 9<" in second
    assert "page=2" in first
    assert "page=3" not in second


# ── records a CRM does not take ──────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("state", "remote", "then"),
    [("parked", None, "new"), ("parked", "7", "linked"), ("held", None, "uncertain"), ("held", "8", "linked")],
)
def test_a_stuck_record_is_sent_again(world: World, state: str, remote: str | None, then: str) -> None:
    link_id, lead_id = world.hub.clock.new_id(), world.leads["Ivan Petrov"]
    with world.hub.store.write() as conn:
        conn.execute(link.insert().values(
            id=link_id, connection_id="crm", role="lead", record_id=lead_id, remote_kind="leads", remote_id=remote,
            state=state, code="refuse", why="Bad <b>field</b>", since=1_770_000_000_000, dirty=0, attempts=8,
        ))  # fmt: skip
    admin = world.admin
    page = admin.get("/admin/attention").get_data(as_text=True)
    assert "Bad &lt;b&gt;field&lt;/b&gt;" in page
    press(admin, f"/admin/attention/links/{link_id}")
    press(admin, f"/admin/attention/links/{link_id}")
    with world.hub.store.read() as conn:
        row = conn.execute(select(link).where(link.c.id == link_id)).one()
    assert (row.state, row.dirty, row.attempts, row.code) == (then, 1, 0, "")
    assert len(noted(world, "tried_again")) == 1


def test_values_a_crm_did_not_take_are_sent_again(world: World) -> None:
    form = {"address": "https://acme.test/x", "token": "t"}
    base = {"title": "Windows", "@refused": {"name": ["Windows", "too long"]}}
    with world.hub.store.write() as conn:
        made = setup.add_connection(conn, world.hub.clock, world.hub.vault, registry.crm("amocrm"), "Our CRM", form)
        for state, ref in (("linked", "7"), ("tombstoned", "8")):
            conn.execute(link.insert().values(
                id=world.hub.clock.new_id(), connection_id=made, role="lead", record_id=ref, remote_kind="leads",
                remote_id=ref, state=state, code="left_out", why="name: too long", since=1, dirty=0, base=base,
            ))  # fmt: skip
    admin = world.admin
    assert "Send them again" in admin.get("/admin/attention").get_data(as_text=True)
    press(admin, f"/admin/attention/values/{made}")
    assert "1 record is sent again" in admin.get("/admin/attention").get_data(as_text=True)
    with world.hub.store.read() as conn:
        rows = {row.remote_id: (row.dirty, row.base) for row in conn.execute(select(link))}
    assert rows == {"7": (1, {"title": "Windows"}), "8": (0, base)}


def test_moves_that_were_not_possible_are_looked_at_again(world: World) -> None:
    form = {"address": "https://acme.test/x", "token": "t"}
    raw = {"name": "Windows", "@place": ["1", "2"], "@person": "5"}
    with world.hub.store.write() as conn:
        made = setup.add_connection(conn, world.hub.clock, world.hub.vault, registry.crm("amocrm"), "Our CRM", form)
        for ref, code, why in (("7", "has_open_lead", holder.WHY), ("8", "has_open_lead", ""), ("9", "conflict", "")):
            conn.execute(link.insert().values(
                id=world.hub.clock.new_id(), connection_id=made, role="lead", record_id=ref, remote_kind="leads",
                remote_id=ref, state="linked", code=code, why=why, since=1, dirty=0, raw=raw,
            ))  # fmt: skip
    press(world.admin, f"/admin/attention/moves/{made}/has_open_lead")
    assert "2 records are looked at again" in world.admin.get("/admin/attention").get_data(as_text=True)
    with world.hub.store.read() as conn:
        rows = {row.remote_id: (row.dirty, sorted(row.raw)) for row in conn.execute(select(link))}
    assert rows == {"7": (1, ["@place", "name"]), "8": (1, ["@person", "name"]), "9": (0, sorted(raw))}
    press(world.admin, f"/admin/attention/moves/{made}/conflict")
    assert "This was settled already" in world.admin.get("/admin/attention").get_data(as_text=True)


def test_every_cause_of_the_sync_has_words_and_something_to_do(world: World) -> None:
    shown = {*ACTIONS, *PASSING, *MOVES} - {"", *SETTLED}
    with world.app.test_request_context():
        known = cause_words()
    assert sorted(shown - known.keys()) == []
    assert all(name and what for name, what in known.values())


def test_how_many_wait_stands_in_the_menu(world: World) -> None:
    post(world, webhook(world, "mistyped"))
    assert re.search(r'Attention <span class="count">1<', world.admin.get("/admin/team").get_data(as_text=True))


def test_how_late_a_crm_is_read_stands_beside_its_name(world: World) -> None:
    now, form = world.hub.clock.now(), {"address": "https://acme.test/x", "token": "t"}
    with world.hub.store.write() as conn:
        made = setup.add_connection(conn, world.hub.clock, world.hub.vault, registry.crm("amocrm"), "Our CRM", form)
        placed = {"placement": {"strategy": "two_blocks", "rows": []}}
        conn.execute(update(connection).where(connection.c.id == made).values(config=placed))
        conn.execute(pull_state.insert(), [
            {"connection_id": made, "kind": kind, "cursor": "", "due_at": now + 20_000, "read_at": now - 10_000}
            for kind in ("contacts", "leads")
        ])  # fmt: skip
    page = world.admin.get("/admin/attention").get_data(as_text=True)
    with world.app.test_request_context():
        shown = when(now - 10_000)
    assert re.search(rf'data-th="Read up to">{re.escape(shown)}</td>', page)
    assert "late: what people do there" not in page
    world.hub.clock.advance(600)  # type: ignore[attr-defined]
    assert "late: what people do there" in world.admin.get("/admin/attention").get_data(as_text=True)


def test_the_queries_use_their_indexes(world: World) -> None:
    with world.hub.store.read() as conn:
        for query in ("state IN ('parked','quarantined') ORDER BY at DESC LIMIT 50",):
            plan = conn.exec_driver_sql(f"EXPLAIN QUERY PLAN SELECT * FROM event_work WHERE {query}").all()
            assert "ix_event_work_attention" in str(plan)
        plan = conn.exec_driver_sql(
            "EXPLAIN QUERY PLAN SELECT * FROM link WHERE state IN ('parked','held') ORDER BY since DESC LIMIT 50"
        ).all()
        assert "ix_link_stuck" in str(plan)


def test_only_what_waits_is_replayed(world: World) -> None:
    with world.hub.store.write() as conn:
        conn.execute(update(event_work).values(code="unverified"))
        assert quarantine.replay_cause(conn, world.hub.clock, "member:x", world.form, "unverified") == 0
