"""The bad-input catalogue through the whole hub: forms (1-50), people (51-88), mails (89-105).

How each input is read is tested where it is read (tests/contract, tests/identity, tests/mappings); here is what
becomes of it: the answer, the stored event, its state, and whether there is a lead. Verdicts:

S  stored, and a lead that shows the values        K  the same, and a flag says what had to be kept as it was
Q  stored, no lead, waits where somebody sees it   R  refused with a 4xx, nothing stored
N  as S, and the text is untouched: plain data, never evaluated
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import TestResponse

from connectors.contract import Polled, Raw
from hub.clock import DAY, instant
from hub.intake.connections import Live
from hub.model import contact, contact_point, event, event_work, inquiry, journal, lead, match_key
from tests.whole import FORM, JSON, Whole

MULTIPART = "multipart/form-data; boundary=xx"


@dataclass(frozen=True)
class Seen:
    """What the hub holds after a case."""

    whole: Whole
    answers: Sequence[TestResponse]

    @property
    def inquiries(self) -> Sequence[Any]:
        return self.whole.rows(inquiry)

    @property
    def leads(self) -> Sequence[Any]:
        return self.whole.rows(lead)

    def person(self, name: str) -> Any:
        return self.inquiries[0].person[name]

    @property
    def fields(self) -> Any:
        return self.inquiries[0].fields

    @property
    def points(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for row in self.whole.rows(contact_point):
            found.setdefault(row.kind, []).append(row.value)
        return found

    @property
    def keys(self) -> set[str]:
        return {row.kind for row in self.whole.rows(match_key)}

    @property
    def flags(self) -> set[str]:
        rows = [*self.inquiries, *self.whole.rows(contact_point)]
        return {flag for row in rows for flag in row.flags}


Check = Callable[[Seen], Any]


@dataclass(frozen=True)
class Case:
    """One input. `bodies` are sent in order; `flag` is asked for by K."""

    number: int
    what: str
    verdict: str
    bodies: tuple[bytes, ...]
    kind: str = FORM
    connector: str = "webform"
    check: Check = lambda _: True
    flag: str = ""
    region: str = "RU"
    headers: tuple[tuple[str, str], ...] = ()
    config: tuple[tuple[str, Any], ...] = ()
    settings: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return f"{self.number:03} {self.what}"


def case(number: int, what: str, verdict: str, *bodies: bytes | str, **rest: Any) -> Case:
    return Case(number, what, verdict, tuple(b.encode() if isinstance(b, str) else b for b in bodies), **rest)


def as_json(number: int, what: str, verdict: str, body: bytes | str, connector: str = "webhook", **rest: Any) -> Case:
    return case(number, what, verdict, body, kind=JSON, connector=connector, **rest)


def person(number: int, what: str, verdict: str, **rest: Any) -> Case:
    """A filled web form as JSON; names of the form's own fields go into it, the rest says what to expect."""
    own = ("name", "phone", "email", "message", "company")
    fields = {"name": "Anna Serova", **{name: rest.pop(name) for name in own if name in rest}, **rest.pop("more", {})}
    return as_json(number, what, verdict, json.dumps(fields), "webform", **rest)


def first(name: str, value: Any) -> Check:
    return lambda seen: seen.person(name) == value


def field(name: str, value: Any) -> Check:
    return lambda seen: seen.fields[name] == value


def phones(*values: str) -> Check:
    return lambda seen: sorted(seen.points.get("phone", [])) == sorted(values)


def emails(*values: str) -> Check:
    return lambda seen: sorted(seen.points.get("email", [])) == sorted(values)


def no_key(kind: str) -> Check:
    return lambda seen: kind not in seen.keys


def leads(count: int, inquiries: int) -> Check:
    return lambda seen: (len(seen.leads), sum(row.inquiries for row in seen.leads)) == (count, inquiries)


