"""Bad mails, one by one: what must become of them. The numbers are those of the catalogue of bad inputs.

A mail is never refused: it is an inquiry, or it waits in quarantine with a reason.
"""

from __future__ import annotations

import base64
import json
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.contract import Draft, DraftKind, Raw
from connectors.sources.email import Email, mailbox
from connectors.sources.email.charsets import decode, decode_header

RECEIVED = datetime(2026, 2, 1, 9, 30, tzinfo=UTC)
HEAD = "From: Vera <vera@example.com>\nTo: sales@hub.test\nDate: Sun, 01 Feb 2026 09:00:00 +0000\n"
OWN = "Message-ID: <m1@example.com>\n"
MIXED = 'Subject: hi\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="b"\n\n'
PLAIN = "Subject: hi\n\n"


def source(**told: str) -> Email:
    return Email({"user": "sales@hub.test", **told}, {})


def read(mail: str | bytes, **told: str) -> Draft:
    raw = Raw(mail if isinstance(mail, bytes) else mail.encode(), RECEIVED, method="IMAP")
    (draft,) = source(**told).parse(raw)
    assert draft.key == source(**told).delivery(raw)
    return draft


def b64(text: str | bytes) -> str:
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


# ── which mail is which ──────────────────────────────────────────────────────────────────────────


def test_089_without_message_id_the_text_tells_mails_apart() -> None:
    first, again, other = (read(HEAD + PLAIN + text) for text in ("hello", "hello", "hello there"))
    assert first.key == again.key != other.key
    assert read(HEAD.replace("09:00", "09:01") + PLAIN + "hello").key != first.key
    assert first.thread == ()


def test_090_one_message_id_and_two_texts_are_two() -> None:
    assert read(OWN + HEAD + PLAIN + "hello").key != read(OWN + HEAD + PLAIN + "goodbye").key


def test_091_one_mail_in_two_mailboxes_is_one() -> None:
    here = "Delivered-To: sales@hub.test\nReceived: by a.test; Sun, 01 Feb 2026 09:00:01 +0000\n"
    there = "Delivered-To: info@hub.test\nX-Spam-Status: No\n"
    mail = OWN + HEAD + PLAIN + "hello\n"
    assert read(here + mail).key == read((there + mail).replace("\n", "\r\n") + "\r\n").key


def test_102_a_reply_to_an_old_thread_names_it() -> None:
    asked = read(OWN + HEAD + PLAIN + "how much?")
    answer = "In-Reply-To: <m2@hub.test>\nReferences: <m1@example.com> <m2@hub.test>\nMessage-ID: <m3@example.com>\n"
    thread = read(answer + HEAD + PLAIN + "fine").thread
    assert thread == ("mail:m3@example.com", "mail:m2@hub.test", "mail:m1@example.com")
    assert set(asked.thread) & set(thread)
    assert read(HEAD + "Subject: Re: [L-7GK2M9QX] kitchen\n\nfine").thread == ("mail:L-7GK2M9QX",)


def test_103_other_numbers_start_the_folder_anew() -> None:
    old = mailbox.Cursor.load(json.dumps({"uidvalidity": 1, "uidnext": 500}))
    assert mailbox._here({b"UIDVALIDITY": 1}, old) == old
    assert mailbox._here({b"UIDVALIDITY": 2}, old) == mailbox.Cursor(2, 1)
    # Reading again gives the same deliveries: test_source_email.py does it on real servers.


# ── who is no lead ───────────────────────────────────────────────────────────────────────────────

REPORT = (
    'Content-Type: multipart/report; report-type={0}; boundary="b"\n\n--b\nContent-Type: message/{0}\n\nx: y\n--b--\n'
)


