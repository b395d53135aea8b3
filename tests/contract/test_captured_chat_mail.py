"""Telegram and mail against messages captured from real programs, read in place: they do not belong to us.

The class of each mail (person, bounce, list …) comes from the collection itself, `EXPECTED.json`; senders, subjects
and a phrase of the decoded text stand in `captured_chat_mail.json`, written by reading the mails.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from connectors.contract import Draft, DraftKind, Raw
from connectors.errors import Unverified
from connectors.sources.email import Email, quotes
from connectors.sources.telegram import Telegram

SAMPLES = Path(__file__).parents[3] / "shared/facts/channels/samples"
EXPECTED: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("captured_chat_mail.json").read_text("utf-8"))
MAILS, UPDATES = EXPECTED["email"], EXPECTED["telegram"]
RECEIVED = datetime(2026, 2, 1, 9, 30, tzinfo=UTC)

pytestmark = pytest.mark.skipif(not SAMPLES.is_dir(), reason="captured messages are not beside the repository")

REASONS = {
    "auto-reply": ("auto-reply",),
    "bounce": ("bounce",),
    "complaint": ("complaint",),
    "list": ("list",),
    "receipt": ("receipt",),
    "spam": ("spam", "list"),  # 04 is spam by its words; what its headers say is Precedence: bulk
}


@cache
def classes() -> dict[str, str]:
    told = json.loads((SAMPLES / "email/EXPECTED.json").read_text("utf-8"))
    return {name.removeprefix("email/"): mail["class"] for name, mail in told.items()}


@cache
def read(name: str) -> Draft:
    (draft,) = Email({"user": "sales@hub.test"}, {}).parse(Raw((SAMPLES / "email" / name).read_bytes(), RECEIVED))
    return draft


def test_every_captured_mail_is_judged() -> None:
    assert {path.name for path in (SAMPLES / "email").glob("*.eml")} == set(MAILS)


@pytest.mark.parametrize("name", MAILS)
def test_people_open_leads_and_robots_do_not(name: str) -> None:
    draft, meant = read(name), classes()[name]
    if meant.startswith("person"):
        assert (draft.kind, draft.why) == (DraftKind.INQUIRY, "")
    else:
        assert draft.kind is DraftKind.QUARANTINE
        assert draft.why.startswith(REASONS[meant])


@pytest.mark.parametrize("name", MAILS)
def test_a_mail_is_decoded(name: str) -> None:
    draft, expected = read(name), MAILS[name]
    assert (draft.person.emails or ("",))[0] == expected["from"]
    assert draft.subject == expected["subject"]
    assert expected["text"] in draft.text
    if expected.get("whole"):
        assert draft.text == expected["text"]
        assert draft.fields["full_text"] != expected["text"]


@pytest.mark.parametrize("name", [name for name in MAILS if name[:2] in ("02", "10", "26", "43", "48")])
def test_a_reply_names_the_mails_it_answers(name: str) -> None:
    assert len(read(name).thread) > 1


@pytest.mark.parametrize(("number", "origin"), [("24", "isp.example.com"), ("49", "company.ru"), ("51", "Nikola <")])
def test_a_forwarded_mail_says_who_wrote_first(number: str, origin: str) -> None:
    (found,) = [read(name) for name in MAILS if name.startswith(number)]
    assert origin in found.fields["forwarded_from"]


def test_a_colleague_forwards_for_somebody_else() -> None:
    raw = Raw((SAMPLES / "email/51-helpdesk-utf-nondecodable.eml").read_bytes(), RECEIVED)
    (draft,) = Email({"own": "hqir.mnobe@example.cz"}, {}).parse(raw)
    assert (draft.person.name, draft.person.emails) == ("Nikola", ("figdgf@example.cz",))


def test_a_russian_reply_without_headers_loses_its_quotation() -> None:
    cut = quotes.reply((SAMPLES / "email/61-crisp-email-russian.txt").read_text("utf-8"))
    assert cut.startswith("Fusce bibendum")
    assert cut.endswith("nec nibh.")


def captured(name: str) -> tuple[Telegram, Raw]:
    told = json.loads((SAMPLES / f"telegram/{name}.headers.json").read_text("utf-8"))
    headers = {header.lower(): value for header, value in told["headers"].items()}
    raw = Raw((SAMPLES / f"telegram/{name}.json").read_bytes(), RECEIVED, headers)
    return Telegram({"receive": "webhook"}, {"secret_token": told["verify_with"]["secret_token"]}), raw


@pytest.mark.parametrize("name", UPDATES)
def test_a_captured_update(name: str) -> None:
    expected = UPDATES[name]
    source, raw = captured(name)
    source.verify(raw)
    drafts = source.parse(raw)
    assert [draft.kind.value for draft in drafts] == expected["kinds"]
    for draft in drafts:
        assert expected["text"] in draft.text
        assert draft.person.attested_phones == draft.person.phones == tuple(expected.get("phones", ()))
        assert draft.touch.utm.get("campaign", "") == expected.get("campaign", "")


def test_a_captured_update_with_another_secret() -> None:
    _, raw = captured("01-contact-own-number")
    with pytest.raises(Unverified):
        Telegram({}, {"secret_token": "tg-secret_2"}).verify(raw)
