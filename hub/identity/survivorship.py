"""Which of everything that was said of a person is shown: one rule per field, over raw facts. Pure.

What a person entered in the desk or in a CRM outranks whatever was typed into a form, the newest entry first; among
the rest the field's rule decides. The order in which facts arrive means nothing, nothing that is filled is ever
emptied, and the same facts always give the same answer, so a decision can be taken anew whenever the policy changes.

A name is one value: parts of two spellings are never mixed. Single parts that somebody entered are laid over it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from connectors.contract import Person
from hub.identity.names import Name
from hub.identity.names import name as read_name

DOUBTED, PROFILE, TYPED, KEPT, ENTERED = range(5)
"""How far a value is trusted: a placeholder; what a messenger's profile says; a field of a form; what stood here before
reasons were kept; what a person entered themselves."""
WHOLE = ("name", "company", "position", "language")
PARTS = ("first_name", "last_name", "middle_name")
COLUMNS = (*WHOLE, *PARTS, "name_key")
FIELDS = (*WHOLE, *PARTS)
"""What somebody may enter; `name_key` follows from the name."""
ANONYMOUS = frozenset(["visitor"])
"""Handles that are no account with a profile."""
DEFAULTS: Mapping[str, str] = {"name": "longest", "company": "trusted", "position": "newest", "language": "newest"}


class BadPolicy(ValueError):
    """A field or rule nobody knows; says which and what is allowed."""


class Spelled(NamedTuple):
    """A name in one spelling."""

    full: str = ""
    first: str = ""
    last: str = ""
    middle: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class Fact:
    """One value given for a field, at an instant in milliseconds; `by` is `member:<id>`, `crm:<id>` or "" (typed)."""

    value: str | Spelled
    trust: int
    at: int
    by: str = ""

    @property
    def text(self) -> str:
        return self.value if isinstance(self.value, str) else self.value.full

    @property
    def size(self) -> tuple[int, int]:
        """How much a value says: a name by its parts, then letters."""
        if isinstance(self.value, str):
            return 1, len(self.value)
        parts = [part for part in (self.value.first, self.value.last, self.value.middle) if part]
        return len(parts), sum(map(len, parts))


Said = dict[str, list[Fact]]
"""Field -> everything that was given for it. Parts of a name stand here only where somebody entered them."""
Order = Callable[[Fact], tuple[Any, ...]]

RULES: Mapping[str, Order] = {
    "trusted": lambda fact: (fact.trust, fact.at, fact.value),
    "newest": lambda fact: (fact.trust > DOUBTED, fact.at, fact.trust, fact.value),
    "longest": lambda fact: (fact.trust > DOUBTED, fact.size, fact.at, fact.trust, fact.value),
}
"""Ties go to the newest; the last word is the text itself, so that chance never decides."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a contact shows, column by column, and the reason of each field as the column `basis` keeps it."""

    values: Mapping[str, str]
    basis: Mapping[str, list[Any]]


def policy_of(values: Mapping[str, object] | None) -> Mapping[str, str]:
    """The default rules with some replaced. Raises `BadPolicy`."""
    for field, rule in (values or {}).items():
        if field not in DEFAULTS or rule not in RULES:
            known = f"fields are {', '.join(DEFAULTS)}; rules are {', '.join(RULES)}"
            raise BadPolicy(f"Survivorship {field!r} = {rule!r} means nothing: {known}")
    return {**DEFAULTS, **{field: str(rule) for field, rule in (values or {}).items()}}


# ── facts ────────────────────────────────────────────────────────────────────────────────────────


def typed(person: Person, name: Name, at: int) -> Said:
    """What an inquiry says of its person."""
    trust = PROFILE if any(one.kind not in ANONYMOUS for one in person.handles) else TYPED
    spelling = Spelled(name.full or person.name, name.first, name.last, name.middle, name.key)
    doubted = "placeholder" in name.flags or not (name.first or name.last)
    given = {"company": person.company or name.company, "position": person.position, "language": person.language}
    said: Said = {field: [Fact(value, trust, at)] for field, value in given.items() if value}
    if spelling.full:
        said["name"] = [Fact(spelling, DOUBTED if doubted else trust, at)]
    return said


def entered(field: str, text: str, by: str, at: int) -> Fact:
    """What a person wrote into a field of a contact; "" clears what was said before."""
    if field != "name":
        return Fact(text, ENTERED, at, by)
    name = read_name(text)
    return Fact(Spelled(text, name.first, name.last, name.middle, name.key), ENTERED, at, by)


def held(row: Mapping[str, Any], only_kept: bool = False) -> Said:
    """What a contact shows as facts; `only_kept` leaves out what follows from facts that are stored elsewhere."""
    said: Said = {}
    for field in FIELDS:
        trust, at, *by = row["basis"].get(field) or (KEPT, row["created_at"])
        known = field in row["basis"] or (row[field] and field in WHOLE)
        if known and (trust == KEPT or not only_kept):
            said[field] = [Fact(_spelled(row) if field == "name" else row[field], trust, at, *by)]
    return said


