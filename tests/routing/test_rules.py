"""Routing rules: the first that holds, in a grammar that is closed."""

from __future__ import annotations

from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.routing.rules import FIELDS, OPERATIONS, Condition, Rule, RuleBook, UnusableRule, choose, read_rule


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
        "rule": "bot", "rule_id": "bot", "matched": [["source", "is", "telegram"]],
        "missed": {"rule": "mail", "condition": ["source", "is", "email"], "had": "Telegram"},
    }  # fmt: skip


def test_without_a_rule_it_is_the_main_direction() -> None:
    route = choose([rule("mail", ("source", "is", "email"))], FACTS, "main")
    missed = {"rule": "mail", "condition": ["source", "is", "email"], "had": "Telegram"}
    assert (route.direction_id, route.pool, route.why) == ("main", "", {"rule": "", "missed": missed})


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


FEW_PLACES = st.sampled_from(["source", "text", "region"])
FEW_WORDS = st.sampled_from(["", "a", "A", "b", "ab", "a,b", "2", "10"])
FEW_FACTS = st.dictionaries(FEW_PLACES, FEW_WORDS)
TOLD = st.lists(st.lists(st.tuples(FEW_PLACES, OPS, FEW_WORDS), max_size=3), max_size=8)


@given(TOLD, FEW_FACTS)
def test_looking_up_is_asking_one_after_the_other(
    told: list[list[tuple[str, str, str]]], facts: dict[str, str]
) -> None:
    rules = [rule(f"r{number}", *conditions) for number, conditions in enumerate(told)]
    first = next((one for one in rules if all(each.holds(facts) for each in one.conditions)), None)
    route = choose(rules, facts, "main")
    assert route.why["rule"] == (first.name if first else "")
    assert route.direction_id == (first.direction_id if first else "main")


@given(TOLD, FEW_FACTS)
def test_what_would_have_to_differ_is_true(told: list[list[tuple[str, str, str]]], facts: dict[str, str]) -> None:
    """The rule named as missed stands above the decision and lacks exactly the condition that is told."""
    rules = [rule(f"r{number}", *conditions) for number, conditions in enumerate(told)]
    why = choose(rules, facts, "main").why
    missed = why.get("missed")
    above = rules[: next((n for n, one in enumerate(rules) if one.name == why["rule"]), len(rules))]
    near = [one for one in above if sum(not each.holds(facts) for each in set(one.conditions)) == 1]
    if isinstance(missed, dict):
        [found] = [one for one in near if one.name == missed["rule"]]
        lacking = next(each for each in found.conditions if not each.holds(facts))
        assert missed["condition"] == [lacking.field, lacking.op, lacking.value]
    assert bool(missed) or not near


def test_ten_thousand_rules_cost_little_more_than_ten() -> None:
    rules = [
        rule(f"r{number}", ("utm.campaign", "is", f"c{number}"), ("source", "is", "vk")) for number in range(9_999)
    ]
    book = RuleBook([*rules, rule("rest")])
    begin = process_time()
    for number in range(200):
        facts = {"utm.campaign": f"C{number * 7}", "source": "vk" if number % 2 else "email"}
        assert book.choose(facts, "main").why["rule"] == (f"r{number * 7}" if number % 2 else "rest")
    assert process_time() - begin < 2
