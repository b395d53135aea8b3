"""Eight processes meet the same new person at the same moment: one contact, on both databases.

A few tries here, a hundred of each kind in `make campaign`.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from hub.model import contact, event_work
from tests.racers import racers
from tests.servers import Stack
from tests.whole import JSON, Whole, whole_hub

PROCESSES, ROUNDS = 8, 8
TRIES = 200 if os.environ.get("LEADHUB_CAMPAIGN") == "full" else 6
"""By turns with one identifier in common and with none."""
FIRST = ("Анна", "Ольга", "Мария", "Елена")
SOUNDS = ("ба", "ве", "гор", "ду", "жа", "зим", "кол", "лу", "мак", "нев")


def exact(number: int) -> list[dict[str, str]]:
    """All give the same number, each writes it and the name in another way."""
    first, last, digits = person(number)
    ways = (f"+7{digits}", f"8 ({digits[:3]}) {digits[3:6]}-{digits[6:]}", f"7{digits}", digits)
    names = (f"{first} {last}", f"{last} {first}", first, "")
    return [{"name": names[n % 4], "phone": ways[n % 3], "message": f"Вопрос {n}"} for n in range(PROCESSES)]


def fuzzy(number: int) -> list[dict[str, str]]:
    """Half of them have one digit wrong, so that no identifier ties them to the others."""
    first, last, digits = person(number)
    slip = digits[:-1] + str((int(digits[-1]) + 1) % 10)
    return [
        {"name": f"{first} {last}", "phone": f"+7{(digits, slip)[n % 2]}", "message": f"Вопрос {n}"}
        for n in range(PROCESSES)
    ]


def person(number: int) -> tuple[str, str, str]:
    last = "".join(SOUNDS[number * 7919 // 10**place % 10] for place in (0, 1, 2)).title() + "дзе"
    return FIRST[number % 4], last, f"916{(number * 7_654_321 + 1_203_405) % 10**7:07}"


@pytest.mark.campaign
def test_one_person_is_one_contact(stack: Stack, tmp_path: Path) -> None:
    places = {"database_url": stack.database_url, "inbox_url": stack.inbox_url}
    with whole_hub(tmp_path, stack) as whole:
        live = whole.connect("webform", config={"per_minute": 100_000})
        with racers(PROCESSES, tmp_path, **places) as crowd:
            for number in range(TRIES):
                said = (exact, fuzzy)[number % 2](number)
                for form in said:
                    assert whole.post(live, json.dumps(form), JSON).status_code == 200
                for _ in range(ROUNDS):
                    if done(whole) < PROCESSES * (number + 1):
                        crowd.race()  # a process finds no event when its neighbours were quicker at taking
                assert done(whole) == PROCESSES * (number + 1)
                assert alive(whole) == number + 1, said


def done(whole: Whole) -> int:
    return len(whole.rows(event_work, event_work.c.state == "done"))


def alive(whole: Whole) -> int:
    return len([row for row in whole.rows(contact) if not row.merged_into])