NASTY = "<script>alert(1)</script> {{7*7}} ${7} #{7} <%=7%> =cmd|'/C calc'!A0 '); DROP TABLE lead;--"
CODE = [(24, "html", "<script>alert(1)</script>"), (25, "templates", "{{7*7}}${7*7}#{7*7}<%=7*7%>=cmd|' /C calc'!A0"),
        (26, "sql", "Robert'); DROP TABLE lead;--")]  # fmt: skip
PART = b'--xx\r\nContent-Disposition: form-data; name="%b"%b\r\n\r\n%b\r\n'


def parts(*told: tuple[bytes, bytes, bytes]) -> bytes:
    """A multipart body of (name, further parameters, content)."""
    return b"".join(PART % one for one in told) + b"--xx--\r\n"


def with_file(name: str, content: bytes) -> bytes:
    return parts((b"name", b"", b"Anna"), (b"f", f'; filename="{name}"'.encode(), content))


FORMS: list[Case] = [
    case(1, "empty", "R", b""),
    case(1, "spaces", "R", b"  \r\n"),
    as_json(2, "empty object", "Q", "{}"),
    as_json(2, "unknown keys", "Q", '{"zz":1,"yy":"2"}'),
    as_json(3, "list", "Q", "[]"),
    as_json(3, "text", "Q", '"x"'),
    as_json(3, "null", "Q", "null"),
    as_json(3, "number", "Q", "42"),
    as_json(4, "500 leads", "S", json.dumps([{"name": f"P{n}", "phone": f"+7916{n:07}"} for n in range(500)]),
            check=leads(500, 500)),
    as_json(4, "one bad among them", "S", '[{"name":"Anna"},7,{"name":"Ivan"}]',
            check=lambda s: sorted(row.decision for row in s.inquiries) == ["new_lead", "new_lead", "quarantined"]),
    as_json(5, "cut, anonymous", "R", '{"name":"A","pho'),
    as_json(5, "cut, from one who can prove it", "Q", '{"name":"A","pho', settings=(("check", "token"),),
            headers=(("X-Webhook-Secret", "s"),)),
    as_json(6, "trailing comma", "R", '{"name":"A",}'),
    as_json(6, "single quotes", "R", "{'name':'A'}"),
    as_json(7, "byte order mark", "S", b'\xef\xbb\xbf{"name":"Anna"}', check=first("name", "Anna")),
    as_json(8, "utf-16", "K", '{"имя":"Анна"}'.encode("utf-16"), flag="charset:utf-16", check=first("name", "Анна")),
    case(8, "windows-1251", "K", "name=Анна&message=Добрый день".encode("cp1251"), flag="charset:cp1251",
         check=first("name", "Анна")),
    case(9, "mixed", "K", "name=Анна&message=".encode() + "Привет".encode("cp1251"), flag="mixed_charset",
         check=lambda s: s.inquiries[0].text == "Привет"),
    as_json(10, "half a pair", "K", '{"name":"A\\ud83d"}', flag="unstorable_character", check=first("name", "A\ufffd")),
    as_json(11, "NUL", "K", '{"name":"A\\u0000b"}', flag="unstorable_character", check=first("name", "A\ufffdb")),
    as_json(12, "NaN", "K", '{"name":"Anna","x":NaN}', flag="not_a_number", check=field("x", "NaN")),
    as_json(12, "1e400", "K", '{"name":"Anna","x":1e400}', flag="big_number", check=field("x", "1e400")),
    as_json(13, "5000 digits", "K", '{"name":"Anna","x":' + "9" * 5000 + "}", flag="big_number",
            check=field("x", "9" * 5000)),
    as_json(14, "past 2^63", "S", '{"name":"Anna","x":9223372036854775808}', check=field("x", "9223372036854775808")),
    as_json(15, "id as float", "K", '{"name":"Anna","x":9007199254740993.0}', flag="big_number",
            check=field("x", "9007199254740993.0")),
    as_json(16, "nested", "Q", "[" * 100_000),
    as_json(17, "10 MB in one key", "R", b'{"name":"' + b"x" * 10_000_000 + b'"}'),
    case(18, "a million keys", "R", b"a=1&" * 260_000),
    as_json(19, "a key twice", "S", '{"name":"Anna","email":"a@one.test","email":"b@two.test"}',
            check=lambda s: {"a@one.test", "b@two.test"} <= set(s.points["email"])),
    as_json(20, "case and spaces", "S", '{" NAME ":"Anna","E-Mail":"a@one.test"}', check=first("name", "Anna")),
    as_json(21, "odd keys", "N", '{"name":"Anna","__proto__":"1","constructor":"2","a.b":"3","c[d]":"4"}',
            check=lambda s: [s.fields[k] for k in ("__proto__", "constructor", "a.b", "c[d]")] == ["1", "2", "3", "4"]),
    as_json(22, "number for text", "S", '{"name":5,"phone":79161234507}', check=phones("+79161234507")),
    case(23, "booleans", "S", "name=Anna&consent=нет", check=lambda s: s.inquiries[0].consent["given"] is False),
    *(as_json(n, what, "N", json.dumps({"name": code, "phone": "+79161234507", "zz": code}),
              check=lambda s, code=code: (s.person("name"), s.fields["zz"]) == (code, code)) for n, what, code in CODE),
    case(27, "path as file name", "N", with_file("../../etc/passwd", b"x"), kind=MULTIPART,
         check=lambda s: s.inquiries[0].files[0]["name"] == "passwd"),
    as_json(28, "invisible marks", "S", json.dumps({"name": "An\u200bna\u202e", "email": "a@one.test"}),
            check=first("name", "An\u200bna\u202e")),
    as_json(29, "emoji", "S", json.dumps({"name": "👩‍👩‍👧 𝕏", "zz": "👩‍👩‍👧"}), check=first("name", "👩‍👩‍👧 𝕏")),
    case(30, "NFD and NFC", "S", "name=Андрей Лосев&email=a@one.test", "name=Андреи\u0306 Лосев&email=a@one.test",
         check=leads(1, 2)),
    as_json(31, "10,000 characters", "S", json.dumps({"name": "я" * 10_000}),
            check=lambda s: (len(s.person("name")), len(s.leads[0].title)) == (10_000, 80)),
    case(32, "only spaces", "Q", "name=++&phone=%09"),
    case(33, "plus and percent", "S", "name=Anna+S&message=100%25", check=lambda s: s.inquiries[0].text == "100%"),
    case(33, "percent of nothing", "K", "name=Anna&message=%zz", flag="bad_percent"),
    case(33, "%00", "K", "name=A%00b", flag="unstorable_character"),
    case(34, "three times", "S", "name=Anna&zz=1&zz=2&zz=3", check=field("zz", ["1", "2", "3"])),
    case(35, "php", "S", "name=Anna&a[b][]=1&a[b][]=2", check=field("a.b", ["1", "2"])),
    case(36, "1,001 parts", "R", parts(*[(b"a", b"", b"1")] * 1001), kind=MULTIPART),
    case(37, "no boundary", "R", parts((b"a", b"", b"1")), kind="multipart/form-data"),
    case(37, "another boundary", "R", parts((b"a", b"", b"1")), kind="multipart/form-data; boundary=yy"),
    case(38, "files that may bite", "S", with_file("price.pdf.exe", b"MZ\0\0"), with_file("x.svg", b"<svg onload=1>"),
         with_file("empty.txt", b""), kind=MULTIPART,
         check=lambda s: {f["name"] for row in s.inquiries for f in row.files} >= {"price.pdf.exe", "x.svg"}),
    case(38, "100 MB", "R", with_file("x.zip", b"0" * 10_500_000), kind=MULTIPART),
    case(39, "json as text", "S", '{"name":"Anna"}', kind="text/plain", check=first("name", "Anna")),
    case(42, "honeypot", "Q", "name=Bot&lh_confirm=x", check=lambda s: s.answers[0].status_code == 200),
    case(42, "too fast", "Q", "name=Bot&elapsed_ms=300", check=lambda s: s.answers[0].status_code == 200),
    case(43, "five clicks", "S", *["name=Anna&phone=%2B79161234507&message=hi"] * 5,
         check=lambda s: [row.what for row in s.whole.rows(journal)].count("sent_again") == 4
         and len(s.leads) == len(s.inquiries) == 1),
    case(45, "a flood of one payload", "S", *["name=Bot&message=buy"] * 100, config=(("per_minute", 20),),
         check=lambda s: (len(s.leads), s.whole.count(event)) == (1, 100)),
    case(46, "unknown form", "S", "name=Anna&form=brand-new",
         check=lambda s: (s.leads[0].form, bool(s.leads[0].owner_id)) == ("brand-new", True)),
    case(48, "no consent", "S", "name=Anna&consent_text=I+agree",
           check=lambda s: s.inquiries[0].consent["given"] is False),
    case(49, "utm of 4 KB, twice", "S", "name=Anna&utm_source=" + "x" * 4096 + "&utm_source=y",
         check=lambda s: s.inquiries[0].touch["utm"]["source"] == "x" * 4096),
    case(50, "credentials in the referrer", "S", "name=Anna&referrer=https%3A%2F%2Fu%3Asecret%40a.test%2F&page=https://a.test",
         check=lambda s: s.inquiries[0].touch["referrer"] == "https://a.test/"),
]  # fmt: skip

