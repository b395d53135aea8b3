"""The bad-input catalogue of forms and JSON (cases 1-50): what the reader and the web sources make of each.

Rows are (case, body, Content-Type, verdict, check). Verdicts: `stored` (drafts), `kept` (drafts, and a flag that says
what had to be kept as text), `parked` (Unreadable: kept for a person), `refused` (the code an anonymous sender gets).
Cases 38, 40 (switched off), 43-47 and the limits of 17 and 45 belong to the web and the hub.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.contract import Draft, DraftKind, Raw, Source
from connectors.errors import Unreadable
from connectors.reading import BadBody, flatten, link, read, text, touch
from connectors.sources.webform import WebForm
from connectors.sources.webhook import Webhook

FORM, JSON = "application/x-www-form-urlencoded", "application/json"
MULTIPART = "multipart/form-data; boundary=xx"
NOW = datetime(2026, 2, 1, 9, 30, tzinfo=UTC)

Check = Callable[[Sequence[Draft]], object]


def field(name: str, value: object) -> Check:
    return lambda drafts: drafts[0].fields[name] == value


def file_named(name: str) -> Check:
    return lambda drafts: drafts[0].files[0].name == name


def parts(*fields: bytes) -> bytes:
    one = b'--xx\r\nContent-Disposition: form-data; name="%b"\r\n\r\n1\r\n'
    return b"".join(one % name for name in fields) + b"--xx--\r\n"


def file_part(name: str) -> bytes:
    head = f'--xx\r\nContent-Disposition: form-data; name="f"; filename="{name}"\r\n\r\n'
    return head.encode() + b"bytes\r\n--xx--\r\n"


def as_json(**fields: object) -> bytes:
    return json.dumps(fields, ensure_ascii=False).encode()


def anything(_: Sequence[Draft]) -> bool:
    return True


NASTY = "<script>alert(1)</script> {{7*7}} ${7} #{7} <%=7%> =cmd|'/C calc'!A0 '); DROP TABLE lead;--"
UNSEEN = "a\u200b\u202eb \u0430pple@example.com"  # zero width, right-to-left, a Cyrillic letter
EMOJI = "👩‍👩‍👧 𝕏"
LONG = "я" * 10_000

ROWS: list[tuple[str, bytes, str, str, Check]] = [
    ("1 empty", b"", JSON, "refused:empty", anything),
    ("1 only spaces", b" \r\n ", FORM, "refused:empty", anything),
    ("2 empty object", b"{}", JSON, "parked", anything),
    ("3 empty list", b"[]", JSON, "parked", anything),
    ("3 text", b'"x"', JSON, "parked", anything),
    ("3 null", b"null", JSON, "parked", anything),
    ("3 number", b"42", JSON, "parked", anything),
    ("4 list of 500", json.dumps([{"n": n} for n in range(500)]).encode(), JSON, "stored", lambda d: len(d) == 500),
    ("4 one bad among good", b'[{"a":1},7]', JSON, "stored", lambda d: d[1].kind is DraftKind.QUARANTINE and d[1].why),
    ("5 cut", b'{"name":"A","pho', JSON, "refused:truncated_json", anything),
    ("5 cut after comma", b'{"name":"A",', JSON, "refused:truncated_json", anything),
    ("6 trailing comma", b'{"a":1,}', JSON, "refused:bad_json", anything),
    ("6 single quotes", b"{'a':1}", JSON, "refused:bad_json", anything),
    ("7 byte order mark", b'\xef\xbb\xbf{"a":"b"}', JSON, "stored", field("a", "b")),
    ("8 utf-16 with mark", '{"имя":"Ян"}'.encode("utf-16"), JSON, "kept:charset:utf-16", field("имя", "Ян")),
    ("8 utf-16 without", '{"имя":"Ян"}'.encode("utf-16-le"), JSON, "kept:charset:utf-16-le", field("имя", "Ян")),
    ("8 cp1251 json", '{"имя":"Анна"}'.encode("cp1251"), JSON, "kept:charset:cp1251", field("имя", "Анна")),
    ("8 cp1251 form", "имя=Анна".encode("cp1251"), FORM, "kept:charset:cp1251", field("имя", "Анна")),
    ("8 latin-1", "name=José".encode("latin-1"), FORM, "kept:charset:cp1252", field("name", "José")),
    ("8 declared", "a=ИЯ".encode("koi8-r"), f"{FORM}; charset=koi8-r", "kept:charset:koi8-r", field("a", "ИЯ")),
    ("9 mixed", "a=Привет&b=".encode() + "Анна".encode("cp1251"), FORM, "kept:mixed_charset", field("b", "Анна")),
    ("9 mixed json", '{"a":"Привет","b":"'.encode() + "Анна".encode("cp1251") + b'"}', JSON, "kept:mixed_charset",
     field("a", "Привет")),
    ("10 half a pair", b'{"a":"x\\ud83dy"}', JSON, "kept:unstorable_character", field("a", "x\ufffdy")),
    ("11 NUL", b'{"a":"x\\u0000y"}', JSON, "kept:unstorable_character", field("a", "x\ufffdy")),
    ("12 NaN", b'{"a":NaN}', JSON, "kept:not_a_number", field("a", "NaN")),
    ("12 Infinity", b'{"a":-Infinity}', JSON, "kept:not_a_number", field("a", "-Infinity")),
    ("12 too large", b'{"a":1e400}', JSON, "kept:big_number", field("a", "1e400")),
    ("13 5000 digits", b'{"a":' + b"9" * 5000 + b"}", JSON, "kept:big_number", field("a", "9" * 5000)),
    ("14 past 2^63", b'{"a":9223372036854775808}', JSON, "kept:big_number", field("a", "9223372036854775808")),
    ("15 id as float", b'{"a":9007199254740993.0}', JSON, "kept:big_number", field("a", "9007199254740993.0")),
    ("16 nested", b"[" * 100_000, JSON, "parked", anything),
    ("16 nested objects", b'{"a":' * 65 + b"1" + b"}" * 65, JSON, "parked", anything),
    ("18 many keys", b"a=1&" * 1_000_000, FORM, "refused:too_many_keys", anything),
    ("18 many json keys", as_json(**{f"k{n}": 1 for n in range(100_001)}), JSON, "refused:too_many_keys", anything),
    ("19 same key twice", b'{"e":"a","e":"b"}', JSON, "kept:duplicate_keys", field("e", ["a", "b"])),
    ("20 case and space", b"Name=a&name=b&name+=c", FORM, "stored", lambda d: len(d[0].fields) == 3),
    ("21 odd keys", b"__proto__=1&constructor=2&a.b=3&[c]=4&d]=5", FORM, "stored", lambda d: len(d[0].fields) == 5),
    ("21 dots and nesting", b'{"a.b":1,"a":{"b":2}}', JSON, "stored", lambda d: sorted(d[0].fields.values()) == [1, 2]),
    ("22 number for text", b'{"name":5,"age":"7"}', JSON, "stored", field("name", 5)),
    ("23 booleans", '{"a":false,"b":"0","c":"нет"}'.encode(), JSON, "stored", field("c", "нет")),
    ("24-26 code in fields", as_json(name=NASTY), JSON, "stored", field("name", NASTY)),
    ("27 path as file name", file_part("../../etc/passwd"), MULTIPART, "stored", file_named("passwd")),
    ("27 windows path", file_part("C:\\x\\y.doc"), MULTIPART, "stored", file_named("y.doc")),
    ("28 invisible marks", as_json(a=UNSEEN), JSON, "stored", field("a", UNSEEN)),
    ("29 emoji", as_json(a=EMOJI), JSON, "stored", field("a", EMOJI)),
    ("30 decomposed", as_json(a="и\u0306"), JSON, "stored", field("a", "и\u0306")),
    ("31 long name", as_json(a=LONG), JSON, "stored", field("a", LONG)),
    ("33 plus", b"a=1+2", FORM, "stored", field("a", "1 2")),
    ("33 bad percent", b"a=%zz&b=100%", FORM, "kept:bad_percent", field("a", "%zz")),
    ("33 %00", b"a=x%00y", FORM, "kept:unstorable_character", field("a", "x\ufffdy")),
    ("34 three times", b"a=1&a=2&a=3", FORM, "stored", field("a", ["1", "2", "3"])),
    ("35 php", b"a[b][]=1&a[b][]=2", FORM, "stored", field("a.b", ["1", "2"])),
    ("35 php, one", b"a[]=1", FORM, "stored", field("a", ["1"])),
    ("35 too deep stays flat", b"a" + b"[b]" * 9 + b"=1", FORM, "stored", field("a" + "[b]" * 9, "1")),
    ("35 value and list", b"a=1&a[b]=2", FORM, "stored", lambda d: sorted(d[0].fields.values()) == ["1", "2"]),
    ("36 1001 parts", parts(*[b"a"] * 1001), MULTIPART, "refused:too_many_parts", anything),
    ("36 1000 parts", parts(*[b"a"] * 1000), MULTIPART, "stored", field("a", ["1"] * 1000)),
    ("37 no boundary", parts(b"a"), "multipart/form-data", "refused:no_boundary", anything),
    ("37 other boundary", parts(b"a"), "multipart/form-data; boundary=yy", "refused:bad_multipart", anything),
    ("37 cut", parts(b"a", b"b")[:-20], MULTIPART, "kept:truncated", field("a", "1")),
    ("38 empty file", file_part("a.exe").replace(b"bytes", b""), MULTIPART, "stored", lambda d: d[0].files[0].skipped),
    ("39 json as text", b'{"a":"b"}', "text/plain", "kept:content_type", field("a", "b")),
    ("39 json as form", b'{"a":"b"}', FORM, "kept:content_type", field("a", "b")),
    ("39 form as text", b"a=b", "text/plain", "kept:content_type", field("a", "b")),
    ("39 neither", b"hello", "text/plain", "parked", anything),
]  # fmt: skip


def verdict(source: Source, raw: Raw) -> tuple[str, Sequence[Draft]]:
    if code := source.refuse(raw):
        return f"refused:{code}", ()
    try:
        drafts = source.parse(raw)
    except Unreadable:
        return "parked", ()
    return ("kept" if drafts[0].flags else "stored"), drafts


@pytest.mark.parametrize(("body", "kind", "expected", "check"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_a_bad_body(body: bytes, kind: str, expected: str, check: Check) -> None:
    found, drafts = verdict(Webhook({}, {}), Raw(body, NOW, {"content-type": kind}))
    wanted, _, flag = expected.partition(":")
    assert found == (expected if wanted == "refused" else wanted)
    assert not (wanted == "kept" and flag not in drafts[0].flags), drafts[0].flags
    assert check(drafts)


def form(**fields: object) -> Sequence[Draft]:
    raw = Raw(as_json(**fields), NOW, {"content-type": JSON})
    return WebForm({}, {}).parse(raw)


def test_32_only_spaces_is_parked() -> None:
    with pytest.raises(Unreadable):
        form(name="  ", phone="\t", utm_source="vk")


def test_40_a_lead_by_get() -> None:
    [draft] = Webhook({}, {}).parse(Raw(b"", NOW, {}, "GET", "/in/x", "name=%D0%AF%D0%BD"))
    assert draft.fields == {"name": "Ян"}


@pytest.mark.parametrize("raw", [Raw(b"test=test", NOW), Raw(b"", NOW, {}, "HEAD"), Raw(b"", NOW, {}, "OPTIONS")])
def test_41_a_ping_is_answered(raw: Raw) -> None:
    answer = Webhook({}, {}).reply(raw)
    assert answer is not None
    assert answer.status == 200


@pytest.mark.parametrize("fields", [{"lh_confirm": "x"}, {"elapsed_ms": 300}, {"elapsed_ms": "999"}])
def test_42_robots_go_to_quarantine(fields: dict[str, object]) -> None:
    [draft] = form(name="Bot", **fields)
    assert draft.kind is DraftKind.QUARANTINE
    assert draft.why


@pytest.mark.parametrize("elapsed", [1000, "", None, "abc", -5, "9" * 5000, 3.7])
def test_42_an_odd_time_is_nobodys_fault(elapsed: object) -> None:
    assert form(name="Ян", elapsed_ms=elapsed)[0].kind is DraftKind.INQUIRY


@pytest.mark.parametrize(
    ("fields", "given_"),
    [
        ({}, None),
        ({"consent": "on"}, True),
        ({"consent": True}, True),
        ({"consent": "да"}, True),
        ({"consent": False}, False),
        ({"consent_text": "I agree"}, False),
    ],
)
def test_48_consent(fields: dict[str, object], given_: bool | None) -> None:
    [draft] = form(name="Ян", **fields)
    assert (draft.consent and draft.consent.given) == given_


def test_49_long_and_repeated_marks() -> None:
    assert touch({"utm_source": "x" * 4096}).utm == {"source": "x" * 4096}
    assert touch({"UTM_Source": ["", "vk", "ok"]}).utm == {"source": "vk"}


@pytest.mark.parametrize(
    ("url", "clean"),
    [
        ("https://user:secret@example.com/a?b=c@d", "https://example.com/a?b=c@d"),
        ("//user@example.com", "//example.com"),
        ("https://example.com/@me", "https://example.com/@me"),
        ("https://user:sec@ret@example.com/", "https://example.com/"),
        ("", ""),
    ],
)
def test_50_credentials_leave_a_link(url: str, clean: str) -> None:
    assert link(url) == clean


def test_an_error_never_shows_what_somebody_wrote() -> None:
    with pytest.raises(BadBody) as caught:
        read(Raw(b'{"phone": +79005550199}', NOW, {"content-type": JSON}))
    assert "7900" not in str(caught.value)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@settings(max_examples=40)
@given(value=st.dictionaries(st.text(), VALUES, min_size=1))
def test_every_json_becomes_something_storable(value: dict[str, object]) -> None:
    body = read(Raw(json.dumps(value).encode(), NOW, {"content-type": JSON}))
    flat = flatten(body.fields)
    stored = json.dumps(flat, ensure_ascii=False, allow_nan=False).encode()
    assert b"\x00" not in stored
    assert b"\\u0000" not in stored
    assert all(isinstance(text(one), str) for one in flat.values())


@given(pairs=st.lists(st.tuples(st.text(min_size=1), st.text()), min_size=1))
def test_every_form_keeps_every_value(pairs: list[tuple[str, str]]) -> None:
    clean = [(name, value) for name, value in pairs if "\x00" not in name + value and name != "_charset_"]
    body = urlencode(clean, errors="replace").encode()
    if not body:
        return
    found = read(Raw(body, NOW, {"content-type": FORM}))
    kept = [one for leaf in flatten(found.fields).values() for one in (leaf if isinstance(leaf, list) else [leaf])]
    assert sorted(kept) == sorted(value.encode("utf-8", "replace").decode() for _, value in clean)