@pytest.mark.parametrize(
    ("mail", "why"),
    [
        ("Auto-Submitted: auto-replied\nSubject: Re: hi\n\nI am away", "auto-reply"),
        ("X-Apple-Action: VACATION\nSubject: Re: hi\n\nI am away", "auto-reply"),
        ("Subject: =?utf-8?b?" + b64("Автоответ: в отпуске") + "?=\n\nв отпуске", "auto-reply"),
        ("Subject: hi\n" + REPORT.format("delivery-status"), "bounce"),
        ("X-Failed-Recipients: a@b.test\nSubject: hi\n\nnot delivered", "bounce"),
        ("Subject: Undelivered Mail Returned to Sender\n\nsorry", "bounce"),
        ("Subject: hi\n" + REPORT.format("disposition-notification"), "receipt"),
        ("Subject: hi\n" + REPORT.format("feedback-report"), "complaint"),
        ("Subject: call\nContent-Type: text/calendar; method=REQUEST\n\nBEGIN:VCALENDAR", "calendar"),
        ("List-Unsubscribe: <https://news.example.com/off>\nSubject: sale\n\nbuy", "list"),
        ("Precedence: bulk\nSubject: sale\n\nbuy", "list"),
        ("X-Spam-Flag: YES\nSubject: pills\n\nbuy", "spam"),
        ("Return-Path: <>\nSubject: hi\n\nbeep", "sent by a machine"),
    ],
)
def test_092_robots_wait_in_quarantine(mail: str, why: str) -> None:
    draft = read(HEAD + mail)
    assert draft.kind is DraftKind.QUARANTINE
    assert draft.why.startswith(why)


@pytest.mark.parametrize("harmless", ["Auto-Submitted: no\n", "X-Auto-Response-Suppress: All\n", "X-Spam-Flag: NO\n"])
def test_092_headers_that_people_send_too_do_no_harm(harmless: str) -> None:
    assert read(HEAD + harmless + PLAIN + "hello").kind is DraftKind.INQUIRY


def test_093_our_own_mail_opens_nothing() -> None:
    draft = read(HEAD + "X-Lead-Hub: notice\n" + PLAIN + "a new lead")
    assert (draft.kind, draft.why) == (DraftKind.QUARANTINE, "our own mail came back")


FORWARD = "From: Petr <petr@hub.test>\nSubject: Fwd: kitchen\n\nplease take\n\n"


@pytest.mark.parametrize(
    "block",
    [
        "------ Forwarded Message ------\nSubject: kitchen\nFrom: Olga <olga@example.org>\nTo: p@hub.test\n\nhello",
        "От: Olga <olga@example.org>\nОтправлено: 31 января 2026\nКому: petr@hub.test\nТема: kitchen\n\nhello",
        "---------- Forwarded message ---------\nОт: Olga <olga@example.org>\nDate: Sat\n\nhello",
        "Begin forwarded message:\n\nFrom: Olga <olga@example.org>\nDate: Sat\n\nhello",
    ],
)
def test_094_a_colleague_forwards_a_lead(block: str) -> None:
    draft = read(FORWARD + block)
    assert (draft.kind, draft.person.name, draft.person.emails) == (DraftKind.INQUIRY, "Olga", ("olga@example.org",))
    assert "hello" in draft.text
    stranger = read(FORWARD.replace("hub.test", "example.net") + block)
    assert stranger.person.emails == ("petr@example.net",)


def test_094_as_an_attached_mail() -> None:
    inner = "From: Olga <olga@example.org>\nSubject: kitchen\n\nhello"
    draft = read(f"From: petr@hub.test\n{MIXED}--b\nContent-Type: message/rfc822\n\n{inner}\n--b--\n")
    assert (draft.person.emails, draft.text) == (("olga@example.org",), "hello")


def test_094_without_a_first_sender_it_waits() -> None:
    draft = read(FORWARD + "somebody called")
    assert draft.kind is DraftKind.QUARANTINE
    assert "who wrote first" in draft.why


def test_104_a_changed_template_waits_and_says_what_is_missing() -> None:
    form = {"forms": "site@shop.test = Name, Phone"}
    mail = "From: site@shop.test\nReply-To: Oleg <oleg@example.org>\nAuto-Submitted: auto-generated\nSubject: new\n\n"
    good = read(mail + "Name: Oleg\nPhone: +7 916 123-45-07\nColour: white", **form)
    assert (good.kind, good.form, good.person.emails) == (DraftKind.INQUIRY, "site@shop.test", ("oleg@example.org",))
    assert good.fields["Colour"] == "white"
    changed = read(mail + "Name: Oleg\nMobile: +7 916 123-45-07", **form)
    assert (changed.kind, changed.why.partition(":")[0]) == (DraftKind.QUARANTINE, "template changed")
    assert "Phone" in changed.why
    assert changed.fields["Mobile"] == "+7 916 123-45-07"


# ── what it says ─────────────────────────────────────────────────────────────────────────────────

HTML = "--b\nContent-Type: text/html; charset=utf-8\n\n<style>p{}</style><p>Good <b>day</b></p>\n"


