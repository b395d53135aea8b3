"""amoCRM over messages captured elsewhere. They stay outside the repository; without them this is skipped."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from connectors.contract import Done, Evidence, Failed, Hint, Op, Raw
from connectors.crms.amocrm import PALETTE, AmoCRM
from connectors.crms.amocrm.shape import flat
from connectors.errors import Pause, Refuse, Retry
from connectors.http import Received

SAMPLES = Path(__file__).parents[2].parent / "shared/facts/crm/samples/amocrm"
DATE = "Tue, 26 May 2026 08:00:00 GMT"

pytestmark = pytest.mark.skipif(not SAMPLES.is_dir(), reason="captured messages of amoCRM are not here")


class Recorded:
    """An `Http` that answers from captured bodies; writes are answered under the request ids they were given."""

    def __init__(self, *answers: tuple[str, int]) -> None:
        self.answers = list(answers)
        self.sent: list[tuple[str, str, list[tuple[str, str]], Any]] = []

    def send(self, method: str, url: str, *, params: Sequence[tuple[str, str]] | None = None, **given: Any) -> Received:
        self.sent.append((method, url, list(params or ()), given.get("json")))
        name, status = self.answers.pop(0)
        body = (SAMPLES / name).read_bytes() if name else b""
        return Received(status, {"date": DATE}, body)


Connect = Callable[..., tuple[AmoCRM, Recorded]]


@pytest.fixture
def connect() -> Connect:
    def make(*answers: tuple[str, int]) -> tuple[AmoCRM, Recorded]:
        http = Recorded(*answers)
        return AmoCRM({"address": "northwind"}, {"token": "t"}, http), http

    return make


def told(name: str) -> Any:
    return json.loads((SAMPLES / name).read_bytes())


def test_it_claims_no_more_than_this() -> None:
    assert AmoCRM.evidence is Evidence.DOCUMENTED


def test_the_account(connect: Connect) -> None:
    crm, http = connect(("account_get.json", 200))
    assert crm.check().fingerprint == str(told("account_get.json")["id"])
    assert http.sent[0][1] == "https://northwind.amocrm.ru/api/v4/account"


@pytest.mark.parametrize("kind", ["leads", "contacts", "companies"])
def test_a_page_of_each_kind(connect: Connect, kind: str) -> None:
    crm, _ = connect((f"{kind}_list.json", 200))
    changes = crm.changes(kind, "")
    rows = told(f"{kind}_list.json")["_embedded"][kind]
    assert [one.ref for one in changes.records] == [str(row["id"]) for row in rows]
    assert all(one.updated_at and one.values["responsible_user_id"] for one in changes.records)
    assert changes.more == ("next" in told(f"{kind}_list.json")["_links"])


def test_the_bin(connect: Connect) -> None:
    crm, http = connect(("", 204), ("leads_deleted_list.json", 200))
    changes = crm.changes("leads", "1")
    assert changes.records
    assert all(one.deleted for one in changes.records)
    assert ("with", "only_deleted") in http.sent[1][2]
    started = int(datetime(2026, 5, 26, 8, tzinfo=UTC).timestamp())
    assert changes.cursor == f"{started - 61}:{started}"


def test_custom_fields_of_a_contact_are_flat() -> None:
    record = flat("contacts", told("contact_get.json"))
    shown = told("contact_get.json")["custom_fields_values"][0]["values"][0]
    assert record.values["PHONE"] == [{"value": shown["value"], "enum_code": shown["enum"]}]
    assert set(record.links) == {"companies", "leads"}
    lead = flat("leads", told("lead_get.json"))
    assert lead.values["status_id"] == 143
    assert lead.links["contacts"]


def test_pipelines_and_users(connect: Connect) -> None:
    nothing = ("", 204)
    crm, _ = connect(*[nothing] * 4, ("pipelines.json", 200), ("users_list.json", 200), ("webhooks_list.json", 200))
    schema = crm.describe()
    assert schema.pipelines
    for pipeline in schema.pipelines:
        finals = {stage.ref: stage.final for stage in pipeline.stages if stage.final}
        assert finals == {"142": "won", "143": "lost"}
        assert all(stage.fixed or stage.colour in PALETTE or stage.colour.startswith("#") for stage in pipeline.stages)
    assert len(schema.users) == 2
    assert len(schema.hooks) == 1


def test_a_plain_create(connect: Connect) -> None:
    crm, _ = connect(("leads_create_answer.json", 200))
    outcomes = crm.write([Op("leads", {"name": str(n)}, marker=str(n)) for n in range(2)])
    refs = [one.record.ref for one in outcomes if isinstance(one, Done)]
    assert refs == [str(row["id"]) for row in told("leads_create_answer.json")["_embedded"]["leads"]]


def test_an_update(connect: Connect) -> None:
    rows = told("leads_update_answer.json")["_embedded"]["leads"]
    crm, _ = connect(("leads_update_answer.json", 200))
    outcomes = crm.write([Op("leads", {"price": 1}, ref=str(row["id"]), marker=str(row["request_id"])) for row in rows])
    assert [one.record.version for one in outcomes if isinstance(one, Done)] == [str(row["updated_at"]) for row in rows]


def test_a_create_with_contacts(connect: Connect) -> None:
    rows = told("leads_complex_answer.json")
    crm, http = connect(("leads_complex_answer.json", 200))
    person = Op("contacts", {"first_name": "Nora"})
    outcomes = crm.write([Op("leads", {"name": "x"}, marker=row["request_id"][0], includes=(person,)) for row in rows])
    done = [one for one in outcomes if isinstance(one, Done)]
    assert [(one.record.ref, one.includes[0].ref) for one in done] == [
        (str(row["id"]), str(row["contact_id"])) for row in rows
    ]
    ours, captured = http.sent[0][3][0], told("leads_complex_request.json")[0]
    assert ours.keys() <= captured.keys() | {"custom_fields_values"}


def test_a_refused_array_names_its_bad_ones(connect: Connect) -> None:
    crm, http = connect(("error_400_validation.json", 400))
    outcomes = crm.write([Op("leads", {"price": "x"}) for _ in range(2)])
    errors = [one.error for one in outcomes if isinstance(one, Failed)]
    assert all(isinstance(error, Refuse) for error in errors)
    assert [sorted(error.fields) for error in errors if isinstance(error, Refuse)] == [
        ["custom_fields_values.0.field_id"],
        ["name", "price"],
    ]
    assert len(http.sent) == 1


@pytest.mark.parametrize(
    ("name", "status", "error"),
    [
        ("error_401.json", 401, Pause),
        ("error_401_token_revoked.json", 401, Pause),
        ("error_402.json", 402, Pause),
        ("error_429.json", 429, Retry),
    ],
)
def test_errors_of_the_account(connect: Connect, name: str, status: int, error: type[Exception]) -> None:
    crm, _ = connect((name, status))
    with pytest.raises(error):
        crm.check()


HOOKS = {
    "webhook_lead_add": [("leads", "25399013")],
    "webhook_lead_update": [("leads", "25399013")],
    "webhook_lead_update_real": [("leads", "5685933")],
    "webhook_lead_status": [("leads", "25399013")],
    "webhook_lead_delete": [("leads", "25399013")],
    "webhook_contact_update": [("contacts", "15009433")],
    "webhook_note_add": [("leads", "25399013")],
    "webhook_two_actions_one_body": [("leads", "25399013"), ("leads", "25399014")],
    "webhook_unsorted_add": [("leads", "7002787")],
}


@pytest.mark.parametrize("name", HOOKS)
def test_every_hook_says_what_to_look_at(connect: Connect, name: str) -> None:
    crm, _ = connect()
    raw = Raw((SAMPLES / f"{name}.form.txt").read_bytes(), datetime(2026, 5, 26, tzinfo=UTC))
    assert crm.touched(raw) == [Hint(*pair) for pair in HOOKS[name]]


def test_no_hook_is_left_out() -> None:
    assert {path.name.split(".")[0] for path in SAMPLES.glob("webhook_*.form.txt")} == set(HOOKS)
