"""Ordered rules over the facts of an inquiry. The first whose conditions all hold decides.

A condition is `field`, `op`, `value`; the grammar is closed, nothing of an inquiry is ever evaluated.
Every decision carries its reason in facts that the pages turn into a sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

FIELDS = (
    "source", "connection", "form", "region", "language", "page", "referrer", "text", "subject", "company",
    "utm.source", "utm.medium", "utm.campaign", "utm.term", "utm.content",
)  # fmt: skip

OPERATIONS: Mapping[str, Callable[[str, str], bool]] = {
    "is": lambda have, want: have == want,
    "is_not": lambda have, want: have != want,
    "contains": lambda have, want: want in have,
    "starts": lambda have, want: have.startswith(want),
    "present": lambda have, _want: bool(have),
}


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison; values compare without regard to case."""

    field: str
    op: str
    value: str = ""

    def holds(self, facts: Mapping[str, str]) -> bool:
        return OPERATIONS[self.op](facts.get(self.field, "").casefold(), self.value.casefold())


@dataclass(frozen=True, slots=True)
class Rule:
    """A routing rule. An empty list of conditions always holds: that is the default."""

    id: str
    name: str
    direction_id: str
    pool: str
    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class Route:
    """Where an inquiry goes. `why` are facts: the rule, what it matched, what was tried before it."""

    direction_id: str
    pool: str
    why: Mapping[str, object]


class UnusableRule(ValueError):
    """A rule nobody could evaluate; says which and what is known instead."""


def read_rule(row: Mapping[str, object]) -> Rule:
    """A rule from its row; raises `UnusableRule` for anything that the grammar does not know."""
    told = row["conditions"]
    if not isinstance(told, list | tuple) or not all(isinstance(one, Mapping) for one in told):
        raise UnusableRule(f"Rule “{row['name']}”: its conditions are no list of field, op and value")
    conditions = tuple(_condition(one, str(row["name"])) for one in told)
    return Rule(str(row["id"]), str(row["name"]), str(row["direction_id"]), str(row["pool"]), conditions)


def _condition(told: Mapping[str, object], name: str) -> Condition:
    made = Condition(str(told.get("field", "")), str(told.get("op", "")), str(told.get("value", "")))
    if made.field not in FIELDS:
        raise UnusableRule(f"Rule “{name}”: there is no field “{made.field}”; known: {', '.join(FIELDS)}")
    if made.op not in OPERATIONS:
        raise UnusableRule(f"Rule “{name}”: “{made.op}” is none of {', '.join(OPERATIONS)}")
    return made


def read_rules(rows: Iterable[Mapping[str, object]]) -> tuple[tuple[Rule, ...], tuple[str, ...]]:
    """The usable rules in order, and a sentence about each that is not: a broken rule never stops intake."""
    rules, complaints = [], []
    for row in rows:
        try:
            rules.append(read_rule(row))
        except UnusableRule as error:
            complaints.append(str(error))
    return tuple(rules), tuple(complaints)


def choose(rules: Sequence[Rule], facts: Mapping[str, str], fallback_direction: str) -> Route:
    """The route of the first rule that holds, or the main direction with no pool when none does."""
    passed: list[str] = []
    for rule in rules:
        if all(condition.holds(facts) for condition in rule.conditions):
            matched = [[c.field, c.op, c.value] for c in rule.conditions]
            return Route(
                rule.direction_id,
                rule.pool,
                {"rule": rule.name, "rule_id": rule.id, "matched": matched, "passed": passed},
            )
        passed.append(rule.name)
    return Route(fallback_direction, "", {"rule": "", "passed": passed})
