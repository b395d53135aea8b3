"""Names of people: first, last and middle name told apart, and a key that survives habits of writing.

What was given stays in `full`. The key is for comparing only: it joins nobody by itself (see README.md).
Flags: `placeholder`, `company` (a firm's name in it), `phone`, `email` (dug out elsewhere), `layout` (typed on
the other keyboard layout), `swapped` (first and last name in each other's fields), `guessed` (order is a guess).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache

from rapidfuzz.distance import OSA

from hub.identity.data import company_forms
from hub.identity.given import groups, initials, known
from hub.identity.order import Parts, from_fields, from_text
from hub.identity.text import bare, latin, one_script, shown, skeleton


@dataclass(frozen=True, slots=True)
class Name:
    """`given` are the names the first name may stand for, `surname` the gender-free skeleton of the last one.

    `order` is fields, first_last, last_first, single or "". `key` is "" where there is nothing to compare.
    `company` is the firm's name found among the words.
    """

    first: str = ""
    last: str = ""
    middle: str = ""
    full: str = ""
    key: str = ""
    order: str = ""
    flags: tuple[str, ...] = ()
    given: tuple[str, ...] = ()
    surname: str = ""
    company: str = ""


LONG = 200
"""Nobody's name is longer: only this much is taken apart, `full` keeps the whole text."""

CONTACT = re.compile(r"\S+@\S+|\+?\(?\d(?:[\s().\-]{0,3}\d){5,}")
LEGAL = re.compile(r"[«»\"“”(),|]|\s[-–—]\s")
NOT_LETTERS = re.compile("[^a-z]+")
GENDERED = (
    (re.compile(r"(?<=[stcz]k)(?:a[yij]a|a|[iy][iyj]?|o[yij])$"), "i"),
    (re.compile(r"(?<=[oe]v|in|yn)a$"), ""),
    (re.compile(r"(?<=..)(?:a[yij]a|o[yij]|[iy][iyj])$"), "i"),
)


def name(full: str = "", first: str = "", last: str = "", middle: str = "") -> Name:
    """A person's name from one field, or from fields of their own where the sender has them."""
    if not full and not (first or last or middle):
        return Name()
    if len(full) + len(first) + len(last) + len(middle) > LONG:
        cut = _name.__wrapped__(full[:LONG], first[:LONG], last[:LONG], middle[:LONG])
        return replace(cut, full=shown(full or " ".join((first, middle, last))))
    return _name(full, first, last, middle)


@lru_cache(maxsize=1 << 14)
def _name(full: str, first: str, last: str, middle: str) -> Name:
    if last:
        parts = from_fields(first, last, middle)
        return _finished(parts, shown(full or " ".join(p for p in (first, middle, last) if p)), "")
    text = full or " ".join(p for p in (first, middle, last) if p)
    return _one_field(text)


def _one_field(text: str) -> Name:
    full = shown(text)
    plain = one_script(bare(full))
    if _nobody(plain.casefold()):
        return Name(full=full, flags=("placeholder",))
    contact = CONTACT.search(plain)
    flags = () if not contact else ("email",) if "@" in contact[0] else ("phone",)
    person, company = _without_company(CONTACT.sub(" ", plain.split("|")[0]))
    parts, marks = from_text(person), (*flags, *(("company",) if company else ()))
    return _finished(replace(parts, flags=(*marks, *parts.flags)) if marks else parts, full, company)


def _nobody(text: str) -> bool:
    words = text.split()
    if len(text) <= 3 and len(set(text)) == 1:  # x, аа, ...
        return True
    return text in company_forms.NOBODY or (bool(words) and all(w.strip(".") in company_forms.NOBODY for w in words))


def _without_company(text: str) -> tuple[str, str]:
    """The person's and the firm's part of a name field."""
    chunks = [c.strip() for c in LEGAL.split(text) if c.strip()]
    firms = [c for c in chunks if _legal(c) & company_forms.SURE]
    if firms:
        if len(firms) == 1 and len(_legal(firms[0])) == 1 and LEGAL.search(text):  # ООО «Ромашка», Иван
            return _beside_form(chunks, firms[0], text)
        return " ".join(c for c in chunks if c not in firms), " ".join(firms)
    sole = [w for w in text.split() if w.casefold() in company_forms.SOLE]
    return (" ".join(w for w in text.split() if w not in sole), shown(text)) if sole else (text, "")


def _legal(chunk: str) -> set[str]:
    return {w.casefold().strip(".") for w in chunk.split()}


