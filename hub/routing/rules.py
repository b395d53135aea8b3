"""Ordered rules over the facts of an inquiry. The first whose conditions all hold decides.

A condition is `field`, `op`, `value`; the grammar is closed, nothing of an inquiry is ever evaluated.
Every decision carries its reason in facts that the pages turn into a sentence: the rule, what it matched, and the rule
above it that missed by one condition. `RuleBook` looks rules up by their conditions instead of asking one after the
other, so that ten thousand rules cost a decision little more than ten.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from hub.told import Told

FIELDS = (
    "source", "connection", "form", "region", "language", "page", "referrer", "text", "subject", "company",
    "utm.source", "utm.medium", "utm.campaign", "utm.term", "utm.content",
    "product", "score", "known_person", "known_company",
)  # fmt: skip
OWN = "field."
"""Every field that a form sends under a name of its own can be asked as `field.<name>`."""


def _number(told: str) -> float | None:
    """A number as people type it; None for anything else."""
    try:
        return float(told.replace(",", "."))
    except ValueError:
        return None


def _at_least(have: str, want: str) -> bool:
    mine, limit = _number(have), _number(want)
    return mine is not None and limit is not None and mine >= limit


def _at_most(have: str, want: str) -> bool:
    mine, limit = _number(have), _number(want)
    return mine is not None and limit is not None and mine <= limit


OPERATIONS: Mapping[str, Callable[[str, str], bool]] = {
    "is": lambda have, want: have == want,
    "is_not": lambda have, want: have != want,
    "contains": lambda have, want: want in have,
    "starts": lambda have, want: have.startswith(want),
    "present": lambda have, _want: bool(have),
    "absent": lambda have, _want: not have,
    "one_of": lambda have, want: have in {one.strip() for one in want.split(",")},
    "at_least": _at_least,
    "at_most": _at_most,
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
    """A rule nobody could evaluate; `why` says which and what is known instead."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


def read_rule(row: Mapping[str, object]) -> Rule:
    """A rule from its row; raises `UnusableRule` for anything that the grammar does not know."""
    told = row["conditions"]
    if not isinstance(told, list | tuple) or not all(isinstance(one, Mapping) for one in told):
        raise UnusableRule(
            Told("Rule “%(name)s”: its conditions are no list of field, op and value", name=str(row["name"]))
        )
    conditions = tuple(_condition(one, str(row["name"])) for one in told)
    return Rule(str(row["id"]), str(row["name"]), str(row["direction_id"]), str(row["pool"]), conditions)


def _condition(told: Mapping[str, object], name: str) -> Condition:
    made = Condition(str(told.get("field", "")), str(told.get("op", "")), str(told.get("value", "")))
    if made.field not in FIELDS and not (made.field.startswith(OWN) and len(made.field) > len(OWN)):
        unknown = "Rule “%(name)s”: there is no field “%(field)s”; known: %(known)s"
        raise UnusableRule(Told(unknown, name=name, field=made.field, known=", ".join(FIELDS)))
    if made.op not in OPERATIONS:
        unknown = "Rule “%(name)s”: “%(op)s” is none of %(known)s"
        raise UnusableRule(Told(unknown, name=name, op=made.op, known=", ".join(OPERATIONS)))
    return made


def read_rules(rows: Iterable[Mapping[str, object]]) -> tuple[tuple[Rule, ...], tuple[str, ...]]:
    """The usable rules in order, and a sentence about each that is not: a broken rule never stops intake."""
    rules, complaints = [], []
    for row in rows:
        try:
            rules.append(read_rule(row))
        except UnusableRule as error:
            complaints.append(error.why)
    return tuple(rules), tuple(complaints)


class RuleBook:
    """The rules of one moment, ready to be asked. Costs once what is paid back by every decision.

    `is` and `one_of` are looked up by value; each other condition is compared once, however many rules share it.
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = tuple(rules)
        self._needed = [len(set(rule.conditions)) for rule in self.rules]
        self._by_value: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        self._compared: dict[Condition, list[int]] = defaultdict(list)
        for place, rule in enumerate(self.rules):
            for condition in dict.fromkeys(rule.conditions):
                self._keep(place, condition)
        self._asked = {condition.field for rule in self.rules for condition in rule.conditions}
        self._singles = tuple(place for place, needed in enumerate(self._needed) if needed == 1)
        self._default = next((place for place, needed in enumerate(self._needed) if not needed), None)

    def _keep(self, place: int, condition: Condition) -> None:
        value = condition.value.casefold()
        if condition.op == "is":
            self._by_value[condition.field][value].append(place)
        elif condition.op == "one_of":
            for one in {each.strip() for each in value.split(",")}:
                self._by_value[condition.field][one].append(place)
        else:
            self._compared[Condition(condition.field, condition.op, value)].append(place)

    def choose(self, facts: Mapping[str, str], fallback_direction: str) -> Route:
        """The route of the first rule that holds, or the main direction with no pool when none does."""
        hits = self._hits({field: facts[field].casefold() for field in self._asked if field in facts})
        held = [place for place, count in hits.items() if count == self._needed[place]]
        chosen = min([*held, self._default] if self._default is not None else held, default=None)
        missed = self._missed(hits, len(self.rules) if chosen is None else chosen)
        if chosen is None:
            return Route(fallback_direction, "", {"rule": "", **self._near(missed, facts)})
        rule = self.rules[chosen]
        matched = [[c.field, c.op, c.value] for c in rule.conditions]
        why = {"rule": rule.name, "rule_id": rule.id, "matched": matched, **self._near(missed, facts)}
        return Route(rule.direction_id, rule.pool, why)

    def _hits(self, facts: Mapping[str, str]) -> Mapping[int, int]:
        """How many conditions hold, by place of the rule; rules of which none holds are left out."""
        hits: Counter[int] = Counter()
        for field, values in self._by_value.items():
            hits.update(values.get(facts.get(field, ""), ()))
        for condition, places in self._compared.items():
            if OPERATIONS[condition.op](facts.get(condition.field, ""), condition.value):
                hits.update(places)
        return hits

    def _missed(self, hits: Mapping[int, int], before: int) -> int | None:
        """The first rule above the decision that one other value would have made hold."""
        near = [place for place, count in hits.items() if place < before and self._needed[place] - count == 1]
        single = next((place for place in self._singles if place not in hits), None)
        if single is not None and single < before:
            near.append(single)
        return min(near, default=None)

    def _near(self, place: int | None, facts: Mapping[str, str]) -> dict[str, object]:
        if place is None:
            return {}
        rule = self.rules[place]
        missing = next(c for c in rule.conditions if not c.holds(facts))
        told = [missing.field, missing.op, missing.value]
        return {"missed": {"rule": rule.name, "condition": told, "had": facts.get(missing.field, "")}}


def choose(rules: Sequence[Rule], facts: Mapping[str, str], fallback_direction: str) -> Route:
    """The same for a single decision."""
    return RuleBook(rules).choose(facts, fallback_direction)
