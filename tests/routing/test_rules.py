"""Routing rules: the first that holds, in a grammar that is closed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.routing.rules import FIELDS, OPERATIONS, Condition, Rule, UnusableRule, choose, read_rule


def rule(name: str, *conditions: tuple[str, str, str]) -> Rule:
    return Rule(name, name, f"to-{name}", "desk", tuple(Condition(*one) for one in conditions))


FACTS = {"source": "Telegram", "utm.campaign": "Spring Sale", "text": "Нужна КУХНЯ", "page": "https://shop.test/doors"}


@pytest.mark.parametrize(
    ("field", "op", "value", "holds"),
    [
        ("source", "is", "telegram", True), ("source", "is", "tele", False), ("source", "is_not", "email", True),
        ("source", "is_not", "TELEGRAM", False), ("text", "contains", "кухня", True),
        ("page", "starts", "https://shop", True),
        ("page", "starts", "shop", False), ("form", "present", "", False), ("utm.campaign", "present", "", True),
        ("form", "is", "", True), ("text", "contains", ".*", False), ("text", "contains", "{{source}}", False),
    ],
)  # fmt: skip
def test_one_condition(field: str, op: str, value: str, holds: bool) -> None:
    assert Condition(field, op, value).holds(FACTS) is holds


def test_the_first_rule_that_holds_decides_and_says_why() -> None:
    rules = [
        rule("mail", ("source", "is", "email")),
        rule("half", ("source", "is", "telegram"), ("form", "present", "")),
        rule("bot", ("source", "is", "telegram")),
        rule("rest"),
    ]
    route = choose(rules, FACTS, "main")
    assert (route.direction_id, route.pool) == ("to-bot", "desk")
    assert route.why == {
        "rule": "bot", "rule_id": "bot", "matched": [["source", "is", "telegram"]], "passed": ["mail", "half"],
    }  # fmt: skip


def test_without_a_rule_it_is_the_main_direction() -> None:
    route = choose([rule("mail", ("source", "is", "email"))], FACTS, "main")
    assert (route.direction_id, route.pool, route.why) == ("main", "", {"rule": "", "passed": ["mail"]})


def row(**condition: object) -> dict[str, object]:
    return {"id": "r1", "name": "Rule", "direction_id": "d", "pool": "p", "conditions": [condition]}


@pytest.mark.parametrize("field", ["phone", "__class__", "utm.__class__", "", "source.name", "Source"])
def test_unknown_fields_are_refused_by_name(field: str) -> None:
    with pytest.raises(UnusableRule, match="there is no field"):
        read_rule(row(field=field, op="is", value="x"))


@pytest.mark.parametrize("op", ["matches", "eval", "", "IS", "__eq__"])
def test_unknown_operations_are_refused_by_name(op: str) -> None:
    with pytest.raises(UnusableRule, match="is none of is, is_not"):
        read_rule(row(field="source", op=op, value="x"))


@pytest.mark.parametrize("conditions", [["source"], [None], [["source", "is", "x"]], "source", None, 5, [7]])
def test_conditions_that_are_none_are_refused(conditions: object) -> None:
    with pytest.raises(UnusableRule):
        read_rule({**row(), "conditions": conditions})


PLACES = st.sampled_from(FIELDS)
OPS = st.sampled_from(sorted(OPERATIONS))
SHORT = st.text(max_size=2)


@given(PLACES, OPS, st.text(), st.dictionaries(PLACES, st.text()))
def test_no_value_is_ever_evaluated(field: str, op: str, value: str, facts: dict[str, str]) -> None:
    read = read_rule(row(field=field, op=op, value=value))
    [condition] = read.conditions
    assert (condition.field, condition.op, condition.value) == (field, op, value)
    assert isinstance(condition.holds(facts), bool)


@given(st.lists(st.tuples(PLACES, OPS, SHORT), max_size=8), st.dictionaries(PLACES, SHORT))
def test_what_stands_before_the_choice_did_not_hold(told: list[tuple[str, str, str]], facts: dict[str, str]) -> None:
    rules = [rule(f"r{number}", one) for number, one in enumerate(told)]
    route = choose(rules, facts, "main")
    passed = route.why["passed"]
    assert isinstance(passed, list)
    assert not any(rules[n].conditions[0].holds(facts) for n in range(len(passed)))
    assert (route.direction_id == "main") == (len(passed) == len(rules))
