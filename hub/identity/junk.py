"""Is it an inquiry at all? Several signs together, never one alone, and never for somebody we know. Pure.

Junk is a folder that people can look into, not a bin: what is sorted there can be taken out again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

from hub.identity.data import given_names, junk_words
from hub.identity.data.mail_domains import FREE, ROLES
from hub.identity.given import known as is_given
from hub.identity.normalize import Known
from hub.identity.text import bare, latin

Signs = dict[str, float]
ENOUGH = 2.0
LONG = 60
DOUBT = ("test_name", "test_text", "mashed_name", "mashed_text", "glued_name", "nobody", "made_up")
URL = re.compile(r"https?://|www\.[a-z0-9-]+\.[a-z]")
LETTERS = re.compile(r"[^\W\d_]+")
ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm", "йцукенгшщзхъ", "фывапролджэ", "ячсмитьбю", "1234567890")
RUNS = "\n".join(f"{row * 2}\n{row[::-1]}" for row in ROWS)
"""Every way along a row of keys, the end of a row beside its beginning."""
GLUED = re.compile(r"([A-Z][a-z]{2,})([A-Z][a-z]{1,6})$")


def signs(known: Known, text: str, subject: str = "", phones: Sequence[str] = (), emails: Sequence[str] = ()) -> Signs:
    """Signs of junk with their weights; 2 and more is junk. `phones` and `emails` as typed."""
    plain = bare(f"{subject} {text}"[:4000]).lower()
    name = known.name.full
    test_name = _is_test(name)
    fakes = _fakes(known, any(phones), any(emails))
    found = {
        "empty": 2.0 * (not (known.phones or known.emails or name or LETTERS.search(plain))),
        "silent": 1.0 * (not (known.phones or known.emails or LETTERS.search(plain))),
        "test_name": 1.0 * (test_name or _is_digits(name)),
        "nobody": 0.5 * ("placeholder" in known.name.flags and not test_name),
        "test_text": 1.0 * (_is_test(text) and _says_test(text)),
        "mashed_name": 1.0 * mashed(name),
        "mashed_text": 1.0 * (mashed(text) and len(text) > 5),
        "glued_name": 0.5 * _is_glued(name),
        "link": 1.0 * bool(URL.search(plain)),
        "offer": 1.0 * bool(junk_words.OFFER.search(plain)),
        "automatic": 2.0 * bool(junk_words.AUTOMATIC.search(plain)),
        "seeks_work": 2.0 * bool(junk_words.SEEKS_WORK.search(plain)),
        **fakes,
    }
    if name and not any(found[one] for one in DOUBT):
        found["fake_number"] = found["fake_mailbox"] = 0.0  # who has a name and hides a number is no junk
    return {name: weight for name, weight in found.items() if weight}


def _fakes(known: Known, phone: bool, email: bool) -> Signs:
    """What was given to reach the person by and cannot be real."""
    real = {key.kind for key in known.keys if key.strength != "weak"}
    unreachable = (phone or email) and not real & {"phone", "email"}
    mailbox = next((e for e in known.emails if e.address), None)
    made_up = mailbox is not None and all(mashed(part.split(".")[0]) for part in mailbox.address.split("@"))
    return {
        "fake_number": 1.0 * (phone and "phone" not in real),
        "fake_mailbox": 1.0 * (email and "email" not in real),
        "made_up": 1.0 * made_up,
        "unreachable": 0.5 * unreachable,
    }


def is_junk(found: Signs) -> bool:
    """Whether the signs are enough."""
    return sum(found.values()) >= ENOUGH


def _is_test(text: str) -> bool:
    words = LETTERS.findall(text[:60].casefold())
    return 0 < len(words) <= 4 and all(word in junk_words.TEST or word in junk_words.OF_FORMS for word in words)


def _says_test(text: str) -> bool:
    """What a form writes by itself ("Message 5") is none: only a word such as "test" makes a test of it."""
    return any(word in junk_words.TEST for word in LETTERS.findall(text[:60].casefold()))


def _is_digits(name: str) -> bool:
    """111111 is nobody's name."""
    return len(name) > 1 and name.isdigit() and len(set(name)) < 4


def mashed(text: str) -> bool:
    """Fingers on the keyboard: a run along one row, no vowels, or capitals in the middle of words."""
    words = LETTERS.findall(text)[:20] if len(text) <= LONG else []
    return bool(words) and all(_mashed(word) for word in words)


@lru_cache(maxsize=1 << 13)
def _mashed(word: str) -> bool:
    low = word.casefold()
    if len(low) < 4 or is_given(word):
        return False
    if len(set(low)) == 1 or low in RUNS:
        return True
    flips = sum(a.islower() and b.isupper() for a, b in pairwise(word))
    return flips >= 3 or _unheard(low) > UNHEARD


def _unheard(low: str) -> float:
    """The share of neighbouring letters that stand so in no given name, taken in one Latin spelling."""
    plain = "".join(c for c in latin(low) if "a" <= c <= "z")
    pairs = [plain[i : i + 2] for i in range(len(plain) - 1)]
    return sum(pair not in HEARD for pair in pairs) / max(len(pairs), 1)


def _heard() -> frozenset[str]:
    text = " ".join((given_names.RUSSIAN, given_names.ENGLISH, given_names.EUROPEAN, *FREE, *ROLES)).lower()
    words = ["".join(c for c in latin(word) if "a" <= c <= "z") for word in text.split()]
    return frozenset(word[i : i + 2] for word in words for i in range(len(word) - 1))


HEARD = _heard()
UNHEARD = 0.34


def _is_glued(text: str) -> bool:
    """JamesLiexy: programs glue a given name and a made-up ending."""
    match = GLUED.fullmatch(text.strip())
    return bool(match and is_given(match[1]))
