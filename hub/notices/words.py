"""The sentences of letters to colleagues, in their languages: workers write them, where no page has a language."""

from __future__ import annotations

from collections.abc import Mapping

WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "given": "A lead for you: {title}", "from": "From: {source}", "card": "Card", "signal": "Lead hub: {title}",
        "recovered": "It is over: {title}",
        "accept": "Accept", "decline": "Decline", "later": "Later", "qualify": "Qualify", "note": "Note",
        "1h": "In an hour", "1d": "Tomorrow", "3d": "In three days", "back": "Back",
        "done:accept": "Accepted.", "done:decline": "Given on.", "done:later": "Postponed.",
        "done:qualify": "It is a deal now.", "done:note": "Noted.",
        "choose": "When?", "how_to_note": "Reply to this message with your note.",
        "hint": "Press a button, or reply to a message about a lead to leave a note.",
        "linked": "{name}, your leads come here from now on.",
        "bad_code": "This code is used or too old: make a new one on your page in the hub.",
        "confirm": "Your address for leads",
        "confirm_text": "Somebody, hopefully you, entered this address in the hub. Open this to get your leads here:",
        "not_yours": "This lead is not with you any more.", "closed": "This lead is closed already.",
        "missing": "This lead does not exist any more.", "taken": "Somebody else has taken this lead already.",
        "taken_by": "{name} has taken this lead already.", "offered": "A lead for whoever takes it first: {title}",
        "gone": "You are not a member any more.", "nobody_else": "Nobody else can take it now: it stays with you.",
        "no_heir": "Open the card and choose who gets the deal.", "empty": "The note is empty.",
        "not_qualified": "Not known yet: {missing}.", "no_stage": "There is no such stage.",
        "not_now": "Not possible: {why}",
    },
    "ru": {
        "given": "Вам лид: {title}", "from": "Откуда: {source}", "card": "Карточка", "signal": "Lead hub: {title}",
        "recovered": "Уже в порядке: {title}",
        "accept": "Принять", "decline": "Отказаться", "later": "Позже", "qualify": "Квалифицировать", "note": "Заметка",
        "1h": "Через час", "1d": "Завтра", "3d": "Через три дня", "back": "Назад",
        "done:accept": "Принят.", "done:decline": "Передан другому.", "done:later": "Отложен.",
        "done:qualify": "Теперь это сделка.", "done:note": "Записано.",
        "choose": "Когда?", "how_to_note": "Ответьте на это сообщение текстом заметки.",
        "hint": "Нажмите кнопку или ответьте на сообщение о лиде, чтобы оставить заметку.",
        "linked": "{name}, ваши лиды теперь приходят сюда.",
        "bad_code": "Код использован или устарел: получите новый на своей странице в хабе.",
        "confirm": "Ваш адрес для лидов",
        "confirm_text": "Кто-то (надеемся, вы) указал этот адрес в хабе. Откройте ссылку, чтобы получать лиды сюда:",
        "not_yours": "Этот лид уже не у вас.", "closed": "Этот лид уже закрыт.",
        "missing": "Этого лида больше нет.", "taken": "Этот лид уже взял другой.",
        "taken_by": "Этот лид уже принят: {name}.", "offered": "Лид тому, кто возьмёт первым: {title}",
        "gone": "Вы больше не участник.", "nobody_else": "Передать сейчас некому: лид остаётся у вас.",
        "no_heir": "Откройте карточку и выберите, кому достанется сделка.", "empty": "Заметка пустая.",
        "not_qualified": "Ещё не известно: {missing}.", "no_stage": "Такой стадии нет.",
        "not_now": "Невозможно: {why}",
    },
}  # fmt: skip


def say(locale: str, key: str, **values: str) -> str:
    """A sentence; English where a language is missing. Values are put in once and never looked at again."""
    text = WORDS.get(locale, WORDS["en"])[key]
    for name, value in values.items():
        before, mark, after = text.partition(f"{{{name}}}")
        text = before + value + after if mark else text
    return text


def knows(key: str) -> bool:
    """Whether there is such a sentence."""
    return key in WORDS["en"]
