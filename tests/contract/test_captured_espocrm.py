"""EspoCRM over samples of its documentation. They stay outside the repository; without them this is skipped."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from connectors.contract import Evidence, Failed, Hint, Op, Raw
from connectors.crms.espocrm import EspoCRM
from connectors.crms.espocrm.hooks import signature
from connectors.errors import Conflict, Unverified
from connectors.http import Received

SAMPLES = Path(__file__).parents[2].parent / "shared/facts/crm/samples/espocrm"
AT = datetime(2026, 5, 27, tzinfo=UTC)

pytestmark = pytest.mark.skipif(not SAMPLES.is_dir(), reason="samples of EspoCRM are not here")


class Recorded:
    """An `Http` that answers from sample bodies."""

    def __init__(self, *answers: tuple[Any, int]) -> None:
        self.answers = list(answers)
        self.sent: list[tuple[str, dict[str, str]]] = []

    def send(self, method: str, url: str, *, params: Sequence[tuple[str, str]] | None = None, **given: Any) -> Received:
        self.sent.append((f"{method} {url}", dict(params or ())))
        body, status = self.answers.pop(0)
        headers = {"date": "Wed, 27 May 2026 09:00:00 GMT", "x-status-reason": "duplicate" if status == 409 else ""}
        return Received(status, headers, json.dumps(body).encode())


Connect = Callable[..., tuple[EspoCRM, Recorded]]


@pytest.fixture
def connect() -> Connect:
    def make(*answers: tuple[Any, int]) -> tuple[EspoCRM, Recorded]:
        http = Recorded(*answers)
        return EspoCRM({"address": "crm.northwind.test", "duplicates": "refuse"}, {"key": "k"}, http), http

    return make


def told(name: str) -> Any:
    return json.loads((SAMPLES / name).read_bytes())


def test_it_claims_no_more_than_this() -> None:
    assert EspoCRM.evidence is Evidence.DOCUMENTED


def test_a_page_of_leads(connect: Connect) -> None:
    crm, http = connect((told("list_answer.json"), 200))
    changes = crm.changes("Lead", "1779868800")
    [row], [lead] = told("list_answer.json")["list"], changes.records
    assert (lead.ref, lead.values["status"]) == (row["id"], row["status"])
    assert lead.updated_at == datetime(2026, 5, 27, 8, 0, 1, tzinfo=UTC)
    assert "phones" not in lead.values
    assert not changes.more
    assert http.sent[0][0] == "GET https://crm.northwind.test/api/v1/Lead"
    assert http.sent[0][1]["where[0][value]"] == "2026-05-27 07:59:59"


def test_a_duplicate_is_named(connect: Connect) -> None:
    crm, _ = connect((told("error_409_duplicate.json"), 409))
    [outcome] = crm.write([Op("Lead", {"lastName": "Doe"})])
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, Conflict)
    assert outcome.error.ref == told("error_409_duplicate.json")[0]["id"]


def test_the_signature_of_a_hook(connect: Connect) -> None:
    vector, hook = told("webhook_signature_vector.json"), told("webhook_create_answer.json")
    body = vector["raw_body"].encode()
    assert signature(vector["webhook_id"], vector["secret_key"], body) == vector["Signature"]
    crm, _ = connect((hook, 200))
    raw = Raw(body, AT, {"signature": vector["Signature"]})
    assert crm.touched(raw) == [Hint("Lead", told("webhook_update.json")[0]["id"])]
    with pytest.raises(Unverified):
        crm.touched(Raw(body.replace(b"In Process", b"Dead"), AT, raw.headers))
