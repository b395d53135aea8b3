"""Salesforce over messages captured elsewhere. They stay outside the repository; without them this is skipped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from connectors.contract import Done, Evidence, Failed, Op
from connectors.crms.salesforce import Salesforce
from connectors.crms.salesforce.shape import LEADS
from connectors.errors import Conflict, Pause, Refuse, Retry
from connectors.http import Received

SAMPLES = Path(__file__).parents[2].parent / "shared/facts/crm/samples/salesforce"
FIELDS = [
    {"name": name, "type": "string", "createable": True, "updateable": True, "nillable": True, "custom": "__" in name}
    for name in ("Id", "LastName", "Company", "Status", "IsConverted", "SystemModstamp", "HUB_ID__c")
]

pytestmark = pytest.mark.skipif(not SAMPLES.is_dir(), reason="captured messages of Salesforce are not here")


def told(name: str) -> Any:
    return json.loads((SAMPLES / name).read_bytes())


class Recorded:
    """An `Http` that answers with captured bodies, in order; a description of the fields comes first."""

    def __init__(self, *answers: tuple[Any, int]) -> None:
        self.answers = list(answers)
        self.sent: list[dict[str, Any]] = []

    def send(self, method: str, url: str, **given: Any) -> Received:
        self.sent.append({"method": method, "url": url, **given})
        body, status = ({"fields": FIELDS}, 200) if url.endswith("/describe") else self.answers.pop(0)
        return Received(status, {"date": "Wed, 27 May 2026 08:10:00 GMT"}, json.dumps(body).encode())


def connect(*answers: tuple[Any, int], **secrets: str) -> tuple[Salesforce, Recorded]:
    http = Recorded(*answers)
    return Salesforce({"address": "northwind", "client_id": "id"}, secrets or {"token": "t"}, http), http


def composite(body: Any, status: int = 200) -> tuple[Any, int]:
    return {"compositeResponse": [{"body": body, "httpStatusCode": status, "referenceId": "part0"}]}, 200


def test_it_claims_no_more_than_this() -> None:
    assert Salesforce.evidence is Evidence.DOCUMENTED


def test_a_page_of_leads() -> None:
    crm, http = connect((told("query_answer.json"), 200))
    [lead] = crm.changes(LEADS, "1780000000").records
    [row] = told("query_answer.json")["records"]
    assert lead.ref == row["Id"]
    assert lead.values["Status"] == row["Status"]
    assert lead.updated_at
    assert lead.updated_at.isoformat() == "2026-05-27T08:00:01+00:00"
    assert "WHERE SystemModstamp >= 2026-05-28T20:26:40Z ORDER BY" in http.sent[1]["params"][0][1]


def test_outcomes_of_a_collection() -> None:
    crm, http = connect(composite(told("composite_collections_answer.json")))
    good, bad = crm.write([Op(LEADS, {"LastName": "Doe"}, marker=f"L-{n}") for n in range(2)])
    assert isinstance(good, Done)
    assert good.record.ref == "00Q5g00000AAAAAEA5"
    assert isinstance(bad, Failed)
    assert isinstance(bad.error, Refuse)
    assert list(bad.error.fields) == ["LastName"]
    [wish] = http.sent[1]["json"]["compositeRequest"]
    assert wish["url"] == "/services/data/v62.0/composite/sobjects/Lead/HUB_ID__c"


@pytest.mark.parametrize(
    ("name", "error"), [("error_400_duplicates.json", Conflict), ("error_400_required.json", Refuse)]
)
def test_a_refused_collection(name: str, error: type[Exception]) -> None:
    crm, _ = connect(composite(told(name), 400))
    [outcome] = crm.write([Op(LEADS, {"LastName": "Doe"})])
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, error)


def test_a_used_up_day_and_a_dead_token() -> None:
    with pytest.raises(Retry, match="used up"):
        connect((told("error_403_limit.json"), 403))[0].check()
    with pytest.raises(Pause):
        connect((told("error_401.json"), 401))[0].check()


def test_a_token_is_asked_for_and_renewed() -> None:
    grant = (told("oauth_token_answer.json"), 200)
    answers = [grant, (told("error_401.json"), 401), grant, ({"records": [{"Id": "00D1", "Name": "Acme"}]}, 200)]
    crm, http = connect(*answers, client_secret="s")
    assert crm.check().fingerprint == "00D1"
    assert [one["url"].rpartition("/")[2] for one in http.sent] == ["token", "query", "token", "query"]
    assert http.sent[3]["headers"]["Authorization"] == f"Bearer {told('oauth_token_answer.json')['access_token']}"