PEOPLE: list[Case] = [
    person(51, "leading 8", "S", phone="8 (999) 123-45-67", check=phones("+79991234567")),
    person(52, "without country", "K", phone="8 (999) 123-45-67", region="", flag="asks_country"),
    person(53, "two in one field", "S", phone="+79991234567, +7 495 123-45-67",
           check=phones("+79991234567", "+74951234567")),
    person(54, "extension", "S", phone="+1 212 555 0123 ext. 45",
           check=lambda s: s.whole.rows(contact_point)[0].ext == "45" and phones("+12125550123")(s)),
    person(55, "full width", "S", phone="＋７ ９９９ １２３ ４５ ６７", check=phones("+79991234567")),
    person(55, "arabic", "S", phone="+٧٩٩٩١٢٣٤٥٦٧", check=phones("+79991234567")),
    person(56, "no number", "K", phone="call me after 6", flag="text", check=no_key("phone")),
    person(57, "zeros", "K", phone="+0000000", flag="fake", check=no_key("phone")),
    person(57, "running", "K", phone="1234567890", flag="fake", check=no_key("phone")),
    person(58, "8-800", "S", phone="8-800-555-35-35", check=lambda s: phones("+78005553535")(s) and no_key("phone")(s)),
    person(59, "tel:", "S", phone="tel:+79991234567", check=phones("+79991234567")),
    person(59, "00", "S", phone="0049 151 23456789", check=phones("+4915123456789")),
    person(60, "by a spreadsheet", "K", phone="7.9991E+10", flag="damaged"),
    person(61, "leading zeros", "S", phone="00491711234567", more={"zz": "00491711"},
           check=lambda s: s.fields["zz"] == "00491711" and phones("+491711234567")(s)),
    person(62, "argentine mobile", "S", phone="+54 9 11 2345-6789", check=phones("+5491123456789")),
    person(64, "as it is typed", "S", email=" mailto:ANNA@One.Test. ", check=emails("ANNA@one.test")),
    person(65, "with a name", "S", email="Anna <anna@one.test>", check=emails("anna@one.test")),
    person(66, "two spellings of a domain", "S", email="anna@пример.рф", check=lambda s: "email" in s.keys),
    person(67, "tag and dots", "S", email="An.na+shop@gmail.com", check=emails("An.na+shop@gmail.com")),
    *(person(68, what, "K", email=what, flag="bad",
           check=no_key("email")) for what in ("a..b@one.test", "a@", "@one.test")),
    person(69, "a header inside", "K", email="a@one.test\nBcc: all@two.test",
           check=lambda s: not any("\n" in value for value in s.points["email"])),
    person(70, "65 characters", "K", email="x" * 65 + "@one.test", flag="bad"),
    person(71, "disposable", "K", email="anna@mailinator.com", flag="disposable"),
    person(73, "test@test", "K", email="test@test.com", flag="fake", check=no_key("email")),
    person(74, "last name first", "S", name="Серова Анна Петровна",
           check=lambda s: (s.whole.rows(contact)[0].first_name, s.person("name")) == ("Анна", "Серова Анна Петровна")),
    person(74, "a phone in the name", "K", name="Анна 8 916 123-45-07", flag="phone_in_name",
           check=phones("+79161234507")),
    *(person(75, name, "S", name=name, phone="+79161234507",
           check=first("name", name)) for name in ("Null", "None", "N/A")),
    *(person(n, value, "N", more={"zz": value}, check=field("zz", value)) for n, value in (
        (76, "01/02/2026"), (77, "31.02.2026"), (77, "0000-00-00"), (78, "2026-01-01T24:00:00"), (79, "1770000000000"),
        (80, "2026-01-01T00:00:00.123456789Z"), (81, "2026-01-01T10:00:00"), (82, "2026-03-29T02:30:00"),
        (83, "2026-01-01"), (84, "1970-01-01"), (85, "1 234,56 ₽"), (85, "0.1"), (86, "5 XXX"),
        (87, "5%"), (88, "NaN"))),
]  # fmt: skip

