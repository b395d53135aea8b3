"""HubSpot over messages captured elsewhere. They stay outside the repository; without them this is skipped."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from connectors.contract import Done, Evidence, Failed, Hint, Op, Raw
from connectors.crms.hubspot import HubSpot
from connectors.crms.hubspot.hooks import events, hints, our_own
from connectors.crms.hubspot.setup import next_page
from connectors.crms.hubspot.shape import absorbed, flat
from connectors.errors import Pause, Refuse, Retry, Unverified
from connectors.http import Received

SAMPLES = Path(__file__).parents[2].parent / "shared/facts/crm/samples/hubspot"
DATE = "Wed, 27 May 2026 08:00:00 GMT"

pytestmark = pytest.mark.skipif(not SAMPLES.is_dir(), reason="captured messages of HubSpot are not here")


class Recorded:
    """An `Http` that answers from captured bodies, or from what is given."""

    def __init__(self, *answers: tuple[str | dict[str, Any], int]) -> None:
        self.answers = list(answers)
        self.sent: list[tuple[str, str, Any]] = []

    def send(self, method: str, url: str, *, params: Sequence[tuple[str, str]] | None = None, **given: Any) -> Received:
        self.sent.append((method, url, given.get("json")))
        told, status = self.answers.pop(0)
        body = (SAMPLES / told).read_bytes() if isinstance(told, str) else json.dumps(told).encode()
        return Received(status, {"date": DATE}, body)


Connect = Callable[..., tuple[HubSpot, Recorded]]
PROPERTIES = {"results": [{"name": "email"}, {"name": "hub_id"}]}


@pytest.fixture
def connect() -> Connect:
    def make(*answers: tuple[str | dict[str, Any], int]) -> tuple[HubSpot, Recorded]:
        http = Recorded(*answers)
        return HubSpot({"searches": "1000"}, {"token": "t"}, http), http

    return make


def told(name: str) -> Any:
    return json.loads((SAMPLES / name).read_bytes())


def test_it_claims_no_more_than_this() -> None:
    assert HubSpot.evidence is Evidence.DOCUMENTED  # most of these are examples of the documentation


def test_a_contact_is_flat() -> None:
    row = told("contact.json")
    record = flat("contacts", row)
    assert record.ref == row["id"]
    assert record.values["company"] == row["properties"]["company"]
    assert record.values["phones"] == [{"value": row["properties"]["phone"], "enum_code": "phone"}]
    assert record.values["emails"] == [{"value": row["properties"]["email"], "enum_code": "email"}]
    assert record.updated_at == datetime.fromisoformat(row["properties"]["lastmodifieddate"])


def test_a_page_of_changes(connect: Connect) -> None:
    crm, http = connect((PROPERTIES, 200), ("search_answer.json", 200), ({"total": 0, "results": []}, 200))
    page = crm.changes("contacts", "")
    assert [one.ref for one in page.records] == [row["id"] for row in told("search_answer.json")["results"]]
    assert page.more == bool(next_page(told("search_answer.json")))
    assert not crm.changes("contacts", page.cursor).more
    assert {"name", "ref"}.isdisjoint(http.sent[1][2])
    assert http.sent[1][1] == "https://api.hubapi.com/crm/v3/objects/contacts/search"


def test_an_answer_with_a_bad_one_names_it(connect: Connect) -> None:
    ids = {"lead-1": "op-0", "lead-2": "op-1"}
    answer = json.loads(json.dumps(told("batch_207_answer.json")).replace("lead-1", "op-0").replace("lead-2", "op-1"))
    crm, _ = connect((answer, 207))
    good, bad = crm.write([Op("contacts", {"email": f"p{n}@feld.test"}, marker=one) for n, one in enumerate(ids)])
    assert isinstance(good, Done)
    assert good.record.ref == answer["results"][0]["id"]
    assert isinstance(bad, Failed)
    assert isinstance(bad.error, Refuse)
    assert bad.error.fields == {"email": "INVALID_EMAIL"}


def test_our_requests_have_the_captured_shape(connect: Connect) -> None:
    crm, http = connect(({"results": []}, 200), ({"results": []}, 201))
    crm.write([Op("contacts", {"email": "p@feld.test"}, marker="C-1")])
    crm.write([Op("deals", {"dealname": "x"}, marker="L-1", links={"contacts": ("512",)})])
    for (_, _, ours), name in zip(
        http.sent, ("batch_upsert_request.json", "deal_batch_create_request.json"), strict=True
    ):
        captured = told(name)
        assert ours.keys() == captured.keys()
        assert ours["inputs"][0].keys() == captured["inputs"][0].keys()
        assert ours["inputs"][0].get("associations") == captured["inputs"][0].get("associations")


def test_an_upsert_answer_without_trace_ids_is_told_apart_by_the_marker(connect: Connect) -> None:
    answer = told("batch_upsert_answer.json")
    markers = ["C-1", "C-2"]
    for row, marker in zip(answer["results"], reversed(markers), strict=True):
        row["properties"]["hub_id"] = marker
    crm, _ = connect((answer, 200))
    outcomes = crm.write([Op("contacts", {"firstname": "Nora"}, marker=one) for one in markers])
    refs = [one.record.ref for one in outcomes if isinstance(one, Done)]
    assert refs == [row["id"] for row in reversed(answer["results"])]


def test_a_merge(connect: Connect) -> None:
    row = told("merge_answer.json")
    gone = absorbed(flat("contacts", row))
    assert [(one.ref, one.merged_into, one.deleted) for one in gone] == [
        (ref, row["id"], True) for ref in row["properties"]["hs_merged_object_ids"].split(";")
    ]
    crm, _ = connect((row, 200))
    crm.merge("contacts", "501", "502")


def test_pipelines(connect: Connect) -> None:
    empty: tuple[dict[str, Any], int] = ({"results": []}, 200)
    crm, _ = connect(empty, empty, empty, ({"results": [told("pipeline_deals.json")]}, 200), empty)
    [pipeline] = crm.describe().pipelines
    assert {one.ref: one.final for one in pipeline.stages if one.final} == {"closedwon": "won", "closedlost": "lost"}
    assert [one.position for one in pipeline.stages] == list(range(len(told("pipeline_deals.json")["stages"])))


@pytest.mark.parametrize(
    ("name", "status", "error", "after"),
    [
        ("error_401_expired.json", 401, Pause, None),
        ("error_401_invalid.json", 401, Pause, None),
        ("error_429_daily.json", 429, Retry, 600.0),
        ("error_429_ten_secondly.json", 429, Retry, 1.0),
        ("error_generic.json", 400, Pause, None),
        ("error_404.json", 404, Pause, None),
    ],
)
def test_errors_of_the_account(
    connect: Connect, name: str, status: int, error: type[Exception], after: float | None
) -> None:
    crm, _ = connect((name, status))
    with pytest.raises(error) as caught:
        crm.check()
    assert getattr(caught.value, "after", None) == after


@pytest.mark.parametrize(
    ("name", "field"), [("error_400_property.json", "email"), ("error_400_unknown_property.json", "hub_lead_idd")]
)
def test_a_refused_property_is_named(connect: Connect, name: str, field: str) -> None:
    crm, _ = connect((name, 400))
    [outcome] = crm.write([Op("contacts", {field: "x@"}, ref="512")])
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, Refuse)
    assert list(outcome.error.fields) == [field]
    assert "x@" not in str(outcome.error)


def test_a_contact_that_exists_is_looked_at_and_adopted(connect: Connect) -> None:
    theirs = {"results": [{"id": "6001", "properties": {"hub_id": None, "email": "p@feld.test"}}]}
    crm, http = connect(("error_409_contact_exists.json", 409), (theirs, 200), (theirs, 200))
    [outcome] = crm.write([Op("contacts", {"email": "p@feld.test", "firstname": "Nora"}, marker="C-1")])
    assert isinstance(outcome, Done)
    assert outcome.record.ref == "6001"
    assert http.sent[2][2]["inputs"][0]["properties"] == {"firstname": "Nora", "hub_id": "C-1"}


HOOKS = {
    "webhook_property_change": [("contacts", "1246965"), ("contacts", "1246978")],
    "webhook_deal_stage_by_api": [("deals", "9001")],
    "webhook_deletion": [("deals", "9001")],
    "webhook_merge": [("contacts", "501"), ("contacts", "777"), ("contacts", "502")],
    "webhook_association_change": [("deals", "9001"), ("contacts", "501")],
}


@pytest.mark.parametrize("name", HOOKS)
def test_every_hook_says_what_to_look_at(name: str) -> None:
    told = events((SAMPLES / f"{name}.json").read_bytes())
    assert hints(told) == [Hint(*pair) for pair in HOOKS[name]]
    assert all(our_own(event) for event in told) == (name == "webhook_deal_stage_by_api")


def test_no_hook_is_left_out() -> None:
    assert {path.name.split(".")[0] for path in SAMPLES.glob("webhook_*.json")} == set(HOOKS)


def signed(version: str) -> tuple[HubSpot, Raw]:
    vector = told(f"signature_{version}_vector.json")
    headers = {name.lower(): value for name, value in vector.items() if name.startswith("X-")}
    address = vector.get("uri_as_signed", "")
    at = datetime.fromtimestamp(int(headers.get("x-hubspot-request-timestamp", "0")) / 1000 + 5, UTC)
    crm = HubSpot({"hook_address": address}, {"client_secret": vector["client_secret"]}, Recorded())
    return crm, Raw(vector["raw_body"].encode(), at, headers)


@pytest.mark.parametrize("version", ["v1", "v3"])
def test_the_signature_vectors(version: str) -> None:
    crm, raw = signed(version)
    assert crm.touched(raw) == [Hint("contacts", "123")]
    forged = Raw(
        raw.body.replace(b"123}", b"124}").replace(b'objectId":123', b'objectId":124'), raw.received_at, raw.headers
    )
    with pytest.raises(Unverified):
        crm.touched(forged)