def _spelled(row: Mapping[str, Any]) -> Spelled:
    return Spelled(row["name"], row["first_name"], row["last_name"], row["middle_name"], row["name_key"])


def together(*many: Mapping[str, Sequence[Fact]]) -> Said:
    """All facts of several sources."""
    said: Said = {}
    for one in many:
        for field, facts in one.items():
            said.setdefault(field, []).extend(facts)
    return said


# ── deciding ─────────────────────────────────────────────────────────────────────────────────────


def decide(said: Mapping[str, Sequence[Fact]], policy: Mapping[str, str]) -> Shown:
    """What is shown. A field that nobody said anything about is missing in the answer."""
    values: dict[str, str] = {}
    basis: dict[str, list[Any]] = {}
    for field in WHOLE[1:]:
        won = best(said.get(field, ()), RULES[policy[field]])
        if won is not None:
            values[field], basis[field] = won.text, _reason(won)
    spelling = best(said.get("name", ()), RULES[policy["name"]])
    parts = {part: one for part in PARTS if (one := best(said.get(part, ()), RULES["newest"])) is not None}
    if spelling is not None and spelling.trust == ENTERED:  # a whole name takes the place of parts entered before it
        parts = {part: one for part, one in parts.items() if one.at >= spelling.at}
    if spelling is not None or parts:
        values |= _name(spelling, parts)
        basis |= {part: _reason(one) for part, one in parts.items()}
        if spelling is not None:
            basis["name"] = _reason(spelling)
    return Shown(values, basis)


def best(facts: Iterable[Fact], order: Order) -> Fact | None:
    """The fact that is shown. Cleared by a person, a field waits for what is said after that."""
    facts = list(facts)
    if len(facts) < 2:
        return next((one for one in facts if one.text or one.trust == ENTERED), None)
    cleared = max((one for one in facts if one.trust == ENTERED and not one.text), key=_newest, default=None)
    if cleared is not None:
        facts = [one for one in facts if one.at > cleared.at or (one.at == cleared.at and one.trust == ENTERED)]
    filled = [one for one in facts if one.text]
    firm = [one for one in filled if one.trust >= KEPT]
    return max(firm, key=RULES["trusted"]) if firm else max(filled, key=order, default=cleared)


def _newest(fact: Fact) -> tuple[int, str]:
    return fact.at, fact.by


def _reason(fact: Fact) -> list[Any]:
    return [fact.trust, fact.at, fact.by] if fact.by else [fact.trust, fact.at]


def _name(spelling: Fact | None, parts: Mapping[str, Fact]) -> dict[str, str]:
    """The columns of a name: one spelling, and single parts that were entered laid over it."""
    whole = spelling.value if spelling is not None and isinstance(spelling.value, Spelled) else Spelled()
    told = {"first_name": whole.first, "last_name": whole.last, "middle_name": whole.middle}
    laid = told | {part: one.text for part, one in parts.items()}
    if laid == told:
        return {"name": whole.full, **told, "name_key": whole.key}
    first, last, middle = laid["first_name"], laid["last_name"], laid["middle_name"]
    full = " ".join(part for part in (first, middle, last) if part)
    newest = max(one.at for one in parts.values())
    as_entered = spelling is not None and spelling.trust == ENTERED and spelling.at >= newest
    key = read_name("", first, last, middle).key
    return {"name": whole.full if as_entered else full or whole.full, **laid, "name_key": key}


def news(row: Mapping[str, Any], shown: Shown) -> dict[str, Any]:
    """The columns in which a contact changes, with their reasons; {} when it shows all that already.

    A row is not written when only the time of a reason is newer.
    """
    changed: dict[str, Any] = {name: value for name, value in shown.values.items() if value != row[name]}
    basis = {f: why for f, why in row["basis"].items() if f not in PARTS or "name" not in shown.values}
    trust = {field: why[0] for field, why in row["basis"].items()}
    trusted_anew = any(why[0] != trust.get(field, KEPT) for field, why in shown.basis.items())
    return {**changed, "basis": {**basis, **shown.basis}} if changed or trusted_anew else {}


def settle(row: Mapping[str, Any], more: Mapping[str, Sequence[Fact]], policy: Mapping[str, str]) -> dict[str, Any]:
    """What a contact shows differently once more was said; the same that all its facts give. See `needs_all`."""
    fields = {"name" if field in PARTS else field for field in more}
    before = {f: facts for f, facts in held(row).items() if ("name" if f in PARTS else f) in fields}
    return news(row, decide(together(before, more), policy))


def needs_all(row: Mapping[str, Any]) -> bool:
    """Whether a newly typed name can only be judged beside all facts: parts of the shown one were entered."""
    return any(part in row["basis"] for part in PARTS)