HEAD = "From: Vera <vera@one.test>\nTo: sales@hub.test\nDate: Sun, 01 Feb 2026 09:00:00 +0000\n"
OWN = "Message-ID: <m1@one.test>\n"
PLAIN = "Subject: kitchen\n\n"
MIXED = 'Subject: hi\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="b"\n\n'


def mail(number: int, what: str, verdict: str, *letters: str | bytes, **rest: Any) -> Case:
    return case(number, what, verdict, *letters, connector="email", **rest)


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


MAILS: list[Case] = [
    mail(89, "no Message-ID, twice", "S", *[HEAD + PLAIN + "hello"] * 2,
         check=lambda s: (s.whole.count(event), len(s.inquiries)) == (1, 1)),
    mail(90, "one Message-ID, two texts", "S", OWN + HEAD + PLAIN + "hello", OWN + HEAD + PLAIN + "other",
         check=lambda s: len(s.inquiries) == 2 and len(s.leads) == 1),
    mail(91, "in two mailboxes", "S", "Delivered-To: a@hub.test\n" + OWN + HEAD + PLAIN + "hi",
         "Delivered-To: b@hub.test\n" + OWN + HEAD + PLAIN + "hi", check=leads(1, 1)),
    mail(92, "auto-reply", "Q", HEAD + "Auto-Submitted: auto-replied\n" + PLAIN + "away"),
    mail(92, "bounce", "Q", HEAD + "Subject: Undelivered Mail Returned to Sender\n\nsorry"),
    mail(92, "newsletter", "Q", HEAD + "List-Unsubscribe: <https://a.test>\n" + PLAIN + "buy"),
    mail(92, "invitation", "Q", HEAD + "Subject: x\nContent-Type: text/calendar; method=REQUEST\n\nBEGIN:VCALENDAR"),
    mail(93, "our own mail", "Q", HEAD + "X-Lead-Hub: notice\n" + PLAIN + "a new lead"),
    mail(94, "forwarded by a colleague", "S", "From: Petr <petr@hub.test>\nSubject: Fwd: kitchen\n\nplease take\n\n"
         "---------- Forwarded message ---------\nFrom: Olga <olga@two.test>\nDate: Sat\n\nhello",
         check=emails("olga@two.test")),
    mail(94, "without a first sender", "Q", "From: Petr <petr@hub.test>\nSubject: Fwd: kitchen\n\nsomebody called"),
    mail(95, "only html", "S", HEAD + MIXED + "--b\nContent-Type: text/html\n\n<p>Good <b>day</b></p>\n--b--",
         check=lambda s: s.inquiries[0].text == "Good day"),
    mail(95, "winmail.dat", "Q", HEAD + "Subject: hi\nContent-Type: application/ms-tnef; name=winmail.dat\n\nx"),
    mail(95, "encrypted", "Q",
         HEAD + "Subject: hi\nContent-Type: application/pkcs7-mime; smime-type=enveloped-data\n\nx"),
    mail(96, "unknown charset", "K", (HEAD + "Subject: hi\nContent-Type: text/plain; charset=x-unknown\n\n").encode()
         + "Добрый день, нужна смета".encode("cp1251"), flag="guessed_charset"),
    mail(97, "cut inside a letter", "S", HEAD + f"Subject: =?utf-8?B?{b64('Кухня')}?=\n\nhi",
         check=lambda s: s.inquiries[0].subject == "Кухня"),
    mail(98, "subject of 100 KB", "Q", HEAD + f"Subject: {'long ' * 20_000}\n\nhi"),
    mail(98, "5,000 parts", "Q", HEAD + MIXED + "--b\nContent-Type: text/plain\n\nx\n" * 5_000 + "--b--"),
    mail(98, "nesting of 500", "Q", HEAD + "Subject: x\n" + "".join(
        f'Content-Type: multipart/mixed; boundary="b{n}"\n\n--b{n}\n' for n in range(500)) + "\nx"),
    mail(99, "an attachment left behind", "S", HEAD + MIXED + "--b\nContent-Type: text/plain\n\nsee\n--b\n"
         "Content-Type: "
         "application/zip; name=p.zip\nX-Lead-Hub-Skipped: 52428800\n\n\n--b--",
         check=lambda s: s.inquiries[0].files[0]["skipped"]),
    mail(100, "written in 2099", "K", HEAD.replace("2026", "2099") + PLAIN + "hi", flag="date_in_future",
         check=lambda s: s.inquiries[0].occurred_at == s.whole.clock.now()),
    mail(100, "no date", "K", "From: vera@one.test\n" + PLAIN + "hi", flag="date_missing"),
    mail(101, "forged sender", "K", "Authentication-Results: mx.hub.test; dmarc=fail\n" + HEAD + PLAIN + "hi",
         flag="dmarc_fail"),
    mail(102, "a reply", "S", OWN + HEAD + PLAIN + "how much?",
         HEAD.replace("vera@", "vera.private@") + "Message-ID: <m3@one.test>\nIn-Reply-To: <m1@one.test>\n"
         + PLAIN + "and?",
         check=leads(1, 2)),
    mail(103, "the folder starts anew", "S", *[OWN + HEAD + PLAIN + "hi", HEAD + PLAIN + "and more"] * 2,
         check=lambda s: (s.whole.count(event), len(s.inquiries), len(s.leads)) == (2, 2, 1)),
    mail(104, "a template that changed", "Q", "From: site@shop.test\nSubject: new\n\nName: Oleg\nMobile: 1",
         settings=(("forms", "site@shop.test = Name, Phone"),)),
    mail(105, "tracking pixel", "S", HEAD +
           'Subject: hi\nContent-Type: text/html\n\n<p>hi</p><img src="http://127.0.0.1:1/x">',
         check=lambda s: s.inquiries[0].text == "hi"),
]  # fmt: skip

