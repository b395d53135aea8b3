"""Evidence in sentences people read, Russian and English, as stored with each decision. Identifiers are masked."""

from __future__ import annotations

from collections.abc import Mapping

from hub.identity.judge import Candidate
from hub.identity.rules import VERSION
from hub.identity.weigh import Piece

KINDS = {"p": "phone", "m": "email", "v": "visitor"}
Sentence = tuple[str, str]

PIECES: Mapping[str, Sentence] = {
    "account": ("The same account: {what}", "Тот же аккаунт: {what}"),
    "number": ("The same phone number {what}", "Тот же номер телефона {what}"),
    "weak_number": ("Possibly the same number {what}", "Возможно, тот же номер {what}"),
    "shared_number": (
        "The number {what} is the same, but several people answer it",
        "Номер {what} тот же, но им пользуются несколько человек",
    ),
    "mailbox": ("The same e-mail {what}", "Та же почта {what}"),
    "weak_mailbox": ("The mailbox that was probably meant: {what}", "Вероятно, имелась в виду почта {what}"),
    "shared_mailbox": ("{what} is a mailbox of several people", "{what} — ящик нескольких человек"),
    "browser": ("The same browser", "Тот же браузер"),
    "shared_browser": ("A browser that several people use", "Браузер, которым пользуются несколько человек"),
    "near_number": ("A number one slip away from {what}", "Номер отличается от {what} одной опиской"),
    "near_mailbox": ("An e-mail one letter away from {what}", "Почта отличается от {what} одной буквой"),
    "near_domain": ("The same mailbox name, a slip in the domain: {what}", "То же имя ящика, описка в домене: {what}"),
    "same_local_part": ("The same mailbox name at another provider", "То же имя ящика у другого провайдера"),
    "firm": ("The same company", "Та же компания"),
    "domain": ("The same company domain {what}", "Тот же домен компании {what}"),
    "town": ("The same town", "Тот же город"),
    "other_town": ("Another town", "Другой город"),
    "lately": ("The same first name there on the same day", "То же имя там же в тот же день"),
    "given_same": ("The same first name", "То же имя"),
    "given_near": ("A similar first name", "Похожее имя"),
    "given_initial": ("The initial fits the first name", "Инициал подходит к имени"),
    "given_other": ("Another first name", "Другое имя"),
    "surname_same": ("The same last name", "Та же фамилия"),
    "surname_near": ("A similar last name", "Похожая фамилия"),
    "surname_initial": ("The initial fits the last name", "Инициал подходит к фамилии"),
    "surname_other": ("Another last name", "Другая фамилия"),
    "middle_same": ("The same middle name", "То же отчество"),
    "middle_other": ("Another middle name", "Другое отчество"),
}
GUARDS: Mapping[str, Sentence] = {
    "other_name": (
        "The {key} is known under another name: taken for somebody else",
        "{key} известен под другим именем: это другой человек",
    ),
    "recycled": (
        "The number was silent for long and has another name now: a new owner",
        "Номер долго молчал и теперь с другим именем: новый владелец",
    ),
    "shared_without_name": (
        "Several people use it, and the names do not agree",
        "Этим пользуются несколько человек, а имена не совпадают",
    ),
    "shared_long_ago": (
        "Several people use it, and nobody has lately",
        "Этим пользуются несколько человек, и давно никто не писал",
    ),
    "shared_other_surname": ("At a shared desk another last name", "На общем контакте другая фамилия"),
    "near_without_name": (
        "Nearly the same contact, but no name confirms it",
        "Контакт почти тот же, но имя этого не подтверждает",
    ),
    "names_alone": ("Names alone never join", "Одни имена никого не объединяют"),
    "": ("Too little evidence", "Слишком мало оснований"),
}
MISSING: Mapping[str, Sentence] = {
    "other_name": ("The same first name would join them", "Объединило бы то же имя"),
    "recycled": ("The former name would join them", "Объединило бы прежнее имя"),
    "shared_without_name": ("First and last name would join them", "Объединили бы имя и фамилия"),
    "shared_long_ago": ("A name would join them", "Объединило бы имя"),
    "shared_other_surname": ("The same last name would join them", "Объединила бы та же фамилия"),
    "near_without_name": ("The same first or last name would join them", "Объединило бы то же имя или фамилия"),
    "names_alone": (
        "A phone, an e-mail or an account in common would join them",
        "Объединил бы общий телефон, почта или аккаунт",
    ),
    "": ("One more identifier in common would join them", "Объединил бы ещё один общий контакт"),
}


def masked(place: str) -> str:
    """An identifier as it may stand in a sentence: enough to know it by, too little to call."""
    kind, _, value = place.partition(":")
    if kind == "p":
        return f"{value[:-7]}•••••{value[-2:]}" if len(value) > 9 else "•••"
    if kind == "m":
        local, _, domain = value.rpartition("@")
        return f"{local[:1]}•••@{domain}"
    return kind if kind not in KINDS else "•••"


def piece_fact(piece: Piece) -> dict[str, str]:
    """One piece of evidence as stored."""
    en, ru = PIECES.get(piece.code, (piece.code, piece.code))
    what = masked(piece.what) if ":" in piece.what else ""
    kind = piece.what.partition(":")[0] if ":" in piece.what else ""
    vouched = (" (verified)", " (подтверждено)") if piece.verified else ("", "")
    fact = {"result": piece.code, "bits": f"{piece.bits:+.1f}"}
    if kind:
        fact["by"] = KINDS.get(kind, kind)
    return fact | {"en": en.format(what=what) + vouched[0], "ru": ru.format(what=what) + vouched[1]}


def guard_fact(one: Candidate, contact: str) -> dict[str, str]:
    """Why a contact was not joined, and what would have to differ."""
    tied = (*one.weighed.personal, *one.weighed.desk, *one.weighed.near)
    kind = KINDS.get(tied[0].partition(":")[0], "") if tied else ""
    en, ru = GUARDS.get(one.guard, GUARDS[""])
    more = MISSING.get(one.guard, MISSING[""])
    names = {"phone": "номер", "email": "адрес", "visitor": "браузер"}
    told = {"en": en.format(key=kind or "contact"), "ru": ru.format(key=names.get(kind, "контакт")).capitalize()}
    told = {"en": f"{told['en']}. {more[0]}", "ru": f"{told['ru']}. {more[1]}"}
    return {"result": one.guard or "too_little", "by": kind or "name", "contact": contact, **told}


NEW = {
    "result": "new_person",
    "en": "Nobody here had these contact data: a new person",
    "ru": "Этих контактов здесь ни у кого не было: новый человек",
    "rules": str(VERSION),
}
IN_CRM = {"result": "known_in_crm", "en": "A contact that the CRM has already", "ru": "Такой контакт уже есть в CRM"}
IN_CRM_TOO = {
    "result": "known_in_crm",
    "en": "One contact of the CRM has the contact data of both",
    "ru": "В CRM у одного контакта данные обоих",
}
THREAD = {"by": "thread", "en": "It continues the same conversation", "ru": "Продолжает тот же разговор"}


def score_fact(score: float) -> dict[str, str]:
    """The sum, with the version of the rules it was taken by."""
    bits = f"{score:+.1f}"
    return {"result": "score", "bits": bits, "rules": str(VERSION), "en": f"Together {bits}", "ru": f"Вместе {bits}"}
