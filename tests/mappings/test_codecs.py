"""Codecs keep the lens laws, read what is certain and keep what is not. Numbers in ids: cases of bad input."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mappings.codecs import CODECS, Codec, Kept, blank
from mappings.codecs.many import Constant, Joined, Multitext, Table, Tables, Tags, table_of
from mappings.codecs.number import Money, Number, Percent, read_money
from mappings.codecs.text import Bool, Email, Html, Phone, Text, Url
from mappings.codecs.time import Date, Instant, Unix, UnixDate
from mappings.laws import lost, unstable

READS, WRITES = table_of({"7": 504141, "8": [504142, "504199"]})
ZONE = "Europe/Berlin"

LENSES: list[Codec] = [
    *(Text(), Text(max_length=9), Html(), Url(), Email(), Phone(), Phone(region="RU"), Bool(), Bool(words=True)),
    *(Number(), Number(shape="text", decimal=","), Number(decimal="."), Number(shape="whole")),
    *(Money(), Money(currency="RUB", decimal=","), Percent(unit="percent"), Percent(unit="fraction")),
    *(Date(), Date(order="dmy"), Date(order="mdy"), Instant(), Instant(zone=ZONE), Instant(zone=ZONE, order="dmy")),
    *(Unix(), Unix(unit="ms"), UnixDate(zone="UTC"), UnixDate(zone="Pacific/Apia"), UnixDate(zone="America/Sao_Paulo")),
    *(Multitext(of="phone", region="RU"), Multitext(of="email"), Multitext(), Tags(), Tags(shape="name"), Joined()),
    *(Joined(by=";"), Table(table="t", reads=READS, writes=WRITES), Tables(table="t", reads=READS, writes=WRITES)),
]
ids = [repr(codec) for codec in LENSES]

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates().map(str) | st.datetimes().map(str),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


# Each example tries several values on each of 37 codecs.
some = settings(max_examples=max(20, settings.default.max_examples // 5) if settings.default else 20)


def test_every_codec_is_tried() -> None:
    assert {codec.name for codec in LENSES} | {Constant.name} == set(CODECS)


@pytest.mark.parametrize("codec", LENSES, ids=ids)
@some
@given(seed=st.integers())
def test_what_is_sent_reads_back(codec: Codec, seed: int) -> None:
    assert lost(codec, _some(codec.hub_examples(Random(seed)))) == ""


@pytest.mark.parametrize("codec", LENSES, ids=ids)
@some
@given(seed=st.integers(), foreign=st.lists(JSON, max_size=5))
def test_what_is_read_comes_to_rest(codec: Codec, seed: int, foreign: list[Any]) -> None:
    assert unstable(codec, [*_some(codec.raw_examples(Random(seed))), *foreign]) == ""


@pytest.mark.parametrize("codec", LENSES, ids=ids)
@some
@given(hub=JSON, before=JSON)
def test_no_value_breaks_a_codec(codec: Codec, hub: Any, before: Any) -> None:
    codec.into(before)
    codec.put(hub, before)
    assert codec.same(hub, hub)


@pytest.mark.parametrize("codec", LENSES, ids=ids)
def test_blank_is_blank_both_ways(codec: Codec) -> None:
    for nothing in (None, "", []):
        assert blank(codec.into(nothing))
        assert codec.out(nothing) is None
        assert codec.same(nothing, None)


def _some(values: Iterator[Any]) -> list[Any]:
    return [next(values) for _ in range(5)]


# ── the laws can fail ────────────────────────────────────────────────────────────────────────────


def test_a_lossy_codec_is_noticed() -> None:
    whole = Money(shape="whole", round=True, zero_is_blank=True)
    assert "'12.50' is sent as 13 and reads back as '13'" in lost(whole, ["12.50"])
    assert unstable(whole, [0, 12, "12,50"]) == ""


class Growing(Text):
    """Adds a sign each way, as a CRM's own formatter does."""

    def write(self, hub: Any) -> Any:
        return f"{hub}!"


def test_an_unstable_codec_is_noticed() -> None:
    assert unstable(Growing(), ["a"]) == "'a' reads as 'a', is sent as 'a!' and then reads as 'a!'."


# ── what is read ─────────────────────────────────────────────────────────────────────────────────

