"""What holds for any text at all: nothing raises, nothing filled in is lost, the normal form is normal."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from connectors.contract import Handle, Person
from hub.identity.companies import company_key
from hub.identity.emails import emails
from hub.identity.names import compatible, name
from hub.identity.normalize import dig, normalise
from hub.identity.phones import phones
from hub.identity.text import bare, shown, skeleton

ANY = st.text(st.characters(), max_size=60)  # with lone surrogates and NUL
REGIONS = st.sampled_from(["", "RU", "US", "DE", "AR", "BR", "XX"])
PHONELIKE = st.text(st.sampled_from("0123456789+()-./,; xXdобEe٣８#"), max_size=40)
MAILLIKE = st.text(st.sampled_from('abЖжаёй.@+-_<>" \n:;,%0[]1A\u200bßİ'), max_size=40)
WORDS = ["Иван", "Петров", "Ивановна", "Саша", "ООО", "«Ромашка»", "Smith", "van", "I.", "/", ",", "|", "Bdfy", "Mrs"]
NAMELIKE = st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join)
HANDLES = st.builds(Handle, st.sampled_from(["whatsapp", "visitor", "vk"]), ANY | PHONELIKE)
PERSONS = st.builds(
    Person,
    name=ANY | NAMELIKE,
    first_name=ANY,
    last_name=ANY,
    phones=st.lists(ANY | PHONELIKE, max_size=2).map(tuple),
    emails=st.lists(ANY | MAILLIKE, max_size=2).map(tuple),
    handles=st.lists(HANDLES, max_size=2).map(tuple),
    company=ANY,
)


@given(PERSONS, REGIONS)
def test_any_person_is_normalised(person: Person, region: str) -> None:
    known = normalise(person, region)
    assert all(key.value for key in known.keys)
    assert all("fake" not in e.flags or e.key not in {k.value for k in known.keys} for e in known.emails)
    dig(person.name, region)


@given(ANY | PHONELIKE, REGIONS)
def test_filled_phone_field_is_never_lost(text: str, region: str) -> None:
    assert bool(phones(text, region)) == bool(text.strip())


@given(PHONELIKE, REGIONS, REGIONS)
def test_e164_reads_as_itself(text: str, region: str, other: str) -> None:
    for phone in phones(text, region):
        if phone.e164 and not {"fake", "invalid"} & set(phone.flags):
            assert [(p.e164, p.ext, p.line) for p in phones(phone.e164, other)] == [(phone.e164, "", phone.line)]


@given(ANY | MAILLIKE)
def test_filled_email_field_is_never_lost(text: str) -> None:
    assert bool(emails(text)) == bool(text.strip())


@given(MAILLIKE | st.emails())
def test_address_reads_as_itself(text: str) -> None:
    for email in emails(text):
        assert not set("\r\n\x00") & set(email.address)
        if email.address and "quoted" not in email.flags and '"' not in email.address:
            again = emails(email.address)
            assert [(e.address, e.key) for e in again] == [(email.address, email.key)]


@given(ANY | NAMELIKE)
def test_name_of_the_full_name_is_the_same(text: str) -> None:
    once = name(text)
    assert name(once.full) == once


@given(ANY | NAMELIKE)
def test_composed_and_decomposed_text_have_one_key(text: str) -> None:
    composed, decomposed = (unicodedata.normalize(form, text) for form in ("NFC", "NFD"))
    assert name(composed).key == name(decomposed).key
    assert company_key(composed) == company_key(decomposed)
    assert skeleton(bare(composed)) == skeleton(bare(decomposed))


@given(ANY)
def test_normal_forms_are_normal(text: str) -> None:
    for form in (shown, bare, skeleton):
        assert form(form(text)) == form(text)


@given(NAMELIKE, NAMELIKE)
def test_compatible_is_symmetric(a: str, b: str) -> None:
    assert compatible(name(a), name(b)) == compatible(name(b), name(a))
    assert compatible(name(a), name(a)) is not False
