"""Ordered rules over the facts of an inquiry. The first whose conditions all hold decides.

A condition is `field`, `op`, `value`; the grammar is closed, nothing of an inquiry is ever evaluated.
Every decision carries its reason in facts that the pages turn into a sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
    """A rule from its row; raises `UnusableRule` for fields or operations that do not exist."""
    conditions = []
    for raw in row["conditions"]:  # type: ignore[attr-defined]
        condition = Condition(str(raw.get("field", "")), str(raw.get("op", "")), str(raw.get("value", "")))
        if condition.field not in FIELDS:
            raise UnusableRule(
                f"Rule “{row['name']}”: there is no field “{condition.field}”; known: {', '.join(FIELDS)}"
            )
        if condition.op not in OPERATIONS:
            raise UnusableRule(f"Rule “{row['name']}”: “{condition.op}” is none of {', '.join(OPERATIONS)}")
        conditions.append(condition)
    return Rule(str(row["id"]), str(row["name"]), str(row["direction_id"]), str(row["pool"]), tuple(conditions))


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