READ: list[tuple[str, Codec, Any, Any]] = [
    ("22-number-for-text", Text(), 42, "42"),
    ("30-nfd", Text(), "и\u0306", "й"),
    ("152-spaces", Text(), " a \r\n b\n", "a \n b"),
    ("180-template", Text(), "{{lead.name}}", "{{lead.name}}"),
    ("151-markup", Html(), "<p>Tom &amp; Ann&nbsp;</p><p>x</p>", "Tom & Ann\nx"),
    ("50-url-password", Url(), "https://u:p@example.com/a?b=1", "https://example.com/a?b=1"),
    ("64-email", Email(), " mailto:Ann@Example.COM. ", "ann@example.com"),
    ("65-email-name", Email(), "Ann <a@example.com>", "a@example.com"),
    ("66-punycode", Email(), "a@xn--e1afmkfd.example", "a@пример.example"),
    ("51-national", Phone(region="RU"), "8 (999) 123-45-67", "+79991234567"),
    ("59-tel", Phone(), "tel:+7-999-123-45-67", "+79991234567"),
    ("59-zeros", Phone(region="RU"), "00 1 212 555 0123", "+12125550123"),
    ("55-full-width", Phone(), "+７９９９１２３４５６７", "+79991234567"),
    (
        "53-two",
        Multitext(of="phone", region="RU"),
        "8 999 123-45-67, +1 212 555 0123",
        ["+79991234567", "+12125550123"],
    ),
    ("54-extension", Phone(), "+1 212 555 0123 ext. 45", "+12125550123"),
    ("23-no", Bool(), "Нет", False),
    ("23-on", Bool(), "on", True),
    ("23-declared", Bool(yes=("Y",), no=("N",)), "n", False),
    ("85-rouble", Money(currency="RUB"), "1 234,56 ₽", "1234.56"),
    ("85-english", Money(), "1,234.56", "1234.56"),
    ("85-declared", Money(decimal="."), "1.234", "1.234"),
    ("85-declared-thousands", Money(decimal=","), "1.234", "1234"),
    ("85-millions", Money(), "1.234.567", "1234567"),
    ("85-negative", Money(), "−5", "-5"),
    ("85-float", Money(), 0.1 + 0.2, "0.3"),
    ("85-nbsp", Money(currency="RUB"), "12\u00a0000 руб.", "12000"),
    ("87-fraction", Percent(unit="fraction"), 0.05, "5.00"),
    ("87-percent", Percent(unit="percent"), "5%", "5"),
    ("14-large", Number(), 2**70, str(2**70)),
    ("76-declared-dmy", Date(order="dmy"), "01/02/2026", "2026-02-01"),
    ("76-declared-mdy", Date(order="mdy"), "01/02/2026", "2026-01-02"),
    ("76-certain", Date(), "25/12/2026", "2026-12-25"),
    ("76-points", Date(), "01.02.2026", "2026-02-01"),
    ("78-midnight", Instant(zone="UTC"), "2026-02-28T24:00:00", "2026-03-01T00:00:00+00:00"),
    ("78-leap-second", Instant(), "2026-12-31T23:59:60Z", "2027-01-01T00:00:00+00:00"),
    ("79-seconds", Instant(), 1779868801, "2026-05-27T08:00:01+00:00"),
    ("79-milliseconds", Instant(), "1779868801000", "2026-05-27T08:00:01+00:00"),
    ("79-microseconds", Instant(), 1779868801000000, "2026-05-27T08:00:01+00:00"),
    ("80-nanoseconds", Instant(), "2026-01-01T00:00:00.123456789Z", "2026-01-01T00:00:00.123456+00:00"),
    ("81-zone", Instant(zone="Europe/Moscow"), "2026-01-01 10:00", "2026-01-01T07:00:00+00:00"),
    ("82-gap", Instant(zone=ZONE), "2026-03-29T02:30", "2026-03-29T01:30:00+00:00"),
    ("82-fold", Instant(zone=ZONE), "2026-10-25T02:30", "2026-10-25T00:30:00+00:00"),
    ("83-date-alone", Date(), "2026-01-01", "2026-01-01"),
    ("83-unix-date", UnixDate(zone="Europe/Moscow"), 1767214800, "2026-01-01"),
    ("145-id-as-text", Table(table="t", reads=READS, writes=WRITES), "504141", "7"),
    ("12-representative", Table(table="t", reads=READS, writes=WRITES), 504199, "8"),
]
KEPT: list[tuple[str, Codec, Any]] = [
    ("11-nul", Text(), "a\x00b"),
    ("10-surrogate", Text(), "\ud83d"),
    ("12-nan", Number(), float("nan")),
    ("12-infinity", Number(), 1e400),
    ("13-digits", Number(), "9" * 5000),
    ("22-list", Text(), ["a"]),
    ("23-word", Bool(), "maybe"),
    ("52-no-country", Phone(), "8 (999) 123-45-67"),
    ("56-words", Phone(region="RU"), "call me after 6"),
    ("57-zeros", Phone(), "+0000000"),
    ("57-fake", Phone(region="RU"), "1234567890"),
    ("60-spreadsheet", Phone(region="RU"), "7.9991E+10"),
    ("68-no-domain", Email(), "a@b"),
    ("68-dots", Email(), "a..b@example.com"),
    ("69-injection", Email(), "a@example.com\nBcc: b@example.com"),
    ("70-long", Email(), f"{'a' * 65}@example.com"),
    ("76-ambiguous", Date(), "01/02/2026"),
    ("76-ambiguous-moment", Instant(zone="UTC"), "01/02/2026 10:00"),
    ("77-february", Date(), "31.02.2026"),
    ("77-zeros", Date(), "0000-00-00"),
    ("77-excel", Date(), "1900-01-00"),
    ("78-25-hours", Instant(zone="UTC"), "2026-01-01T25:00"),
    ("79-magnitude", Instant(), 58861),
    ("79-too-large", Unix(), 10**18),
    ("81-no-zone", Instant(), "2026-01-01T10:00:00"),
    ("83-no-clock", Instant(zone="UTC"), "2026-01-01"),
    ("85-ambiguous", Money(), "1.234"),
    ("85-thousand", Money(currency="EUR"), "€1k"),
    ("86-unknown", Money(currency="RUB"), "5 XXZ"),
    ("86-other", Money(currency="RUB"), "€5"),
    ("88-nan", Money(), "NaN"),
    ("87-word", Percent(unit="percent"), "half"),
    ("149-option", Table(table="t", reads=READS, writes=WRITES), 999),
    ("javascript", Url(), "javascript:alert(1)"),
]