def _beside_form(chunks: list[str], form: str, text: str) -> tuple[str, str]:
    """A legal form that stands alone belongs to the quoted words after it."""
    at = chunks.index(form)
    firm = chunks[at : at + 2]
    return " ".join(c for i, c in enumerate(chunks) if not at <= i < at + 2), " ".join(firm)


def _finished(parts: Parts, full: str, company: str) -> Name:
    given, surname = groups(parts.first), fold_surname(parts.last)
    head = skeleton(parts.first)
    key = " ".join(part for part in (surname, head if head in given else "/".join(given)) if part)
    first, last, middle = (_cased(p, full) for p in (parts.first, parts.last, parts.middle))
    return Name(first, last, middle, full, key, parts.order, parts.flags, given, surname, company)


def _cased(word: str, full: str) -> str:
    """IVANOV and ivanov are written Ivanov; a name with its own capitals stays as it is."""
    return word.title() if full.isupper() or full.islower() else word


@lru_cache(maxsize=1 << 14)
def fold_surname(last: str) -> str:
    """Skeleton of a last name without its gender: Иванова and Ivanov are "ivanov", Kowalska is "kovalski"."""
    word = NOT_LETTERS.sub("", latin(last))
    for pattern, ending in GENDERED:
        word, changed = pattern.subn(ending, word)
        if changed:
            break
    return skeleton(word)


# ── may two names be one person's? ───────────────────────────────────────────────────────────────


def compatible(a: Name, b: Name) -> bool | None:
    """True: the names agree; False: they are two people's; None: they do not say.

    A last name alone may change (marriage): then the answer is None as long as the given names agree.
    """
    verdict = _agree(a, b)
    for x, y in ((a, b), (b, a)):
        if verdict is not True and "guessed" in x.flags:
            other = _agree(turned(x), y)
            verdict = other if verdict is False or other else verdict
    return verdict


def turned(guess: Name) -> Name:
    """The other reading of a name whose order was a guess."""
    given, surname = groups(guess.last), fold_surname(guess.first)
    return replace(guess, first=guess.last, last=guess.first, given=given, surname=surname)


def _agree(a: Name, b: Name) -> bool | None:
    given, surname = given_agrees(a, b), surname_agrees(a, b)
    if given is False or (surname is False and given is None):
        return False
    if surname is True and middle_agrees(a, b) is False:
        return False
    return None if surname is False else given


def given_agrees(a: Name, b: Name) -> bool | None:
    """Whether the first names agree; None: one is missing, an initial or the beginning of the other."""
    if not (a.given and b.given):
        return None
    if a.given == b.given or set(a.given) & set(b.given):
        return None if is_initial(a) or is_initial(b) else True
    if is_initial(a) or is_initial(b):
        return None if initials(a.given) & initials(b.given) else False
    if _begins(a, b):
        return None
    if known(a.first) and known(b.first):
        return False  # Марина and Карина are one letter and two people
    return any(_near(x, y) for x in a.given for y in b.given)


def _begins(a: Name, b: Name) -> bool:
    """Max may be a Maximilian and Steffi a Stefanie; of two names that people bear (Мария, Марина) neither is."""
    x, y = skeleton(a.first), skeleton(b.first)
    if known(x) and known(y):
        short, long = sorted((x, y), key=len)
        return len(short) >= 3 and long.startswith(short) and short not in groups(short)
    return min(len(x), len(y)) >= 3 and x[:3] == y[:3]


def is_initial(name: Name) -> bool:
    """Whether the first name is a letter."""
    return len(name.first) == 1


def surname_agrees(a: Name, b: Name) -> bool | None:
    """Whether the last names agree; None: one is missing or an initial."""
    if not (a.surname and b.surname):
        return None
    if len(a.last) == 1 or len(b.last) == 1:
        return None if a.surname[0] == b.surname[0] else False
    return _near(a.surname, b.surname) or _near(latin(a.last), latin(b.last))


def middle_agrees(a: Name, b: Name) -> bool | None:
    """Whether the middle names agree; None: one is missing."""
    if not (a.middle and b.middle):
        return None
    x, y = skeleton(a.middle), skeleton(b.middle)
    if not (x and y):
        return None
    return x[0] == y[0] if 1 in (len(x), len(y)) else _near(x, y)


def _near(x: str, y: str) -> bool:
    """Equal, or one slip apart in a word long enough for slips."""
    return x == y or (min(len(x), len(y)) >= 5 and OSA.distance(x, y, score_cutoff=1) <= 1)
