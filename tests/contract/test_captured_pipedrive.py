"""Pipedrive over the samples of its documentation. They stay outside the repository; without them this is skipped."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from connectors.contract import Done, Evidence, Failed, Hint, Op, Raw
from connectors.crms.pipedrive import Pipedrive
from connectors.crms.pipedrive.hooks import basic
from connectors.errors import Missing, Pause, Refuse, Retry
from connectors.http import Received

SAMPLES = Path(__file__).parents[2].parent / "shared/facts/crm/samples/pipedrive"
DATE = "Wed, 27 May 2026 09:00:00 GMT"

pytestmark = pytest.mark.skipif(not SAMPLES.is_dir(), reason="samples of Pipedrive are not here")


class Recorded:
    """An `Http` that answers from sample bodies; "" is an empty list."""

    def __init__(self, *answers: tuple[str, int]) -> None:
        self.answers = list(answers)
        self.sent: list[tuple[str, str, dict[str, str], Any]] = []

    def send(self, method: str, url: str, *, params: Sequence[tuple[str, str]] | None = None, **given: Any) -> Received:
        self.sent.append((method, url, dict(params or ()), given.get("json")))
        name, status = self.answers.pop(0)
        body = (SAMPLES / name).read_bytes() if name else b'{"success":true,"data":[],"additional_data":null}'
        return Received(status, {"date": DATE, "content-type": "application/json"}, body)


Connect = Callable[..., tuple[Pipedrive, Recorded]]


@pytest.fixture
def connect() -> Connect:
    def make(*answers: tuple[str, int]) -> tuple[Pipedrive, Recorded]:
        http = Recorded(*answers)
        return Pipedrive({"address": "northwind"}, {"token": "t"}, http), http

    return make


def told(name: str) -> Any:
    return json.loads((SAMPLES / name).read_bytes())


def test_it_claims_no_more_than_this() -> None:
    """Most samples were composed after the vendor's models, not recorded."""
    assert Pipedrive.evidence is Evidence.DOCUMENTED


def test_a_scan_over_two_pages(connect: Connect) -> None:
    crm, http = connect(("deals_list_v2.json", 200), ("", 200), ("deals_list_v2_last_page.json", 200))
    first = crm.changes("deals", "1780000000")
    assert first.more
    row = told("deals_list_v2.json")["data"][0]
    [deal] = first.records
    assert deal.ref == str(row["id"])
    assert deal.links == {"persons": (str(row["person_id"]),)}
    assert deal.values["stage_id"] == row["stage_id"]
    last = crm.changes("deals", first.cursor)
    assert not last.more
    assert int(last.cursor) >= int(datetime(2026, 5, 27, 9, tzinfo=UTC).timestamp()) - 31
    assert http.sent[0][1] == "https://northwind.pipedrive.com/api/v2/deals"
    assert http.sent[0][2]["updated_since"] == "2026-05-28T20:26:40Z"
    assert http.sent[2][2]["cursor"] == told("deals_list_v2.json")["additional_data"]["next_cursor"]


def test_a_person_and_a_lead(connect: Connect) -> None:
    crm, _ = connect(("person_v2.json", 200), ("lead_v1.json", 200))
    person, lead = told("person_v2.json")["data"], told("lead_v1.json")["data"]
    [human] = crm.get("persons", [str(person["id"])])
    assert human
    assert human.values["phones"] == [{"value": person["phones"][0]["value"], "enum_code": "work"}]
    [found] = crm.get("leads", [lead["id"]])
    assert found
    assert (found.values["value"], found.values["currency"]) == (lead["value"]["amount"], lead["value"]["currency"])
    assert found.links == {"persons": (str(lead["person_id"]),)}
    assert found.updated_at == datetime(2026, 5, 27, 8, tzinfo=UTC)


def test_a_lead_is_sent_as_the_documentation_has_it(connect: Connect) -> None:
    crm, http = connect(("lead_v1.json", 201))
    [outcome] = crm.write([Op("leads", {"title": "x", "value": 300, "currency": "EUR"}, links={"persons": ("8",)})])
    assert isinstance(outcome, Done)
    method, url, _, body = http.sent[0]
    assert (method, url.rpartition("/api/")[2]) == ("POST", "v1/leads")
    assert body == {"title": "x", "value": {"amount": 300, "currency": "EUR"}, "person_id": 8}
    assert body.keys() <= told("lead_v1.json")["data"].keys()


def test_a_search_is_checked(connect: Connect) -> None:
    crm, http = connect(("persons_search_v2.json", 200), ("person_v2.json", 200))
    mail = told("person_v2.json")["data"]["emails"][0]["value"]
    assert [one.ref for one in crm.find("persons", {"email": mail.upper()})] == ["8"]
    assert http.sent[0][2]["exact_match"] == "true"
    crm, _ = connect(("persons_search_v2.json", 200), ("person_v2.json", 200))
    assert crm.find("persons", {"email": f"x{mail}"}) == []


@pytest.mark.parametrize(
    ("name", "status", "error"),
    [("error_401.json", 401, Pause), ("error_429.json", 429, Retry), ("error_403_feature_cap.json", 403, Pause)],
)
def test_errors_of_the_account(connect: Connect, name: str, status: int, error: type[Exception]) -> None:
    crm, _ = connect((name, status))
    with pytest.raises(error):
        crm.check()


def test_errors_of_one_record(connect: Connect) -> None:
    crm, _ = connect(("error_400_v2.json", 400), ("", 200))
    [outcome] = crm.write([Op("deals", {"title": "x", "value": "ten"})])
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, Refuse)
    assert list(outcome.error.fields) == ["value"]
    crm, _ = connect(("error_404_v2.json", 404), ("error_404_v2.json", 404))
    [outcome] = crm.write([Op("deals", {"title": "x"}, ref="1")])
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, Missing)
    assert crm.get("deals", ["1"]) == [None]


HOOKS = {
    "webhook_deal_create": [("deals", "8")],
    "webhook_deal_change_custom_field": [("deals", "8")],
    "webhook_deal_change_stage_by_api": [],
    "webhook_deal_delete": [("deals", "8")],
    "webhook_lead_create": [("leads", "b1810230-6c0d-11ed-9826-a53d0eb706a5")],
    "webhook_lead_change": [("leads", "b1810230-6c0d-11ed-9826-a53d0eb706a5")],
    "webhook_lead_delete": [("leads", "b1810230-6c0d-11ed-9826-a53d0eb706a5")],
    "webhook_person_create": [("persons", "8")],
    "webhook_person_change": [("persons", "8")],
    "webhook_person_merge_pair": [("persons", "9"), ("persons", "8"), ("persons", "8")],
    "webhook_stage_change": [],
}


@pytest.mark.parametrize("name", HOOKS)
def test_every_hook_says_what_to_look_at(connect: Connect, name: str) -> None:
    """The hub writes as user 12415231: what that user changed by API is an echo."""
    crm, _ = connect()
    sample = told(f"{name}.json")
    bodies = sample if isinstance(sample, list) else [sample]
    seen: list[Hint] = []
    for body in bodies:
        raw = Raw(
            json.dumps(body).encode(),
            datetime(2026, 5, 26, tzinfo=UTC),
            {"authorization": basic("t")},
            query="by=12415231&key=x",
        )
        seen += crm.touched(raw)
    assert seen == [Hint(*pair) for pair in HOOKS[name]]


def test_no_hook_is_left_out() -> None:
    shapes = {"webhook_custom_field_shapes"}  # a collection of values, no hook
    assert {path.stem for path in SAMPLES.glob("webhook_*.json")} - shapes == set(HOOKS)