CASES = [*FORMS, *PEOPLE, *MAILS]

ELSEWHERE = {
    40: "test_a_lead_by_get_only_where_it_is_allowed",
    41: "test_a_ping_is_answered_and_not_kept",
    44: "test_044_another_form_after_three_days_is_the_same_person",
    47: "test_a_form_that_is_switched_off_keeps_what_comes",
    63: "test_063_a_number_with_another_name_is_another_person",
    72: "test_072_an_address_of_many_joins_nobody",
}
"""Cases that need more than messages to one door: here below, or over HTTP in tests/web/test_inbound.py."""


def test_no_case_is_forgotten() -> None:
    there = {one.number for one in CASES} | set(ELSEWHERE)
    assert sorted(set(range(1, 106)) - there) == []
    folder = Path(__file__).parent
    sources = (folder / "test_catalogue.py").read_text() + (folder.parent / "web" / "test_inbound.py").read_text()
    assert [name for name in ELSEWHERE.values() if f"def {name}(" not in sources] == []


def send(whole: Whole, live: Live, one: Case) -> list[TestResponse]:
    if one.connector != "email":
        return [whole.post(live, body, one.kind, headers=dict(one.headers)) for body in one.bodies]
    for number, body in enumerate(one.bodies):
        raw = Raw(body, instant(whole.clock.now()), method="IMAP")
        whole.hub.intake.store_polled(live, Polled((raw,), str(number)))
    return []


