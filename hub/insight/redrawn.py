"""A draft of routing changed piece by piece. Pure: a body in, another body out; what cannot be used raises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hub.routing.rules import read_rule

Body = Mapping[str, Any]


def pools_in(body: Body) -> list[str]:
    """Every pool a body knows, by a row, by members or by a rule."""
    return sorted({*body["pools"], *body["shares"], *(one["pool"] for one in body["rules"] if one["pool"])})


def with_rule(body: Body, row: Mapping[str, Any]) -> dict[str, Any]:
    """With one more rule, asked before those that always hold; raises `hub.routing.rules.UnusableRule`."""
    read_rule(row)
    some = [one for one in body["rules"] if one["conditions"]]
    every = [one for one in body["rules"] if not one["conditions"]]
    return {**body, "rules": [*some, dict(row), *every]}


def rule_changed(body: Body, rule_id: str, what: str) -> dict[str, Any]:
    """`what` is up, down, on, off or remove; a rule that always holds keeps its place and stays."""
    rules = [dict(one) for one in body["rules"]]
    place = next((number for number, one in enumerate(rules) if one["id"] == rule_id and one["conditions"]), None)
    if place is None:
        return dict(body)
    if what in ("on", "off"):
        rules[place]["active"] = what == "on"
    elif what == "remove":
        del rules[place]
    else:
        _swap(rules, place, place + (-1 if what == "up" else 1))
    return {**body, "rules": rules}


def _swap(rules: list[dict[str, Any]], place: int, other: int) -> None:
    if 0 <= other < len(rules) and rules[other]["conditions"]:
        rules[place], rules[other] = rules[other], rules[place]


def rule_to(body: Body, rule_id: str, pool: str) -> dict[str, Any]:
    """A rule that leads to another pool."""
    return {**body, "rules": [{**one, "pool": pool} if one["id"] == rule_id else one for one in body["rules"]]}


def with_pool(body: Body, name: str, row: Mapping[str, Any], shares: Mapping[str, int]) -> dict[str, Any]:
    """With this pool as it says."""
    return {**body, "pools": {**body["pools"], name: dict(row)},
            "shares": {**body["shares"], name: {**body["shares"].get(name, {}), **shares}}}  # fmt: skip


def led_to(body: Body, name: str) -> Sequence[str]:
    """Names of the rules and pools that lead to this pool."""
    rules = [str(one["name"]) for one in body["rules"] if one["pool"] == name]
    return [*rules, *(other for other, row in body["pools"].items() if row.get("overflow") == name)]


def without_pool(body: Body, name: str) -> dict[str, Any]:
    """Without a pool that nothing leads to."""
    return {**body, **{part: {one: told for one, told in body[part].items() if one != name}
                       for part in ("pools", "shares")}}  # fmt: skip
