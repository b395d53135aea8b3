"""Zoho CRM over messages captured elsewhere. They stay outside the repository; without them this is skipped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from connectors.contract import Done, Evidence, Failed, Hint, Op, Raw
from connectors.crms.zoho import Zoho
from connectors.crms.zoho.shape import DEALS, LEADS
from connectors.errors import Conflict, Pause, Refuse, Retry
from connectors.http import Received
from connectors.testing.crm import AT

SAMPLES = Path(__file__).parents[2].parent / "shared/facts/crm/samples/zoho"
FIELDS = [{"id": "1", "api_name": name, "data_type": "text", "custom_field": "HUB" in name}
          for name in ("Last_Name", "Email", "Lead_Status", "Modified_Time", "HUB_ID")]  # fmt: skip

pytestmark = pytest.mark.skipif(not SAMPLES.is_dir(), reason="captured messages of Zoho are not here")


def told(name: str) -> Any:
    return json.loads((SAMPLES / name).read_bytes())


class Recorded:
    """An `Http` that answers with captured bodies, in order; a description of the fields comes by itself."""

    def __init__(self, *answers: tuple[Any, int]) -> None:
        self.answers = list(answers)
        self.sent: list[dict[str, Any]] = []

    def send(self, method: str, url: str, **given: Any) -> Received:
        self.sent.append({"method": method, "url": url, **given})
        body, status = ({"fields": FIELDS}, 200) if url.endswith("/settings/fields") else self.answers.pop(0)
        return Received(
            status, {"date": "Wed, 27 May 2026 08:10:00 GMT"}, b"" if body is None else json.dumps(body).encode()
        )


def connect(*answers: tuple[Any, int]) -> tuple[Zoho, Recorded]:
    http = Recorded(*answers)
    return Zoho({"address": "https://www.zohoapis.eu"}, {"token": "t"}, http), http


def test_it_claims_no_more_than_this() -> None:
    assert Zoho.evidence is Evidence.DOCUMENTED


def test_outcomes_of_an_upsert() -> None:
    crm, http = connect((told("upsert_answer.json"), 207))
    ops = [Op(LEADS, {"Last_Name": "Doe"}, marker=f"L-{n}") for n in range(3)]
    one, two, three = crm.write(ops)
    assert isinstance(one, Done)
    assert isinstance(two, Done)
    assert one.record.ref == two.record.ref == told("upsert_answer.json")["data"][0]["details"]["id"]
    assert isinstance(three, Failed)
    assert isinstance(three.error, Refuse)
    assert list(three.error.fields) == ["Last_Name"]
    assert http.sent[1]["url"] == "https://www.zohoapis.eu/crm/v8/Leads/upsert"
    assert http.sent[1]["json"]["duplicate_check_fields"] == ["HUB_ID"]


def test_a_twin_is_named() -> None:
    crm, _ = connect((told("error_duplicate.json"), 400))
    [outcome] = crm.write([Op(LEADS, {"Email": "doe@acme.test"})])
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, Conflict)
    assert outcome.error.ref == told("error_duplicate.json")["data"][0]["details"]["duplicate_record"]["id"]


def test_what_was_deleted() -> None:
    crm, http = connect((None, 204), (told("deleted_answer.json"), 200), (None, 304))
    [gone] = crm.changes(LEADS, "1780000000").records
    assert gone.deleted
    assert gone.ref == told("deleted_answer.json")["data"][0]["id"]
    assert gone.updated_at
    assert gone.updated_at.isoformat() == "2026-05-27T10:00:01+02:00"
    assert http.sent[2]["headers"]["If-Modified-Since"] == "2026-05-28T20:26:40+00:00"


def test_too_many_calls_and_a_dead_token() -> None:
    with pytest.raises(Retry, match="fewer calls"):
        connect((told("error_429.json"), 429))[0].check()
    with pytest.raises(Pause):
        connect((told("error_401.json"), 401))[0].check()


def test_pipelines_in_their_colours() -> None:
    layouts, users = {"layouts": [{"id": "9"}]}, (None, 204)
    crm, _ = connect((layouts, 200), (told("pipeline_maps.json"), 200), users, users)
    [deals] = [one for one in crm.describe().pipelines if one.kind == DEALS]
    assert (deals.ref, deals.main) == ("Standard", True)
    assert [(one.ref, one.final, one.colour) for one in deals.stages] == [
        ("Qualification", "", "#c4f0b3"), ("Closed Won", "won", "#25b52a"),
    ]  # fmt: skip


def test_a_notification() -> None:
    crm, _ = connect()
    raw = told("notification_post.json")
    assert list(crm.touched(Raw(json.dumps(raw).encode(), AT))) == []
    signed = {**raw, "token": crm.hook_token}
    assert list(crm.touched(Raw(json.dumps(signed).encode(), AT))) == [Hint(LEADS, raw["ids"][0])]
