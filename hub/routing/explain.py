"""A decision as plain sentences, in Russian or English: which rule, whose turn, and what would have to differ.

Sentences are made from the facts that stand in the ledger, when they are read: they can be asked for as long as the
lead exists.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TEXTS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "rule": "Rule “{rule}” decided, because {matched}.",
        "default": "Rule “{rule}” decided; it takes everything.",
        "no_rule": "No rule matched: it went to the main direction.",
        "missed": "It would have gone by rule “{rule}” had {field} {op} {value}; it was {had}.",
        "rotation": "It was the turn of {owner} in “{pool}”: lead no. {turn}, {of} took part.",
        "own": "{owner} got it as the client's own responsible.",
        "stand_in": "{owner} got it, standing in for {own}, whose client it is and who is away.",
        "duty": "{owner} got it, being on duty off hours.",
        "last_resort": "Nobody in “{pool}” could take it: {owner} got it as the last resort.",
        "taken": "{owner} took it first; it had been offered to everybody in “{pool}”.",
        "deadline": "Nothing was done in time: it went on to {owner}.",
        "gone": "Its responsible is not there any more: it went to {owner}.",
        "away": "Its responsible is away: it went to {owner}.",
        "back": "{owner} is back and got it again.",
        "rules": "By the rules of now it belongs to {owner}.",
        "chain": "{owner} is next in the chain of this deadline.",
        "person": "{owner} was chosen by hand.",
        "passed_over": "{who} would have been next, had {who} not been {why}.",
        "overflowed": "“{pools}” had no room, so it went on to “{pool}”.",
        "unskilled": "Nobody there knows {skills}: it was given by turns to all.",
        "hold": "It came off hours and waits until {owner} begins.",
        "give": "It came off hours and was given at once all the same.",
        "unseen": "Nobody of them had been seen lately, so that was not asked for.",
        "without": "Whoever had it was too slow and took no part.",
        "offered": "It is offered to all of them; whoever takes it first has it.",
        "out": "Nobody took part: {reasons}.",
        "none": "empty", "and": " and ", "nobody": "somebody",
    },
    "ru": {
        "rule": "Решило правило «{rule}», потому что {matched}.",
        "default": "Решило правило «{rule}»: оно берёт всё.",
        "no_rule": "Ни одно правило не подошло: лид попал в основное направление.",
        "missed": "Он ушёл бы по правилу «{rule}», если бы {field} {op} {value}; а там {had}.",
        "rotation": "В «{pool}» была очередь: {owner}. Лид № {turn}, участвовали {of}.",
        "own": "Ответственный — {owner}: это его клиент.",
        "stand_in": "Ответственный — {owner}, замещает: {own}. Это его клиент, но его нет.",
        "duty": "Ответственный — {owner}: дежурит в нерабочее время.",
        "last_resort": "В «{pool}» взять некому: лид достался последнему в цепочке, это {owner}.",
        "taken": "Первым взял {owner}; лид предлагался всем в «{pool}».",
        "deadline": "Вовремя ничего не сделано: лид передан, ответственный теперь {owner}.",
        "gone": "Прежнего ответственного больше нет: ответственный теперь {owner}.",
        "away": "Прежний ответственный отсутствует: ответственный теперь {owner}.",
        "rules": "По нынешним правилам ответственный — {owner}.",
        "chain": "{owner} — следующий в цепочке этого срока.",
        "back": "Вернулся {owner}, и лид снова у него.",
        "person": "Ответственный выбран вручную: {owner}.",
        "passed_over": "Следующим был бы {who}, но он {why}.",
        "overflowed": "В «{pools}» не было места, поэтому лид ушёл в «{pool}».",
        "unskilled": "Там никто не знает {skills}: лид отдан по общей очереди.",
        "hold": "Лид пришёл в нерабочее время и ждёт начала дня, ответственный {owner}.",
        "give": "Лид пришёл в нерабочее время и всё равно отдан сразу.",
        "unseen": "Никто из них давно не появлялся, поэтому на это не смотрели.",
        "without": "Прежний ответственный не успел и в очереди не участвовал.",
        "offered": "Лид предложен всем: у кого он будет, решит тот, кто возьмёт первым.",
        "out": "Никто не участвовал: {reasons}.",
        "none": "пусто", "and": " и ", "nobody": "кто-то",
    },
}  # fmt: skip
WHY_NOT: Mapping[str, Mapping[str, str]] = {
    "en": {
        "gone": "switched off", "away": "away", "skill": "without the skill", "full_open": "full of open leads",
        "full_day": "full for the day", "full_month": "full for the month", "closed": "off hours",
        "unseen": "out of sight",
    },
    "ru": {
        "gone": "отключён", "away": "в отъезде", "skill": "без нужного навыка", "full_open": "занят открытыми лидами",
        "full_day": "набрал норму дня", "full_month": "набрал норму месяца", "closed": "не на работе",
        "unseen": "давно не появлялся",
    },
}  # fmt: skip
OPERATIONS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "is": "been", "is_not": "not been", "contains": "contained", "not_contains": "not contained",
        "starts": "begun with", "present": "been filled in", "absent": "been empty", "one_of": "been one of",
        "at_least": "been at least", "at_most": "been at most",
    },
    "ru": {
        "is": "было", "is_not": "не было", "contains": "содержало", "not_contains": "не содержало",
        "starts": "начиналось с", "present": "было заполнено", "absent": "было пусто", "one_of": "было одним из",
        "at_least": "было не меньше", "at_most": "было не больше",
    },
}  # fmt: skip
MATCHED: Mapping[str, Mapping[str, str]] = {
    "en": {"is": "is", "is_not": "is not", "contains": "contains", "starts": "begins with", "present": "is filled in",
           "absent": "is empty", "one_of": "is one of", "at_least": "is at least", "at_most": "is at most"},
    "ru": {"is": "—", "is_not": "не", "contains": "содержит", "starts": "начинается с", "present": "заполнено",
           "absent": "пусто", "one_of": "одно из", "at_least": "не меньше", "at_most": "не больше"},
}  # fmt: skip
FIELDS: Mapping[str, Mapping[str, str]] = {
    "en": {"known_person": "person known", "known_company": "company known"},
    "ru": {
        "source": "канал", "connection": "подключение", "form": "форма", "region": "страна", "language": "язык",
        "page": "страница", "referrer": "откуда пришли", "text": "сообщение", "subject": "тема",
        "company": "компания", "product": "товар", "score": "оценка", "known_person": "знакомый человек",
        "known_company": "знакомая компания",
    },
}  # fmt: skip
NOTES = ("unskilled", "unseen", "offered", "without")


def sentences(why: Mapping[str, Any], names: Mapping[str, str], locale: str) -> tuple[str, ...]:
    """The facts of one decision (rule and owner in one mapping, `owner` and `pool` in it) as sentences."""
    language = locale if locale in TEXTS else "en"
    told = _Told(why, names, language)
    return tuple(filter(None, (*told.by_rule(), *told.to_owner(), *told.otherwise())))


class _Told:
    """One decision in one language."""

    def __init__(self, why: Mapping[str, Any], names: Mapping[str, str], language: str) -> None:
        self._why, self._names, self._language = why, names, language
        self._texts = TEXTS[language]

    def _name(self, member_id: Any) -> str:
        return self._names.get(str(member_id), self._texts["nobody"])

    def by_rule(self) -> tuple[str, ...]:
        why = self._why
        if "rule" not in why:
            return ()
        if not why["rule"]:
            return (self._texts["no_rule"],)
        matched = self._texts["and"].join(self._condition(*one) for one in why.get("matched") or ())
        kind = "rule" if matched else "default"
        return (self._texts[kind].format(rule=why["rule"], matched=matched),)

    def _condition(self, field: str, op: str, value: str) -> str:
        words = (self._field(field), MATCHED[self._language].get(op, op), self._quoted(value))
        return " ".join(filter(None, words))

    def _quoted(self, value: str) -> str:
        marks = "«»" if self._language == "ru" else "“”"
        return f"{marks[0]}{value}{marks[1]}" if value else ""

    def _field(self, field: str) -> str:
        return FIELDS[self._language].get(field, field.removeprefix("field."))

    def to_owner(self) -> tuple[str, ...]:
        why = self._why
        by = str(why.get("by", "person"))
        values = {
            "owner": self._name(why.get("owner")), "own": self._name(why.get("own")), "pool": why.get("pool", ""),
            "turn": why.get("turn", ""), "of": why.get("of", ""), "skills": ", ".join(why.get("unskilled") or ()),
            "pools": "”, “".join(why.get("overflowed") or ()),
        }  # fmt: skip
        keys = [str(why.get("cause", "")), by if by in self._texts else "person"]
        keys += ["overflowed" if why.get("overflowed") else ""]
        keys += [str(why.get("off_hours", "")), *(one for one in NOTES if why.get(one))]
        return tuple(self._texts[key].format(**values) for key in keys if key in self._texts)

    def otherwise(self) -> tuple[str, ...]:
        """What would have to differ to go elsewhere."""
        found = []
        if over := self._why.get("passed_over"):
            reason = WHY_NOT[self._language].get(over[1], over[1])
            found.append(self._texts["passed_over"].format(who=self._name(over[0]), why=reason))
        if out := self._why.get("out"):
            known = WHY_NOT[self._language]
            reasons = ", ".join(f"{known.get(why, why)}: {count}" for why, count in sorted(out.items()))
            found.append(self._texts["out"].format(reasons=reasons))
        if missed := self._why.get("missed"):
            field, op, value = missed["condition"]
            had = self._quoted(missed["had"]) or self._texts["none"]
            words = {"rule": missed["rule"], "field": self._field(field), "had": had}
            operation = OPERATIONS[self._language].get(op, op)
            found.append(self._texts["missed"].format(op=operation, value=self._quoted(value), **words))
        return tuple(found)
