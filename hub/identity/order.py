"""Which word of a name is the first name, which the last, which the patronymic or middle name.

The patronymic shows the order of a Russian name wherever it stands; without one, known given names and the
endings of last names vote; what stays open is read in Western order and flagged `guessed`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from hub.identity.data import company_forms
from hub.identity.given import known
from hub.identity.text import TYPED_LATIN, TYPED_RUSSIAN, bare, one_script


@dataclass(frozen=True, slots=True)
class Parts:
    """The words of a name in their places."""

    first: str = ""
    last: str = ""
    middle: str = ""
    order: str = ""
    flags: tuple[str, ...] = ()


TICKET = re.compile(r"([^\W\d_][\w' -]*)/([^\W\d_][\w' -]*?)\s*(?:\b(?:MR|MRS|MS|MISS|MSTR|CHD|INF))?", re.I)
TOKEN = re.compile(r"[^\W\d_](?:[^\W_]|[’'`ʼ\-](?=[^\W\d_]))*\.?")
INITIALS = re.compile(r"(?<![^\W_])([^\W\d_])\.\s?(?=[^\W\d_])")
PATRONYMIC = re.compile(
    r".{2,}(?:[оеё]вич|ьич|[мт]ич|[оеё]вна|ична|йович|івна|ївна|ogl[yu]|k[yi]z[yi]|оглы|оглу|к[ыи]з[ыи]|улы|ұлы|қызы"
    r"|[oey]vi(?:ch|č)|(?:[iy]l|z[']?m|kit)[iy]{0,2}ch|[oey]vna|ichna)",
    re.I,
)
SURNAME = re.compile(
    r".+(?:[оеё]ва?|[иы]на?|[сц]к(?:ий|ая|ой)|ая|ый|[иы]х|ко|[чщ]ук|ю?к|ян|дзе|швили|ович"
    r"|[oe]va?|ina?|s[kc](?:i[iyj]?|y|aya|aia|a)|ko|chuk|yan|dze|shvili|ovich|s[oe]n|mann|berg|ez)",
    re.I,
)


def from_fields(first: str, last: str, middle: str) -> Parts:
    f, la, m = (one_script(bare(part)) for part in (first, last, middle))
    if known(la) and not known(f) and SURNAME.fullmatch(f):
        return Parts(la, f, m, "fields", ("swapped",))
    words = f.split()
    if not m and len(words) == 2 and PATRONYMIC.fullmatch(words[1]):
        f, m = words
    return Parts(f, la, m, "fields")


def from_text(text: str) -> Parts:
    ticket = TICKET.fullmatch(text)
    if ticket:
        names = [t for t in _tokens(ticket[2])]
        return Parts(" ".join(names[:1]), ticket[1].strip(), " ".join(names[1:]), "last_first")
    tokens = _tokens(INITIALS.sub(r"\1. ", text))
    typed = _other_layout(text, tokens)
    if typed:
        return replace(_ordered(typed), flags=("layout",))
    last, comma, rest = text.partition(",")
    if comma and len(_tokens(last)) == 1 and _tokens(rest):
        return Parts(_tokens(rest)[0], _tokens(last)[0], " ".join(_tokens(rest)[1:]), "last_first")
    if len(tokens) == 1 and not known(tokens[0]) and _titled(text):
        return Parts(last=tokens[0], order="single")
    return _ordered(tokens)


def _titled(text: str) -> bool:
    """Mrs Langstead: what follows a title alone is a last name."""
    return any(t.rstrip(".").casefold() in company_forms.TITLES for t in TOKEN.findall(text))


def _tokens(text: str) -> list[str]:
    found = (t.rstrip(".") for t in TOKEN.findall(text))
    return [t for t in found if t.casefold() not in company_forms.TITLES]


def _other_layout(text: str, tokens: Sequence[str]) -> list[str]:
    """Bdfy is Иван on the other layout: only believed if that is a given name and this is none."""
    if any(known(t) for t in tokens) or len(text) > 60:
        return []
    table = TYPED_RUSSIAN if text.isascii() else TYPED_LATIN
    typed = _tokens(text.translate(table))
    return typed if any(len(t) > 2 and known(t) for t in typed) else []


def _ordered(tokens: Sequence[str]) -> Parts:
    if len(tokens) < 2:
        return _single("".join(tokens))
    at = next((i for i in range(1, len(tokens)) if PATRONYMIC.fullmatch(tokens[i])), 0)
    if at and (len(tokens) > 2 or known(tokens[at - 1])):
        return _around(tokens, at)
    short = [t for t in tokens if len(t) == 1]
    if short and len(short) == len(tokens) - 1:
        return _with_initials(tokens, short)
    return _pair(tokens) if len(tokens) == 2 else _several(tokens)


def _single(token: str) -> Parts:
    if token and not known(token) and SURNAME.fullmatch(token):
        return Parts(last=token, order="single", flags=("guessed",))
    return Parts(first=token, order="single" if token else "")


def _around(tokens: Sequence[str], at: int) -> Parts:
    """The patronymic shows the order: the first name stands before it, what is left is the last name."""
    rest = [t for i, t in enumerate(tokens) if i not in (at - 1, at)]
    order = "single" if not rest else "last_first" if at > 1 else "first_last"
    return Parts(tokens[at - 1], " ".join(rest), tokens[at], order)


def _with_initials(tokens: Sequence[str], short: Sequence[str]) -> Parts:
    last = next(t for t in tokens if len(t) > 1 or t is tokens[-1])
    if known(last) and tokens[0] == last and len(short) == 1:
        return Parts(last, short[-1], "", "first_last")
    order = "last_first" if tokens[0] == last else "first_last"
    doubt = order == "last_first" and len(short) == 1 and not SURNAME.fullmatch(last)
    return Parts(short[0], last, " ".join(short[1:]), order, ("guessed",) if doubt else ())


def _pair(tokens: Sequence[str]) -> Parts:
    a, b = tokens
    by_name = known(a) - known(b)
    by_ending = bool(SURNAME.fullmatch(b)) - bool(SURNAME.fullmatch(a))
    flags = () if by_name and by_name * by_ending >= 0 and (by_name > 0 or by_ending) else ("guessed",)
    if by_name < 0 or (not by_name and by_ending < 0):
        return Parts(b, a, "", "last_first", flags if by_name or not by_ending else ())
    return Parts(a, b, "", "first_last", flags if by_name or not by_ending else ())


def _several(tokens: Sequence[str]) -> Parts:
    """Three words and more without a patronymic: particles belong to the last name, the rest to the middle."""
    if known(tokens[1]) and not known(tokens[0]) and SURNAME.fullmatch(tokens[0]):
        return Parts(tokens[1], tokens[0], " ".join(tokens[2:]), "last_first")
    start = len(tokens) - 1
    for i in range(1, start):
        if tokens[i].casefold() in company_forms.PARTICLES:
            start = i
            break
    return Parts(tokens[0], " ".join(tokens[start:]), " ".join(tokens[1:start]), "first_last")
