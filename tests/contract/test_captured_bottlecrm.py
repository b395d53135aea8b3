"""What a running BottleCRM answered once, read: lists, a converted lead, refusals, a signed webhook."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from connectors.contract import Failed, Hint, Op, Raw
from connectors.crms.bottlecrm import BottleCRM
from connectors.errors import ConnectorError, Missing, Pause, Refuse
from connectors.http import Received

DATE = {"date": "Sun, 22 Nov 2026 01:30:00 GMT"}


class Captured:
    """A wire that answers with captured bodies, by the end of the path."""

    def __init__(self, folder: Path, **names: str) -> None:
        self.folder, self.names = folder, names

    def send(self, method: str, url: str, **_: Any) -> Received:
        name = next(name for end, name in self.names.items() if url.rstrip("/").endswith(end))
        told = json.loads((self.folder / f"{name}.json").read_text(encoding="utf-8"))
        return Received(told["_http_status"], DATE, json.dumps(told["body"]).encode())


@pytest.fixture
def folder(samples: Path) -> Path:
    return samples / "crm" / "samples" / "bottlecrm"


def crm(folder: Path, **names: str) -> BottleCRM:
    return BottleCRM({"address": "https://crm.example.com"}, {"token": "t", "hook_secret": "whsec_SAMPLE"},
                     Captured(folder, **names))  # fmt: skip


def test_lists_are_read(folder: Path) -> None:
    told = crm(folder, opportunities="opportunities_list", contacts="contacts_list")
    deals = told.changes("opportunities", "").records
    assert deals
    assert all(one.values["stage"] for one in deals)
    assert {one.updated_at for one in deals} == {None}, "nothing shows when they changed"
    people = told.changes("contacts", "").records
    assert [one.values["hub_emails"] for one in people if one.values["hub_emails"]]


def test_a_lead_is_read(folder: Path) -> None:
    [record] = crm(folder, **{"57915a19-7da9-4eb9-848b-6aa4be8a4ac5": "lead_get"}).get(
        "leads", ["57915a19-7da9-4eb9-848b-6aa4be8a4ac5"]
    )
    assert record is not None
    assert (record.values["status"], record.values["email"]) == ("in process", "s@example.com")


@pytest.mark.parametrize(
    ("sample", "error", "fields"),
    [
        ("error_400_choice", Refuse, {"status"}), ("error_400_duplicate_email", Refuse, {"email"}),
        ("error_400_convert_twice", Refuse, {"status"}), ("error_400_json", Refuse, set()),
        ("error_404", Missing, None),
    ],
)  # fmt: skip
def test_refusals_are_named(folder: Path, sample: str, error: type[ConnectorError], fields: set[str] | None) -> None:
    ref = "57915a19-7da9-4eb9-848b-6aa4be8a4ac5"
    [outcome] = crm(folder, **{ref: sample}).write([Op("leads", {"title": "x"}, ref=ref)])
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, error)
    if isinstance(outcome.error, Refuse):
        assert set(outcome.error.fields) == fields


def test_a_bad_token_is_told(folder: Path) -> None:
    with pytest.raises(Pause):
        crm(folder, settings="error_403_bad_token").check()


def test_a_signed_webhook_is_a_hint(folder: Path) -> None:
    told = json.loads((folder / "webhook_lead_created_signature_vector.json").read_text(encoding="utf-8"))
    head = {name.lower(): value for name, value in told["headers"].items()}
    at = int(head["x-bottlecrm-signature"].partition(",")[0].removeprefix("t="))
    raw = Raw(told["raw_body"].encode(), datetime.fromtimestamp(at + 5, UTC), head)
    ref = json.loads(told["raw_body"])["data"]["id"]
    assert list(crm(folder).touched(raw)) == [Hint("leads", ref)]
