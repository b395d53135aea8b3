"""The sets of stages a new direction starts with.

Lead stages follow the state of the client; deal stages are the usual ones of a sale. Colours make the
border between the two blocks visible: cold ones for leads, warm ones for deals.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from hub.clock import Clock
from hub.model import direction, stage


@dataclass(frozen=True, slots=True)
class StageSet:
    """One default stage: key, names by language, colour, and what it closes ("" if nothing)."""

    key: str
    names: dict[str, str]
    colour: str
    final: str = ""


LEAD_STAGES = (
    StageSet("new", {"en": "New", "ru": "Новый"}, "#98cbff"),
    StageSet("silent", {"en": "Silent", "ru": "Молчит"}, "#e6e8ea"),
    StageSet("cold", {"en": "Cold", "ru": "Холодный"}, "#d6eaff"),
    StageSet("warm", {"en": "Warm", "ru": "Тёплый"}, "#c1e0ff"),
    StageSet("hot", {"en": "Hot", "ru": "Горячий"}, "#ccc8f9"),
    StageSet("rejected", {"en": "Rejected", "ru": "Отказ"}, "#f2f3f4", "rejected"),
)
DEAL_STAGES = (
    StageSet("created", {"en": "Created", "ru": "Создана"}, "#fff000"),
    StageSet("in_work", {"en": "In work", "ru": "В работе"}, "#ffdc7f"),
    StageSet("offer_sent", {"en": "Offer or invoice sent", "ru": "Предложение или счёт отправлены"}, "#ffce5a"),
    StageSet("won", {"en": "Won", "ru": "Успешна"}, "#87f2c0", "won"),
    StageSet("lost", {"en": "Lost", "ru": "Проиграна"}, "#ff8f92", "lost"),
)


def add_direction(conn: Connection, clock: Clock, name: str, locale: str = "en", main: bool = False) -> str:
    """A direction with both default blocks; answers its id."""
    direction_id = clock.new_id()
    conn.execute(direction.insert().values(id=direction_id, name=name, position=0, main=main))
    conn.execute(
        stage.insert(),
        [
            {
                "direction_id": direction_id, "key": one.key, "block": block, "position": position,
                "name": one.names.get(locale, one.names["en"]), "colour": one.colour, "final": one.final,
            }
            for block, stages in (("lead", LEAD_STAGES), ("deal", DEAL_STAGES))
            for position, one in enumerate(stages)
        ],
    )  # fmt: skip
    return direction_id