@pytest.mark.parametrize(
    ("mail", "kind", "text"),
    [
        (MIXED + HTML + "--b--", DraftKind.INQUIRY, "Good day"),
        (MIXED + "--b\nContent-Type: text/plain\n\n \n" + HTML + "--b--", DraftKind.INQUIRY, "Good day"),
        (MIXED + "--b\nContent-Type: application/pdf; name=plan.pdf\n\n%PDF\n--b--", DraftKind.INQUIRY, ""),
        (
            MIXED + "--b\nContent-Type: text/plain\n\nhi\n--b\nContent-Type: application/ms-tnef\n\nx\n--b--",
            "inquiry",
            "hi",
        ),
        ("Subject: hi\nContent-Type: application/ms-tnef; name=winmail.dat\n\nx", DraftKind.QUARANTINE, ""),
        ("Subject: hi\nContent-Type: application/pkcs7-mime; smime-type=enveloped-data\n\nx", "quarantine", ""),
        ('Subject: hi\nContent-Type: multipart/encrypted; boundary="b"\n\n--b\n\n--b--', DraftKind.QUARANTINE, ""),
        ("Subject: hi\nContent-Type: multipart/mixed\n\nno boundary at all", DraftKind.INQUIRY, "no boundary at all"),
        ("\n\n", DraftKind.QUARANTINE, ""),
    ],
)
def test_095_the_best_text_there_is(mail: str, kind: str, text: str) -> None:
    draft = read(HEAD + mail)
    assert (draft.kind, draft.text) == (kind, text)
    assert bool(draft.why) is (draft.kind is DraftKind.QUARANTINE)


TEXT = "Content-Type: text/plain; charset={}\nContent-Transfer-Encoding: {}\n\n"


@pytest.mark.parametrize(
    ("charset", "encoding", "body"),
    [
        ("x-unknown", "8bit", "Добрый день, нужна смета".encode("cp1251")),
        ("us-ascii", "8bit", "Добрый день, нужна смета".encode()),
        ("utf-8", "base64", "Добрый день, нужна смета".encode()),
        ("utf-8", "base64", b64("Добрый день, нужна смета.").encode()[:-3]),
        ("utf-8", "x-martian", "Добрый день, нужна смета".encode()),
        ("koi8-r", "quoted-printable", "Добрый день, =ZZ нужна смета".encode("cp1251")),
        ("utf-8", "8bit", "Добрый день, \u0442".encode()[:-1] + b" \xd0\xbd\xd1\x83\xd0\xb6\xd0\xbd\xd0\xb0"),
    ],
)
def test_096_a_wrong_label_costs_a_flag_and_no_lead(charset: str, encoding: str, body: bytes) -> None:
    draft = read((HEAD + "Subject: hi\n" + TEXT.format(charset, encoding)).encode() + body)
    assert draft.kind is DraftKind.INQUIRY
    if charset != "koi8-r":  # every byte is a letter of koi8-r: what lies consistently cannot be noticed
        assert "Добрый день" in draft.text
        assert "guessed_charset" in draft.flags


@pytest.mark.parametrize("charset", ["utf-8", "utf-16", "gb18030", "euc-jp"])
def test_097_words_cut_inside_a_letter(charset: str) -> None:
    data = "Кухня".encode(charset)
    words = [f"=?{charset}?B?{b64(data[:3])}?=", f"=?{charset}?q?{''.join(f'={byte:02x}' for byte in data[3:])}?="]
    assert read(HEAD + "Subject: " + "\n ".join(words) + "\n\nhi").subject == "Кухня"


@pytest.mark.parametrize("broken", ["=?utf-8?B?0J/RgNC40LLQtdGC", "=?utf-8?X?zz?=", "=?x?Q?=D0?=", "=?utf-8?Q?=ZZ?="])
def test_097_broken_words_stay_readable(broken: str) -> None:
    assert read(HEAD + f"Subject: {broken}\n\nhi").kind is DraftKind.INQUIRY


def nested(depth: int) -> str:
    opened = "".join(f'Content-Type: multipart/mixed; boundary="b{n}"\n\n--b{n}\n' for n in range(depth))
    return "Subject: hi\n" + opened + "Content-Type: text/plain\n\ndeep\n"