def connect(whole: Whole, one: Case) -> Live:
    values: dict[str, str] = {"least_ms": "1000", "secret": "s", **dict(one.settings)}
    if one.connector == "email":
        values |= {"host": "mail.test", "user": "sales@hub.test", "password": "x"}
    return whole.connect(one.connector, region=one.region, config=dict(one.config), **values)


@pytest.mark.parametrize("one", CASES, ids=str)
def test_case(whole: Whole, one: Case) -> None:
    answers = send(whole, connect(whole, one), one)
    if one.verdict == "R":
        assert 400 <= answers[0].status_code < 500
        assert answers[0].get_json()["error"]
        assert whole.count(event) == 0
        return
    assert {answer.status_code for answer in answers} <= {200}
    assert bytes(whole.rows(event)[0].body) == one.bodies[0], "the raw message is kept to the byte"
    whole.flow()
    states = {row.state for row in whole.rows(event_work)}
    seen = Seen(whole, answers)
    if one.verdict == "Q":
        assert states <= {"quarantined", "parked"}
        assert all(row.code and row.why for row in whole.rows(event_work)), "a person reads why it waits"
        assert seen.leads == []
    else:
        assert "done" in states
        assert states <= {"done", "quarantined"}
        assert all(row.owner_id and row.next_step for row in seen.leads)
        assert seen.leads
    if one.verdict == "K":
        assert seen.flags, seen.inquiries
        assert not one.flag or one.flag in seen.flags
    assert one.check(seen), (seen.inquiries, seen.points, seen.flags)


