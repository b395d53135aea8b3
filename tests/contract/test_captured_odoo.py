"""Odoo over messages captured elsewhere. They stay outside the repository; without them this is skipped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from connectors.contract import Done, Evidence, Failed, Hint, Op, Raw
from connectors.crms.odoo import Odoo
from connectors.crms.odoo.shape import LEADS
from connectors.errors import Pause, Refuse
from connectors.http import Received
from connectors.testing.crm import AT

SAMPLES = Path(__file__).parents[2].parent / "shared/facts/crm/samples/odoo"
FIELDS = {
    "id": {"type": "integer"}, "name": {"type": "char", "required": True}, "write_date": {"type": "datetime"},
    "type": {"type": "selection", "selection": [["lead", "Lead"], ["opportunity", "Opportunity"]]},
    "stage_id": {"type": "many2one", "relation": "crm.stage"}, "user_id": {"type": "many2one", "relation": "res.users"},
    "team_id": {"type": "many2one", "relation": "crm.team"}, "active": {"type": "boolean"},
    "partner_id": {"type": "many2one", "relation": "res.partner"}, "email_from": {"type": "char"},
    "phone": {"type": "char"}, "contact_name": {"type": "char"}, "expected_revenue": {"type": "monetary"},
    "probability": {"type": "float"}, "x_hub_id": {"type": "char"},
}  # fmt: skip

pytestmark = pytest.mark.skipif(not SAMPLES.is_dir(), reason="captured messages of Odoo are not here")


class Recorded:
    """An `Http` that answers from captured bodies, in order."""

    def __init__(self, *answers: tuple[str, int]) -> None:
        self.answers = list(answers)
        self.sent: list[tuple[str, Any]] = []

    def send(self, _method: str, url: str, **given: Any) -> Received:
        self.sent.append((url, given.get("json")))
        name, status = self.answers.pop(0)
        body = (SAMPLES / name).read_bytes() if name else json.dumps(FIELDS).encode()
        return Received(status, {"date": "Wed, 27 May 2026 08:10:00 GMT"}, body)


def connect(*answers: tuple[str, int], version: int = 19) -> tuple[Odoo, Recorded]:
    http = Recorded(*answers)
    crm = Odoo({"address": "northwind", "login": "hub"}, {"key": "k"}, http)
    crm.rpc.version = version
    return crm, http


def test_it_claims_no_more_than_this() -> None:
    assert Odoo.evidence is Evidence.DOCUMENTED


def test_a_page_of_leads() -> None:
    crm, http = connect(("", 200), ("json2_search_read_answer.json", 200))
    [lead] = crm.changes(LEADS, "").records
    [row] = json.loads((SAMPLES / "json2_search_read_answer.json").read_bytes())
    assert lead.ref == str(row["id"])
    assert lead.values["stage_id"] == row["stage_id"][0]
    assert lead.values["active"] is True
    assert lead.values["phone"] == row["phone"]
    assert lead.links == {}
    assert lead.updated_at
    assert http.sent[1][0] == "https://northwind.odoo.com/json/2/crm.lead/search_read"
    assert http.sent[1][1]["context"] == {"active_test": False}


def test_two_leads_are_created_and_told_by_their_order() -> None:
    crm, http = connect(("", 200), ("json2_create_answer.json", 200))
    outcomes = crm.write([Op(LEADS, {"name": f"Window {n}", "type": "lead"}, marker=f"L-{n}") for n in range(2)])
    assert [one.record.ref for one in outcomes if isinstance(one, Done)] == ["26", "27"]
    assert [wish["x_hub_id"] for wish in http.sent[1][1]["vals_list"]] == ["L-0", "L-1"]


def test_a_missing_field_is_named() -> None:
    crm, _ = connect(("", 200), ("json2_error_validation.json", 422))
    [outcome] = crm.write([Op(LEADS, {"type": "lead"})])
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, Refuse)
    assert outcome.error.fields == {"name": "ValidationError"}


@pytest.mark.parametrize("status", [404, 422])
def test_a_missing_record_is_absent(status: int) -> None:
    crm, _ = connect(("", 200), ("json2_error_422_missing.json", status))
    assert list(crm.get(LEADS, ["999"])) == [None]


def test_a_wrong_key_pauses() -> None:
    crm, _ = connect(("json2_error_401.json", 401))
    with pytest.raises(Pause, match="API key"):
        crm.check()


def test_an_error_with_status_200_is_one() -> None:
    crm, _ = connect(("jsonrpc_error.json", 200), version=17)
    with pytest.raises(Refuse, match="access rights"):
        crm.check()


def test_the_version_is_told_without_a_login() -> None:
    crm, http = connect(
        ("jsonrpc_error.json", 404), ("web_version.json", 200), ("json2_error_401.json", 401), version=0
    )
    with pytest.raises(Pause, match="API key"):
        crm.check()
    assert crm.rpc.version == 19
    assert [url.rpartition(".com/")[2] for url, _ in http.sent] == [
        "jsonrpc",
        "web/version",
        "json/2/res.company/search_read",
    ]


def test_a_webhook_says_where_to_look() -> None:
    crm, _ = connect()
    assert list(crm.touched(Raw((SAMPLES / "webhook_out.json").read_bytes(), AT))) == [Hint(LEADS, "25")]
