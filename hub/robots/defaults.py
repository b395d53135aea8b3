"""The sets of robots that ship: for the states of a client, for the stages of a deal, for late payment, for leads
without a next step. They are added switched off, so that each can be tried dry before it does anything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select

from hub.clock import DAY, HOUR, MINUTE, Clock
from hub.model import robot
from hub.robots.run import add


def _task(en: str, ru: str, within_ms: int) -> dict[str, Any]:
    return {"do": "task", "text": {"en": en, "ru": ru}, "within_ms": within_ms}


def _on(stage: str) -> dict[str, Any]:
    return {"on": "stage", "stage": stage}


def _still(stage: str) -> list[dict[str, str]]:
    return [{"field": "stage", "op": "is", "value": stage}]


WORKING_DAY = 9 * HOUR
SETS: Mapping[str, tuple[Mapping[str, Any], ...]] = {
    "lead_states": (
        {"name": {"en": "New: check the contact data", "ru": "Новый: проверить контакты"}, "block": "lead",
         "trigger": {"on": "opened"},
         "actions": [_task("Get in touch with {name|the client}, check the contact data, find out what is needed",
                           "Связаться: {name|клиент}. Проверить контакты, выяснить потребность", 15 * MINUTE)]},
        {"name": {"en": "Silent: another channel", "ru": "Молчит: другой канал"}, "block": "lead",
         "trigger": _on("silent"), "conditions": _still("silent"),
         "actions": [_task("Try {name|the client} on another channel", "Попробовать другой канал: {name|клиент}",
                           DAY)]},
        {"name": {"en": "Cold: warm up in two days", "ru": "Холодный: подогреть через два дня"}, "block": "lead",
         "trigger": _on("cold"), "conditions": _still("cold"), "delay": {"ms": 2 * WORKING_DAY, "working": True},
         "actions": [_task("Send something useful to {name|the client}", "Отправить полезное: {name|клиент}", DAY)]},
        {"name": {"en": "Warm: qualify", "ru": "Тёплый: квалифицировать"}, "block": "lead", "trigger": _on("warm"),
         "conditions": _still("warm"),
         "actions": [_task("Ask {name|the client} about budget, term and who decides",
                           "Спросить о бюджете, сроке и кто решает: {name|клиент}", DAY)]},
        {"name": {"en": "Hot: agree on a meeting", "ru": "Горячий: назначить встречу"}, "block": "lead",
         "trigger": _on("hot"), "conditions": _still("hot"),
         "actions": [_task("Agree on a meeting or a consultation with {name|the client}",
                           "Назначить встречу или консультацию: {name|клиент}", 2 * HOUR)]},
    ),
    "deal_stages": (
        {"name": {"en": "In work: prepare the offer", "ru": "В работе: подготовить предложение"}, "block": "deal",
         "trigger": _on("in_work"), "conditions": _still("in_work"),
         "actions": [_task("Prepare the offer for {title|the client}", "Подготовить предложение: {title|клиент}",
                           DAY)]},
        {"name": {"en": "Offer sent: ask after it", "ru": "Предложение отправлено: узнать мнение"}, "block": "deal",
         "trigger": _on("offer_sent"), "conditions": _still("offer_sent"),
         "delay": {"ms": 2 * WORKING_DAY, "working": True},
         "actions": [_task("Ask {name|the client} what they think of the offer",
                           "Узнать, что решили по предложению: {name|клиент}", DAY)]},
        {"name": {"en": "Paid: the deal is won", "ru": "Оплачено: сделка успешна"}, "block": "deal",
         "trigger": {"on": "client", "event": "paid"}, "actions": [{"do": "stage", "stage": "won"}]},
    ),
    "payment_late": (
        {"name": {"en": "Payment late: call at ten", "ru": "Оплата задерживается: звонок в десять"}, "block": "deal",
         "trigger": _on("offer_sent"), "conditions": _still("offer_sent"), "delay": {"ms": 3 * DAY, "at": "10:00"},
         "actions": [_task("Call {name|the client}: the payment is late", "Позвонить: {name|клиент}, нет оплаты",
                           2 * HOUR)]},
        {"name": {"en": "Payment a week late: tell the head", "ru": "Оплаты нет неделю: сказать руководителю"},
         "block": "deal", "trigger": _on("offer_sent"), "conditions": _still("offer_sent"),
         "delay": {"ms": 7 * DAY, "at": "10:00"},
         "actions": [{"do": "signal", "text": {"en": "{title|A deal}: no payment for a week, {owner|nobody} has it",
                                               "ru": "{title|Сделка}: неделю нет оплаты, ведёт {owner|никто}"}}]},
    ),
    "no_next_step": (
        {"name": {"en": "Next step overdue: remind", "ru": "Следующий шаг просрочен: напомнить"}, "block": "lead",
         "trigger": {"on": "time", "after_ms": HOUR},
         "actions": [_task("{name|The client}: the next step is overdue, do it or set another",
                           "{name|Клиент}: следующий шаг просрочен, сделать или назначить другой", 4 * HOUR)]},
        {"name": {"en": "Next step two days overdue: tell the head",
                  "ru": "Шаг просрочен два дня: сказать руководителю"},
         "block": "lead", "trigger": {"on": "time", "after_ms": 2 * DAY},
         "actions": [{"do": "signal", "text": {"en": "{title|A lead}: nothing happened for two days, {owner} has it",
                                               "ru": "{title|Лид}: два дня без движения, ведёт {owner}"}}]},
    ),
}  # fmt: skip


def add_set(conn: Connection, clock: Clock, name: str, locale: str = "en", active: bool = False) -> list[str]:
    """The robots of a set that are not there yet by their name; answers the ids of the new ones."""
    known = set(conn.execute(select(robot.c.name)).scalars())
    made = []
    for position, told in enumerate(SETS[name]):
        values = _in(told, locale)
        if values["name"] not in known:
            made.append(add(conn, clock, {**values, "active": active, "position": position}))
    return made


def _in(told: Any, locale: str) -> Any:
    """Texts of several languages in one of them."""
    if isinstance(told, Mapping):
        if told.keys() == {"en", "ru"}:
            return told.get(locale, told["en"])
        return {key: _in(value, locale) for key, value in told.items()}
    return [_in(one, locale) for one in told] if isinstance(told, list) else told