# ── more than one door or day ────────────────────────────────────────────────────────────────────


def test_044_another_form_after_three_days_is_the_same_person(whole: Whole) -> None:
    live, other = whole.connect("webform"), whole.connect("webhook")
    whole.post(live, "name=Anna+Serova&phone=%2B79161234507&form=one")
    whole.clock.advance(3 * DAY / 1000)
    whole.post(other, "name=Serova+Anna&phone=8(916)1234507&form=two")
    whole.flow()
    assert (whole.count(contact), whole.count(inquiry), whole.rows(lead)[0].inquiries) == (1, 2, 2)


def test_063_a_number_with_another_name_is_another_person(whole: Whole) -> None:
    live = whole.connect("webform")
    for name in ("Anna Serova", "Oleg Litvin"):
        whole.post(live, f"name={name}&phone=%2B79161234507")
    whole.flow()
    assert (whole.count(contact), whole.count(lead)) == (2, 2)
    assert any(
        why.get("result") == "other_name" for row in whole.rows(inquiry) for why in row.why if isinstance(why, dict)
    )


def test_072_an_address_of_many_joins_nobody(whole: Whole) -> None:
    live = whole.connect("webform")
    for n in range(40):
        whole.post(live, f"name=Person{chr(97 + n % 26)}{chr(97 + n // 26)}&email=info@firm.test")
    whole.flow()
    assert whole.count(contact) == 40