@pytest.mark.parametrize(
    "mail",
    [
        f"Subject: {'long ' * 20_000}\n\nhi",
        "Subject: hi\n" + "X-Filler: x\n" * 10_000 + "\nhi",
        MIXED + "--b\nContent-Type: text/plain\n\nx\n" * 5_000 + "--b--",
        nested(500),
        nested(5_000),
    ],
    ids=["subject of 100 KB", "10,000 headers", "5,000 parts", "500 deep", "5,000 deep"],
)
def test_098_mails_built_to_hurt_wait(mail: str) -> None:
    began = time.process_time()
    draft = read(HEAD + mail)
    assert time.process_time() - began < 10
    assert draft.kind is DraftKind.QUARANTINE
    assert draft.why.startswith("too big to be read")
    assert draft.person.emails == ("vera@example.com",)
    assert len(draft.subject) <= 1000


@pytest.mark.parametrize(
    "text", ["\n" * 200_000, "- " * 100_000, "> " * 90_000, "On 1:11 <a@b> " * 9_000, "a:" * 90_000]
)
@pytest.mark.parametrize("kind", ["plain", "plain; format=flowed", "html"])
def test_098_long_texts_take_no_long_time(text: str, kind: str) -> None:
    began = time.process_time()
    draft = read(HEAD + f"Subject: Fwd: hi\nContent-Type: text/{kind}\n\nx {text} y")
    assert time.process_time() - began < 5
    assert len(draft.text) <= 200_000


def test_099_an_attachment_left_behind_is_named() -> None:
    file = "--b\nContent-Type: application/zip; name=plans.zip\nX-Lead-Hub-Skipped: 52428800\n\n\n"
    draft = read(HEAD + MIXED + "--b\nContent-Type: text/plain\n\nsee the plans\n" + file + "--b--")
    assert (draft.kind, draft.text) == (DraftKind.INQUIRY, "see the plans")
    (left,) = draft.files
    assert (left.name, left.size, left.skipped) == ("plans.zip", 52428800, "left in the mailbox: too big")


@pytest.mark.parametrize(
    ("date", "flag"),
    [
        ("Date: Fri, 01 Jan 2099 00:00:00 +0000\n", "date_in_future"),
        ("Date: Mon, 30 Jun 3609 15:33:50 +0600\n", "date_in_future"),
        ("", "date_missing"),
        ("Date: yesterday\n", "date_unreadable"),
        ("Date: Thu, 01 Jan 1970 00:00:00 +0000\n", "date_unreadable"),
        ("Date: Sun, 99 Foo 2026 99:99:99 +9999\n", "date_unreadable"),
    ],
)
def test_100_a_date_that_cannot_be_is_the_arrival(date: str, flag: str) -> None:
    draft = read(f"From: vera@example.com\n{date}{PLAIN}hello")
    assert (draft.occurred_at, draft.flags) == (RECEIVED, (flag,))


def test_101_a_forged_sender_is_flagged() -> None:
    verdict = "Authentication-Results: mx.hub.test; dmarc={} header.from=example.com\n"
    assert read(verdict.format("fail") + HEAD + PLAIN + "hi").flags == ("dmarc_fail",)
    # Only the topmost is our own server's word; the ones below came with the mail.
    assert read(verdict.format("pass") + verdict.format("fail") + HEAD + PLAIN + "hi").flags == ()


def test_105_nothing_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a mail made us open a connection")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)
    html = '<!DOCTYPE html SYSTEM "http://127.0.0.1:1/x.dtd"><link rel=stylesheet href="http://127.0.0.1:1/x.css">'
    html += '<p>hello</p><img src="http://127.0.0.1:1/pixel.gif"><object data="file:///etc/passwd"></object>'
    draft = read(HEAD + f"Subject: hi\nContent-Type: text/html\n\n{html}")
    assert draft.text == "hello"


# ── whatever comes ───────────────────────────────────────────────────────────────────────────────


@settings(max_examples=200, deadline=None)
@given(st.text(), st.sampled_from(["utf-8", "koi8-r", "cp1251", "utf-16", "gb18030", "iso2022_jp", "nonsense", ""]))
def test_decoding_never_fails(text: str, charset: str) -> None:
    data = text.encode("utf-8", "replace")
    assert isinstance(decode(data, charset)[0], str)
    assert isinstance(decode_header(f"=?{charset}?B?{b64(data)}?= {text}"), str)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(MIXED.splitlines(True) + HTML.splitlines(True) + HEAD.splitlines(True)), max_size=30))
def test_shuffled_mails_become_one_draft(lines: list[str]) -> None:
    draft = read("".join(lines))
    assert draft.kind in (DraftKind.INQUIRY, DraftKind.QUARANTINE)
    assert bool(draft.why) is (draft.kind is DraftKind.QUARANTINE)
