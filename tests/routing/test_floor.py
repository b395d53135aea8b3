"""Who gets a lead: the order of reasons, one at a time, and what holds for any floor."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.clock import DAY, HOUR, MINUTE, millis
from hub.routing.check import absence_complaints, pool_complaints, rule_complaints
from hub.routing.explain import sentences
from hub.routing.floor import Absence, Floor, Limits, NobodyThere, Person, Pool
from hub.routing.hours import Plan, WorkTime
from hub.routing.ledger import deviations
from hub.routing.rotation import Turn
from hub.routing.rules import Condition, Rule

NOON = millis(datetime.fromisoformat("2026-11-20T12:00:00+03:00"))
NIGHT = NOON + 12 * HOUR  # Friday to Saturday
ANY = WorkTime(Plan())
DAYTIME = WorkTime(Plan("d", "Europe/Moscow", ((("09:00", "18:00"),),) * 5 + ((), ())))
EARLY = WorkTime(Plan("e", "Europe/Moscow", ((("07:00", "15:00"),),) * 5 + ((), ())))
NAMES = {"anna": "Anna", "boris": "Boris", "vera": "Vera"}


def person(name: str, work: WorkTime = ANY, **more: Any) -> Person:
    return Person(name, work, **more)


def floor(*people: Person, others: Mapping[str, Pool] | None = None, **pool: Any) -> Floor:
    turns = [Turn(one.id, 1, 0, 0) for one in people]
    return Floor({one.id: one for one in people}, {"desk": Pool("desk", turns, **pool), **(others or {})}, "anna")


def got(made: Floor, at: int = NOON, own: str = "", **facts: str) -> tuple[str, str]:
    found = made.assign("desk", facts, own, at)
    return found.owner, found.by


def test_everybody_in_turn() -> None:
    made = floor(person("anna"), person("boris"))
    assert [got(made)[0] for _ in range(4)] in (["anna", "boris"] * 2, ["anna", "boris", "boris", "anna"])


def test_the_clients_own_owner_comes_first() -> None:
    made = floor(person("anna"), person("boris"), person("vera"))
    assert {got(made, own="vera") for _ in range(3)} == {("vera", "own")}
    assert got(floor(person("anna"), own_first=False), own="vera")[1] == "rotation"


def test_a_stand_in_stands_in_and_so_on_until_it_goes_round() -> None:
    away = Absence(NOON - DAY, NOON + DAY, "boris")
    anna, boris = person("anna", absences=[away]), person("boris")
    assert floor(anna, boris).assign("desk", {}, "anna", NOON).instead_of == "anna"
    assert got(floor(anna, boris), own="anna") == ("boris", "stand_in")
    assert got(floor(anna, boris), NOON + DAY, own="anna") == ("anna", "own"), "back again"
    boris.absences = [Absence(NOON - DAY, NOON + DAY, "anna")]
    assert got(floor(anna, boris, person("vera")), own="anna") == ("vera", "rotation")


def test_who_left_owns_nobody() -> None:
    assert got(floor(person("anna", active=False), person("boris")), own="anna") == ("boris", "rotation")
    assert got(floor(person("boris")), own="somebody deleted") == ("boris", "rotation")


@pytest.mark.parametrize(
    ("away", "why"),
    [
        ({"active": False}, "gone"),
        ({"absences": [Absence(NOON - 1, NOON + 1)]}, "away"),
        ({"skills": frozenset({"language:en"})}, "skill"),
        ({"limits": Limits(open=1)}, "full_open"),
        ({"limits": Limits(day=1)}, "full_day"),
        ({"limits": Limits(month=1)}, "full_month"),
        ({"work": WorkTime(Plan(week=((),) * 6 + ((("09:00", "10:00"),),)))}, "closed"),
        ({"seen_at": NOON - HOUR}, "unseen"),
    ],
)
def test_whoever_cannot_take_it_is_passed_over_and_named(away: dict[str, Any], why: str) -> None:
    usual: dict[str, Any] = {"skills": frozenset({"language:de"}), "seen_at": NOON}
    anna = person("anna", **{**usual, **away})
    anna.load.open = anna.load.day = anna.load.month = 1
    anna.load.on = anna.work.day(NOON)
    made = floor(anna, person("boris", **usual), skills=("language",), seen_within=HOUR // 2)
    found = made.assign("desk", {"language": "DE"}, "", NOON)
    assert (found.owner, found.why["passed_over"]) == ("boris", ["anna", why])
    for locale in ("en", "ru"):
        told = sentences({**found.why, "owner": found.owner, "pool": found.pool}, NAMES, locale)
        assert "Boris" in told[0]
        assert "Anna" in told[-1]


def test_a_limit_is_reached_within_a_batch_and_begins_anew_in_the_morning() -> None:
    made = floor(person("anna", limits=Limits(day=2)), person("boris"))
    assert [got(made)[0] for _ in range(8)].count("anna") == 2
    assert "anna" in [got(made, NOON + DAY)[0] for _ in range(3)]


def test_no_room_goes_on_to_the_next_pool_and_at_last_to_one_person() -> None:
    boris, vera = person("boris", limits=Limits(open=1)), person("vera", limits=Limits(open=1))
    second = {"second": Pool("second", [Turn("vera", 1, 0, 0)], overflow="desk")}
    made = floor(boris, others=second, overflow="second")
    made.people["vera"], made.people["anna"] = vera, person("anna")
    found = [made.assign("desk", {}, "", NOON) for _ in range(3)]
    assert [(one.owner, one.by, one.pool) for one in found] == [
        ("boris", "rotation", "desk"), ("vera", "rotation", "second"), ("anna", "last_resort", "second"),
    ]  # fmt: skip
    assert found[1].why["overflowed"] == ["desk"]
    assert any("no room" in one for one in sentences({**found[1].why, "owner": "vera", "pool": "second"}, NAMES, "en"))


def test_off_hours() -> None:
    day, early = person("anna", DAYTIME), person("boris", EARLY)
    held = floor(day, early).assign("desk", {}, "", NIGHT)
    assert (held.owner, held.why["off_hours"]) == ("boris", "hold"), "who begins first on Monday"
    assert held.opens_at == millis(datetime.fromisoformat("2026-11-23T07:00:00+03:00"))
    assert {got(floor(day, early, off_hours="give"), NIGHT)[0] for _ in range(2)} <= {"anna", "boris"}
    on_duty = floor(day, early, off_hours="duty", duty="vera")
    on_duty.people["vera"] = person("vera")
    assert got(on_duty, NIGHT) == ("vera", "duty")
    on_duty.people["vera"].active = False
    assert got(on_duty, NIGHT) == ("boris", "rotation"), "a duty person who is gone leaves it to the morning"


def test_people_come_and_go_while_a_batch_lasts() -> None:
    made = floor(person("anna", DAYTIME), person("boris", EARLY))
    evening = millis(datetime.fromisoformat("2026-11-20T14:59:59+03:00"))
    assert {got(made, evening)[0] for _ in range(4)} == {"anna", "boris"}
    assert {got(made, evening + 2000)[0] for _ in range(4)} == {"anna"}


def test_nobody_knows_it_is_better_than_nobody() -> None:
    found = floor(person("anna"), skills=("language",)).assign("desk", {"language": "fi"}, "", NOON)
    assert (found.owner, found.why["unskilled"]) == ("anna", ["language:fi"])


def test_a_pool_nobody_knows_goes_to_the_last_resort() -> None:
    found = floor(person("anna")).assign("no such pool", {}, "", NOON)
    assert (found.owner, found.by) == ("anna", "last_resort")
    with pytest.raises(NobodyThere):
        Floor({}, {}, "").assign("desk", {}, "", NOON)


# ── whatever the floor ───────────────────────────────────────────────────────────────────────────

WORKS = st.sampled_from([ANY, DAYTIME, EARLY])
LIMITS = st.builds(Limits, st.integers(0, 3), st.integers(0, 3), st.integers(0, 9))
AWAY = st.lists(
    st.builds(
        lambda begin, span, other: Absence(NOON + begin, NOON + begin + span, other),
        st.integers(-DAY, DAY), st.integers(0, 2 * DAY), st.sampled_from(["", "m0", "m1", "m2", "gone"]),
    ),
    max_size=2,
)  # fmt: skip
SKILLS = st.frozensets(st.sampled_from(["language:de", "language:ru"]))


@st.composite
def floors(draw: st.DrawFn) -> Floor:
    names = [f"m{n}" for n in range(draw(st.integers(1, 5)))]
    people = {
        name: Person(name, draw(WORKS), draw(SKILLS), draw(LIMITS), absences=draw(AWAY),
                     seen_at=draw(st.sampled_from([None, NOON])), active=draw(st.booleans()) or name == "m0")
        for name in names
    }  # fmt: skip
    pools = {
        name: Pool(
            name, [Turn(one, draw(st.integers(0, 5)), 0, 0) for one in [*names, "gone"]],
            off_hours=draw(st.sampled_from(["hold", "duty", "give"])), duty=draw(st.sampled_from(names)),
            overflow=draw(st.sampled_from(["", "a", "b", "none"])), skills=draw(st.sampled_from([(), ("language",)])),
            seen_within=draw(st.sampled_from([0, HOUR])),
        )
        for name in ("a", "b")
    }  # fmt: skip
    return Floor(people, pools, draw(st.sampled_from(["", "m0", "gone"])))


ASKED = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c"]), st.sampled_from(["", "de", "fr"]), st.sampled_from(["", "m0", "m4", "gone"]),
        st.integers(0, 90).map((20 * MINUTE).__mul__),
    ),
    max_size=25,
)  # fmt: skip


@given(floors(), ASKED)
def test_there_is_always_an_owner_who_is_there_and_the_ledger_gives_the_same(
    made: Floor, asked: list[tuple[str, str, str, int]]
) -> None:
    ledger, lines = [], {}
    for pool, language, own, later in sorted(asked, key=lambda one: one[3]):
        slow = own if later % 40 else ""
        found = made.assign(pool, {"language": language}, own, NOON + later, without=slow)
        owner = made.people[found.owner]
        assert owner.active
        if found.by in ("rotation", "own", "stand_in", "duty"):
            assert not owner.absence(NOON + later) or found.why.get("off_hours") == "hold"
        if found.turn:
            ledger.append({"pool": found.pool, "turn": found.turn, "member_id": found.owner, "by": found.by,
                           "lineup_id": found.lineup, "why": found.why})  # fmt: skip
        lines |= {key: ids for key, (_pool, ids) in made.lineups.items()}
        for locale in ("en", "ru"):
            assert sentences({**found.why, "owner": found.owner, "pool": found.pool}, {}, locale)
    ordered = sorted(ledger, key=lambda row: (row["pool"], row["turn"]))
    assert deviations(ordered, lines) == []
    if len(ordered) > 1:
        forged = [{**row, "member_id": "nobody"} for row in ordered]
        assert len(deviations(forged, lines)) == len(forged), "the replay can fail"


# ── what an admin is told ────────────────────────────────────────────────────────────────────────


def rule(name: str, *conditions: tuple[str, str, str], pool: str = "desk", direction: str = "d") -> Rule:
    return Rule(name, name, direction, pool, tuple(Condition(*one) for one in conditions))


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ([rule("r", ("source", "is", "vk"), ("source", "is", "email"))], "“r”: never holds: source cannot be “vk”"),
        ([rule("r", ("text", "present", ""), ("text", "absent", ""))], "“r”: never holds: text"),
        ([rule("all"), rule("r", ("source", "is", "vk"))], "“r”: is never reached: “all” above it"),
        ([rule("a", ("source", "is", "VK")), rule("r", ("page", "present", ""), ("source", "is", "vk"))],
         "“r”: is never reached: “a” above it"),
        ([rule("r", direction="gone")], "“r”: its direction is gone"),
        ([rule("r"), rule("r", ("source", "is", "vk"))], "2 rules are called “r”"),
        ([rule("r", pool="none")], "Pool “none”: is asked for by a rule and does not exist; its leads go to Anna"),
    ],
)  # fmt: skip
def test_rules_that_do_not_do_what_was_hoped_are_named(rules: list[Rule], told: str) -> None:
    assert any(told in one for one in rule_complaints(rules, floor(person("anna")), {"d": "Sales"}, {"anna": "Anna"}))


def test_sound_rules_have_no_complaints() -> None:
    rules = [rule("a", ("source", "is", "vk"), ("text", "contains", "x")), rule("b", ("source", "is", "vk")), rule("c")]
    assert rule_complaints(rules, floor(person("anna")), {"d": "Sales"}, {"anna": "Anna"}) == []


def test_ten_thousand_bad_rules_are_told_in_fifty_lines() -> None:
    rules = [rule("rest"), *(rule(f"r{n}", ("utm.campaign", "is", f"c{n}")) for n in range(10_000))]
    told = rule_complaints(rules, floor(person("anna")), {"d": "Sales"}, {"anna": "Anna"})
    assert len(told) == 51
    assert told[-1] == "… and 9950 more like these"


def test_pools_without_people_and_rings_are_named() -> None:
    made = floor(person("anna"), person("boris", active=False), overflow="b", off_hours="duty", duty="boris",
                 others={"b": Pool("b", overflow="desk"), "c": Pool("c", overflow="none")})  # fmt: skip
    told = [one for name in ("desk", "b", "c") for one in pool_complaints(made, name, {"boris": "Boris"})]
    for part in ("Boris was deleted or switched off", "its duty person is gone", "overflows into itself",
                 "“b”: has nobody in it; its leads go to pool “desk”", "“none”, which does not exist"):  # fmt: skip
        assert any(part in one for one in told), part


def test_overlapping_absences_are_named() -> None:
    anna = person("anna", absences=[Absence(0, 2 * DAY), Absence(DAY, 3 * DAY, "anna"), Absence(9, 1)])
    told = absence_complaints(anna, {"anna": anna}, {"anna": "Anna"})
    for part in ("two absences overlap", "stands in for themselves", "ends before it begins"):
        assert any(part in one for one in told), part


@pytest.mark.parametrize(
    ("boris", "told"),
    [
        (
            person("boris", absences=[Absence(5 * DAY, 9 * DAY)]),
            "Anna: Boris stands in and is away too from 1970-01-06",
        ),
        (person("boris", absences=[Absence(0, DAY), Absence(7 * DAY, 8 * DAY)]), ""),
        (person("boris", active=False), "Anna: Boris stands in from 1970-01-04 on and is gone"),
        (person("boris"), ""),
    ],
)
def test_a_stand_in_who_is_not_there_is_named(boris: Person, told: str) -> None:
    anna = person("anna", absences=[Absence(3 * DAY, 7 * DAY, "boris")])
    found = absence_complaints(anna, {"anna": anna, "boris": boris}, {"anna": "Anna", "boris": "Boris"})
    assert [one[: len(told)] for one in found] == ([told] if told else [])
