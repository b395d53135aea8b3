"""Bitrix24 over messages captured elsewhere. They stay outside the repository; without them this is skipped."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from connectors.contract import Done, Evidence, Failed, Hint, Lost, Op, Raw
from connectors.crms.bitrix24 import Bitrix24
from connectors.crms.bitrix24.calls import Command, Rest
from connectors.crms.bitrix24.schema import schema
from connectors.crms.bitrix24.shape import flat
from connectors.errors import Missing, Pause, Refuse, Retry
from connectors.http import Received

SAMPLES = Path(__file__).parents[2].parent / "shared/facts/crm/samples/bitrix24"
AT = datetime(2026, 5, 26, tzinfo=UTC)
OURS = "order0000000000"  # the key under which the recordings have their only command

pytestmark = pytest.mark.skipif(not SAMPLES.is_dir(), reason="captured messages of Bitrix24 are not here")


def told(name: str) -> Any:
    return json.loads((SAMPLES / f"{name}.json").read_bytes())


class Recorded:
    """An `Http` that answers from captured bodies; a batch of one command is answered under the key it was given."""

    def __init__(self, *answers: tuple[Any, int]) -> None:
        self.answers = list(answers)
        self.sent: list[tuple[str, Any]] = []

    def send(self, method: str, url: str, **given: Any) -> Received:
        self.sent.append((url, given.get("json")))
        body, status = self.answers.pop(0)
        body = told(body) if isinstance(body, str) else body
        keys = list((given.get("json") or {}).get("cmd") or ())
        if len(keys) == 1:
            body = json.loads(json.dumps(body).replace(OURS, keys[0]))
        return Received(status, {}, json.dumps(body).encode())


def at(*answers: tuple[Any, int]) -> Callable[[], Recorded]:
    """The way out that a `Rest` asks for."""
    http = Recorded(*answers)
    return lambda: http


Connect = Callable[..., tuple[Bitrix24, Recorded]]


@pytest.fixture
def connect() -> Connect:
    def make(*answers: tuple[Any, int]) -> tuple[Bitrix24, Recorded]:
        http = Recorded(*answers)
        return Bitrix24({}, {"webhook": "https://northwind.test/rest/1/x/", "application_token": ""}, http), http

    return make


def test_it_claims_no_more_than_this() -> None:
    assert Bitrix24.evidence is Evidence.RECORDED


# ── recordings of a live account ─────────────────────────────────────────────────────────────────


def test_a_recorded_create(connect: Connect) -> None:
    crm, http = connect(("real_item_add", 200))
    [done] = crm.write([Op("deals", {"title": "x"})])
    item = told("real_item_add")["result"]["result"][OURS]["item"]
    assert isinstance(done, Done)
    assert (done.record.ref, done.record.version) == (str(item["id"]), item["updatedTime"])
    assert done.echoed
    assert http.sent[0][0] == "https://northwind.test/rest/1/x/batch"


def test_a_recorded_create_of_the_older_kind_is_lost(connect: Connect) -> None:
    """It answers a bare number, which `crm.item.add` never does."""
    crm, _ = connect(("real_contact_add_batch", 200))
    [outcome] = crm.write([Op("contacts", {"name": "x"})])
    assert isinstance(outcome, Lost)


@pytest.mark.parametrize("name", ["real_batch_all_errors", "real_batch_lead_get_error", "real_batch_mixed_list_errors"])
def test_errors_that_lost_their_keys_are_nobodys(connect: Connect, name: str) -> None:
    crm, _ = connect((name, 200))
    outcomes = crm.write([Op("deals", {"title": str(n)}) for n in range(2)])
    assert [type(one) for one in outcomes] == [Lost, Lost]


def test_a_recorded_page(connect: Connect) -> None:
    crm, _ = connect(("real_item_list_spa", 200))
    items = told("real_item_list_spa")["result"]["items"]
    assert [one.ref for one in crm.get("deals", [str(row["id"]) for row in items]) if one] == [
        str(row["id"]) for row in items
    ]
    crm, _ = connect(("real_item_list_spa", 200))
    with pytest.raises(Retry, match="change times"):
        crm.changes("deals", "1")


def test_a_recorded_list_of_nothing(connect: Connect) -> None:
    body = told("real_batch_list_empty")
    batch = Rest(at((body, 200)), "https://northwind.test").batch({OURS: Command("x")})
    assert batch.told == {OURS: []}
    assert batch.refused == {}
    assert batch.clock == body["time"]["start"]


def test_recorded_pipelines_and_fields() -> None:
    result = {"mode": 1, "categories": told("real_category_list")["result"], "users": []}
    fields = {"fields": told("real_lead_fields")["result"]}
    first = {**result, **dict.fromkeys(("leads", "deals", "contacts", "companies"), fields)}
    count = len(result["categories"]["categories"])
    stages = told("status_list_deal_stage")["result"]
    second = {f"c{one['id']}": stages for one in result["categories"]["categories"]} | {"leads": []}
    pages = (first, *[second] * (1 + count // 50))  # the account has more pipelines than a batch has commands
    answers = [{"result": {"result": one, "result_error": []}, "time": {"start": 1.0}} for one in pages]
    seen = schema(Rest(at(*((one, 200) for one in answers)), "https://northwind.test"), app=False)
    assert len(seen.pipelines) == count + 1
    [main] = [one for one in seen.pipelines if one.main]
    assert main.ref == "0"
    assert [(one.ref, one.final) for one in main.stages if one.final] == [
        ("WON", "won"), ("LOSE", "lost"), ("APOLOGY", "lost"),
    ]  # fmt: skip
    assert main.stages[0].colour == "#39a8ef"
    names = {one.name: one for one in seen.fields["leads"]}
    assert names["ID"].read_only
    assert names["TITLE"].required


# ── what the vendor prints as examples ───────────────────────────────────────────────────────────


def test_a_lead_is_flat() -> None:
    row = told("item_get_lead")["result"]["item"]
    lead = flat("leads", row)
    assert lead.values["PHONE"] == [{"id": 101, "value": "+6111111111", "enum_code": "WORK"}]
    assert lead.values["EMAIL"][0]["id"] == 102
    assert lead.links == {}
    assert lead.updated_at == datetime(2024, 7, 22, 16, 0, 8, tzinfo=UTC)


def test_a_deal_is_flat() -> None:
    deal = flat("deals", told("item_add_deal_answer")["result"]["item"])
    assert (deal.values["categoryId"], deal.values["stageId"]) == (9, "UC_KN8KFI")
    assert deal.links == {"contacts": ("4", "5"), "companies": ("5",), "leads": ("102",)}


def test_duplicates(connect: Connect) -> None:
    rows = [{"id": n, "fm": [{"id": 1, "typeId": "PHONE", "value": "8 (800) 555-00-00"}]} for n in (275, 2297)]
    page = {"result": {"items": rows}, "time": {"start": 1.0}}
    crm, http = connect(("findbycomm", 200), (page, 200))
    assert [one.ref for one in crm.find("contacts", {"phone": "+78005550000"})] == ["275", "2297"]
    assert http.sent[1][1]["filter"] == {"@id": ["275", "2297"]}
    crm, _ = connect(("findbycomm_empty", 200))
    assert crm.find("contacts", {"phone": "+78005550000"}) == []


def test_the_mode(connect: Connect) -> None:
    answer = {"result": {"result": {"r0000": {"item": {"id": 1}}}}, "time": {"start": 1.0}}
    crm, http = connect(("settings_mode", 200), (answer, 200))
    [done] = crm.write([Op("leads", {})])
    assert isinstance(done, Done)
    assert http.sent[0][0].endswith("/crm.settings.mode.get")


def test_a_merge(connect: Connect) -> None:
    crm, http = connect(("merge_batch", 200), ("merge_batch_error", 400))
    crm.merge("contacts", "101", "102")
    assert http.sent[0][1] == {"params": {"entityTypeId": 3, "entityIds": [101, 102]}}
    with pytest.raises(Refuse, match="at least two"):
        crm.merge("contacts", "101", "102")


@pytest.mark.parametrize(
    ("name", "status", "error"),
    [
        ("error_expired_token_401", 401, Pause),
        ("error_no_auth_401", 401, Pause),
        ("error_insufficient_scope_403", 403, Pause),
        ("error_operation_time_429", 429, Retry),
        ("error_query_limit_503", 503, Retry),
        ("oauth_payment_required", 402, Pause),
        ("item_list_error", 400, Refuse),
        ("item_get_not_found", 400, Missing),
        ("status_add_error", 400, Refuse),
        ("findbycomm_error", 400, Refuse),
    ],
)
def test_errors(connect: Connect, name: str, status: int, error: type[Exception]) -> None:
    crm, _ = connect((name, status))
    with pytest.raises(error) as caught:
        crm.rest.call("x", {})
    assert not getattr(caught.value, "effect", False)


@pytest.mark.parametrize("name", ["batch_halt0_errors", "batch_halt1_error"])
def test_a_missing_permission_inside_a_batch(name: str) -> None:
    batch = Rest(at((name, 200)), "https://northwind.test").batch({"get_user": Command("x"), "b": Command("y")})
    assert isinstance(batch.error("get_user"), Pause)


def test_a_batch_that_went_well() -> None:
    batch = Rest(at(("batch_ok", 200)), "https://northwind.test").batch({"a": Command("x"), "b": Command("y")})
    assert set(batch.told) == {"get_user", "get_department"}
    assert batch.wait is None


HOOKS = {
    "event_deal_add_app": [("deals", "7405")],
    "event_deal_update_webhook": [("deals", "662")],
    "oninstall": [],
}


@pytest.mark.parametrize("name", HOOKS)
def test_every_event_says_what_to_look_at(connect: Connect, name: str) -> None:
    crm, _ = connect()
    raw = Raw((SAMPLES / f"{name}.form.txt").read_bytes(), AT)
    assert list(crm.touched(raw)) == [Hint(*pair) for pair in HOOKS[name]]


def test_no_event_is_left_out() -> None:
    assert {path.name.split(".")[0] for path in SAMPLES.glob("*.form.txt")} == set(HOOKS)


def test_the_queue(connect: Connect) -> None:
    crm, http = connect(("offline_get", 200))
    assert crm.queue() == []  # the vendor's example has no data and no process to clear
    assert len(http.sent) == 1


def test_tokens() -> None:
    crm = Bitrix24({"address": "northwind.test", "client_id": "a"}, {"client_secret": "s"}, Recorded())
    grant = crm.grant()
    assert grant
    assert grant.url == "https://oauth.bitrix.info/oauth/token/"
    seen = grant.ask(Recorded(("oauth_refresh", 200)), 1000.0, grant_type="refresh_token", refresh_token="r")
    want = told("oauth_refresh")
    assert (seen.access, seen.refresh, seen.expires_at) == (want["access_token"], want["refresh_token"], 4600.0)
    assert seen.address == want["client_endpoint"]
    assert grant.consent("s").startswith("https://northwind.test/oauth/authorize/?")


def test_a_partly_refused_import_is_not_ours() -> None:
    """What an import answers would not be taken for an add."""
    batch = {"result": {"result": {OURS: told("batch_import_answer")["result"]}}, "time": {"start": 1.0}}
    crm = Bitrix24({}, {"webhook": "https://northwind.test/rest/1/x/"}, Recorded((batch, 200)))
    [outcome] = crm.write([Op("contacts", {"name": "x"})])
    assert not isinstance(outcome, Done | Failed)
