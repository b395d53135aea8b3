"""What is asked for every batch is found by an index, however much the hub holds by then."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, select
from sqlalchemy import event as engine_event

from hub.funnel.clocks import ON_LEADS
from hub.funnel.hands import LOCKED
from hub.identity.mirror import STRANGE
from hub.intake.book import INQUIRIES, LEADS, OPEN_DEALS, OWNERS
from hub.intake.process import DUE
from hub.model import contact, match_key
from hub.model.base import hub
from hub.store.engine import open_store
from hub.store.lists import among, pair_among
from hub.store.many import add_many
from hub.sync.joiner import ANY_ASKED, REHUNG
from hub.sync.ledger import ANY_DUE, NEXT_DUE, OF_RECORDS, STILL_OURS, THERE
from tests.servers import Stack

BY_INDEX = {
    "ix_event_work_open": DUE,
    "ix_link_due (connection_id=?": ANY_DUE,
    "ix_link_due (connection_id=? AND lane<?": NEXT_DUE,
    "(connection_id=? AND record_id=? AND role=?": OF_RECORDS,
    "(connection_id=? AND remote_kind=? AND remote_id=?": THERE,
    "(id=?": STILL_OURS,
    "ix_lead_contact (contact_id=?": LEADS,
    "ix_deal_contact_id (contact_id=?": OPEN_DEALS,
    "(connection_id=? AND key=?": INQUIRIES,
    "(kind=? AND value=?": OWNERS,
    "mirror_key USING": STRANGE,
    "lead_1 (id=?": LOCKED,
    "ix_deadline_lead (lead_id=?": ON_LEADS,
    "ix_link_cause (connection_id=? AND code=?": ANY_ASKED,
    "link USING INDEX ix_link_cause (connection_id=? AND code=?": REHUNG,
}


@pytest.fixture(scope="module")
def tables() -> Any:
    engine = create_engine("sqlite://")
    hub.create_all(engine)
    with engine.connect() as conn:
        yield conn
    engine.dispose()


@pytest.mark.parametrize("index", BY_INDEX)
def test_is_found_by_its_index(tables: Connection, index: str) -> None:
    asked: list[tuple[str, Any]] = []
    engine_event.listen(tables, "before_cursor_execute", lambda *given: asked.append((given[2], given[3])))
    given = dict.fromkeys(("b_now", "b_lane", "b_size"), 1) | dict.fromkeys(("b_connection", "b_role", "b_lease"), "x")
    tables.execute(BY_INDEX[index], {**given, "wanted": []}).all()
    text, values = asked[-1]
    plan = [str(row[3]) for row in tables.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", values)]
    assert any(index in line for line in plan), plan
    assert not any(line.startswith("SCAN") and "json_each" not in line and index not in line for line in plan), plan


def test_lists_of_any_length_are_one_parameter(stack: Stack) -> None:
    store = open_store(stack.database_url, stack.inbox_url)
    rows = [{"kind": "phone", "value": f"+7{n}", "contact_id": f"c{n}", "seen_at": n} for n in range(3)]
    values = select(match_key.c.value).where(among(match_key.c.value), match_key.c.seen_at < 2)
    pairs = select(match_key.c.value).where(pair_among(match_key.c.kind, match_key.c.value))
    numbers = select(match_key.c.value).where(among(match_key.c.seen_at))
    try:
        with store.write() as conn:
            add_many(conn, contact, [{"id": row["contact_id"], "created_at": 1, "updated_at": 1} for row in rows])
            add_many(conn, match_key, rows)
            many = ["+70", "+72", *(f"none {n}" for n in range(70_000))]
            assert conn.execute(values, {"wanted": many}).scalars().all() == ["+70"]
            assert conn.execute(values, {"wanted": []}).all() == []
            asked = [("phone", "+71"), ("email", "+72"), ("ph'one", '+7"0')]
            assert conn.execute(pairs, {"wanted": asked}).scalars().all() == ["+71"]
            assert conn.execute(numbers, {"wanted": [2]}).scalars().all() == ["+72"]
    finally:
        store.close()
