"""Text as people and programs leave it, made comparable: invisible characters, scripts, transliteration.

Nothing here raises on any text. What is shown keeps every character but NUL and lone surrogates,
which no database takes; what is compared keeps letters, digits and plain punctuation.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Any

from anyascii import anyascii

UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
SPACES = re.compile(r"\s+")
INVISIBLE = frozenset(("Cf", "Cc", "Cs", "Co", "Cn", "So", "Sk"))
SELECTORS = frozenset("\ufe0e\ufe0f\u20e3")

CYRILLIC = str.maketrans(
    {
        **dict(zip("абвгдезийклмнопрстуфыэ", "abvgdeziiklmnoprstufie", strict=True)),
        **{"ё": "e", "ж": "zh", "х": "kh", "ц": "ts", "ч": "ch", "ш": "sh", "щ": "shch", "ю": "iu", "я": "ia"},
        **{"ъ": "", "ь": "", "і": "i", "ї": "i", "є": "ie", "ґ": "g", "ў": "u"},
        **{"ә": "a", "ғ": "g", "қ": "k", "ң": "n", "ө": "o", "ұ": "u", "ү": "u", "һ": "h"},
        **{"č": "ch", "š": "sh", "ž": "zh", "ß": "ss", "ä": "ae", "ö": "oe", "ü": "ue"},
    }
)
FOLDS = {
    "shch": "s", "sch": "s", "sh": "s", "zh": "z", "kh": "h", "ch": "ch", "tch": "ch", "ts": "k", "tz": "k", "tc": "k",
    "ck": "k", "c": "k", "q": "k", "x": "ks", "ph": "f", "th": "t", "gh": "g", "w": "v", "y": "i", "j": "i",
    "iu": "u", "ia": "a", "ie": "e", "io": "e", "yu": "u", "ju": "u", "ya": "a", "ja": "a", "ye": "e", "je": "e",
    "yo": "e", "jo": "e", "ae": "a", "oe": "o", "ue": "u",
}  # fmt: skip
FOLD = re.compile("|".join(sorted(FOLDS, key=len, reverse=True)))
INITIAL = re.compile("[ijy][aou]e*")
DOUBLE = re.compile(r"([a-z])\1+")
NOT_KEY = re.compile(r"[^a-z0-9]+")

LOOKALIKE_CYRILLIC = "аеорсухкмтвніјѕԁһАЕОРСУХКМТВНІЈЅ"
LOOKALIKE_LATIN = "aeopcyxkmtbhijsdhAEOPCYXKMTBHIJS"
TO_LATIN = str.maketrans(LOOKALIKE_CYRILLIC, LOOKALIKE_LATIN)
TO_CYRILLIC = str.maketrans("aeopcyxkmABEKMHOPCTX", "аеорсухкмАВЕКМНОРСТХ")
HAS_CYRILLIC = re.compile("[\u0400-\u052f]")
HAS_LATIN = re.compile("[A-Za-z]")
WORD = re.compile(r"[^\W\d_]+")

KEYS_LATIN = "`qwertyuiop[]asdfghjkl;'zxcvbnm,.~QWERTYUIOP{}ASDFGHJKL:\"ZXCVBNM<>"
KEYS_RUSSIAN = "ёйцукенгшщзхъфывапролджэячсмитьбюЁЙЦУКЕНГШЩЗХЪФЫВАПРОЛДЖЭЯЧСМИТЬБЮ"
TYPED_RUSSIAN = str.maketrans(KEYS_LATIN, KEYS_RUSSIAN)
TYPED_LATIN = str.maketrans(KEYS_RUSSIAN, KEYS_LATIN)


def as_text(value: Any) -> str:
    """A JSON value as text: numbers as written, None as "" (forms send phones as numbers)."""
    return value if isinstance(value, str) else "" if value is None else str(value)


def shown(text: str) -> str:
    """Text as we keep and show it: NFC, outer and repeated blanks gone, nothing else lost."""
    if not text.isascii() or "\x00" in text:
        text = unicodedata.normalize("NFC", UNSTORABLE.sub("\ufffd", text))
    return SPACES.sub(" ", text).strip()


def bare(text: str) -> str:
    """Text as we compare it: NFKC without zero-width, direction marks, emoji and control characters."""
    if not text.isascii():
        text = "".join(_visible(c) for c in unicodedata.normalize("NFKC", text))
    elif not text.isprintable():
        text = "".join(_visible(c) for c in text)
    return SPACES.sub(" ", text).strip()


@lru_cache(maxsize=4096)
def _visible(char: str) -> str:
    if char.isspace():
        return " "
    if char in SELECTORS:
        return ""
    kind = unicodedata.category(char)
    return (" " if kind == "So" else "") if kind in INVISIBLE else char


def digits_ascii(text: str) -> str:
    """Arabic, Devanagari and all other decimal digits as 0-9."""
    if text.isascii():
        return text
    return "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in text)


def latin(text: str) -> str:
    """Small Latin letters: our table for Cyrillic, the common one for all other scripts."""
    text = text.lower().translate(CYRILLIC)
    return text if text.isascii() else anyascii(text).lower()


@lru_cache(maxsize=1 << 15)
def skeleton(text: str) -> str:
    """One Latin spelling for all habits of writing the same word: Щукин, Shchukin, Schukin are "sukin".

    Letters and digits only; the skeleton of a skeleton is itself.
    """
    word = NOT_KEY.sub("", latin(text))
    start = INITIAL.match(word)
    if start:  # Яна is not Анна, Юля is not Уля
        return "i" + word[1] + _folded(word[start.end() :]).lstrip("e")
    return _folded(word)


def _folded(word: str) -> str:
    while (folded := DOUBLE.sub(r"\1", FOLD.sub(lambda m: FOLDS[m[0]], word))) != word:
        word = folded
    return word


def one_script(text: str) -> str:
    """Words that mix Latin and Cyrillic look-alikes written in the script that most of their letters have."""
    if text.isascii() or not (HAS_CYRILLIC.search(text) and HAS_LATIN.search(text)):
        return text
    return WORD.sub(lambda m: _one_script(m[0]), text)


def _one_script(word: str) -> str:
    if not (HAS_CYRILLIC.search(word) and HAS_LATIN.search(word)):
        return word
    for whole, other in ((word.translate(TO_CYRILLIC), HAS_LATIN), (word.translate(TO_LATIN), HAS_CYRILLIC)):
        if not other.search(whole):
            return whole
    return word.translate(TO_CYRILLIC if len(HAS_CYRILLIC.findall(word)) * 2 >= len(word) else TO_LATIN)