@pytest.mark.parametrize(("codec", "raw", "hub"), [row[1:] for row in READ], ids=[row[0] for row in READ])
def test_certain_values_are_read(codec: Codec, raw: Any, hub: Any) -> None:
    assert codec.into(raw) == hub


@pytest.mark.parametrize(("codec", "raw"), [row[1:] for row in KEPT], ids=[row[0] for row in KEPT])
def test_uncertain_values_are_kept_as_they_are(codec: Codec, raw: Any) -> None:
    kept = codec.into(raw)
    assert isinstance(kept, Kept)
    assert kept.raw == raw or kept.raw != kept.raw
    assert kept.why
    assert kept.value is None


UNFIT: list[tuple[str, Codec, Any]] = [
    ("153-too-long", Text(max_length=5), "longer"),
    ("option", Table(table="t", reads=READS, writes=WRITES), "9"),
    ("fraction", Money(shape="whole"), "1.50"),
    ("digits", Number(), "0.12345678901234567890"),
    ("separator", Joined(), ["a, b"]),
    ("naive", Unix(), "2026-01-01T00:00:00"),
    ("skipped-day", UnixDate(zone="Pacific/Apia"), "2011-12-30"),
]


@pytest.mark.parametrize(("codec", "hub"), [row[1:] for row in UNFIT], ids=[row[0] for row in UNFIT])
def test_what_the_crm_cannot_hold_is_not_sent(codec: Codec, hub: Any) -> None:
    assert isinstance(codec.out(hub), Kept)


def test_money_names_its_currency() -> None:
    assert read_money("€ 1.234,50") == (Decimal("1234.50"), "EUR")
    assert read_money("1500 kzt") == (Decimal(1500), "KZT")
    assert read_money("12") == (Decimal(12), "")


# ── lists change part by part ────────────────────────────────────────────────────────────────────

OLD = {"value": "8 (999) 123-45-67", "enum_code": "MOB"}
NOTE = {"value": "after 6", "enum_code": "WORK"}
PHONES = Multitext(of="phone", region="RU")


def test_a_new_phone_leaves_the_others_as_they_were_written() -> None:
    after = PHONES.put(["+79991234567", "+12125550123"], [OLD, NOTE])
    assert after == [OLD, NOTE, {"value": "+12125550123", "enum_code": "WORK"}]


def test_a_phone_that_is_gone_takes_no_note_with_it() -> None:
    assert PHONES.put([], [OLD, NOTE]) == [NOTE]
    assert PHONES.put([], [OLD]) is None


def test_half_of_two_phones_in_one_field_stays() -> None:
    assert PHONES.put(["+12125550123"], [{"value": "8 999 123-45-67, +1 212 555 0123"}]) == [
        {"value": "+12125550123", "enum_code": "WORK"}
    ]


def test_the_readable_part_of_a_list_is_read() -> None:
    kept = PHONES.into([OLD, NOTE])
    assert isinstance(kept, Kept)
    assert (kept.value, kept.raw) == (["+79991234567"], [NOTE])


def test_the_order_of_a_list_says_nothing() -> None:
    assert Tags().same(["a", "b"], ["b", "a", "a"])
    assert not Tags().same(["a"], ["a", "b"])
