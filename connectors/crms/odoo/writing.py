"""Writing to Odoo: every call is one transaction, so a batch is stored whole or not at all, and nobody is named.

A refused batch is halved until the bad records stand alone; the others are stored. A lead goes with its new person and
company in one call, as a part of them (`res.partner.opportunity_ids`), so that none of them can be left behind.
Equal changes of many records are one `write`, different ones of the same fields one `load` by database id.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any

from connectors.contract import Done, Failed, Lost, Op, Outcome, Record, Value
from connectors.crms.odoo.base import Base
from connectors.crms.odoo.rpc import Denied
from connectors.crms.odoo.shape import (
    FIRMS,
    LEADS,
    MARKER,
    MODELS,
    NOTES,
    PEOPLE,
    TASKS,
    body,
    settle_stage,
)
from connectors.errors import ConnectorError, Missing, Pause, Refuse, Retry

PROBES = 60
"""Calls in which the bad records of one batch are looked for. The rest of it waits and comes in smaller parts."""


class Wish:
    """One op on its way: its place in the answer, and the values in Odoo's words."""

    def __init__(self, n: int, op: Op, values: dict[str, Value], parts: tuple[dict[str, Value], ...] = ()) -> None:
        self.n, self.op, self.values, self.parts = n, op, values, parts


class Writer:
    """One call of `write`: collects outcomes by position, stops sending when the database is shut."""

    def __init__(self, base: Base, batch: int) -> None:
        self._base, self._batch = base, batch
        self._outcomes: dict[int, Outcome] = {}
        self._shut: ConnectorError | None = None
        self._probes = PROBES

    def write(self, ops: Sequence[Op]) -> list[Outcome]:
        """Outcomes in order. Raises `Pause` only when nothing was written yet."""
        wishes = self._wishes(ops)
        for send, group in _groups(wishes):
            self._in_batches(getattr(self, f"_{send}"), group)
        return [self._outcomes[n] for n in range(len(ops))]

    # ── what to send ─────────────────────────────────────────────────────────────────────────────

    def _wishes(self, ops: Sequence[Op]) -> list[Wish]:
        try:
            tags = self._tags(ops)
            return [wish for n, op in enumerate(ops) if (wish := self._wish(n, op, tags)) is not None]
        except Retry as error:  # nothing of the batch has been sent yet
            self._outcomes = dict.fromkeys(range(len(ops)), Failed(Retry(str(error), after=error.after)))
            return []

    def _tags(self, ops: Sequence[Op]) -> dict[str, dict[str, int]]:
        found: dict[str, dict[str, int]] = {}
        for kind in dict.fromkeys(op.kind for op in ops if op.values.get("tags")):
            names = (str(tag) for op in ops if op.kind == kind for tag in op.values.get("tags") or ())
            model = MODELS.get(kind, "")
            found[model] = {**found.get(model, {}), **self._base.tag_ids(model, dict.fromkeys(names))}
        return found

    def _wish(self, n: int, op: Op, tags: Mapping[str, Mapping[str, int]]) -> Wish | None:
        try:
            if op.kind not in MODELS or (op.includes and op.kind != LEADS) or (op.ref and not op.ref.isdecimal()):
                raise Refuse(f"Odoo has no {op.kind} like this: a kind or an id is wrong")
            if op.kind in (NOTES, TASKS):
                return Wish(n, op, dict(op.values))
            parts = tuple(self._body(part, tags) for part in op.includes)
            return Wish(n, op, self._body(op, tags), parts)
        except (Refuse, Missing) as error:
            self._outcomes[n] = Failed(error)
            return None

    def _body(self, op: Op, tags: Mapping[str, Mapping[str, int]]) -> dict[str, Value]:
        model = MODELS[op.kind]
        return settle_stage(body(op, self._base.columns(model), tags.get(model, {})))

    # ── sending ──────────────────────────────────────────────────────────────────────────────────

    def _in_batches(self, send: Callable[[Sequence[Wish]], list[int]], group: Sequence[Wish]) -> None:
        many = iter(group)
        while chunk := list(islice(many, self._batch)):
            self._probes = PROBES
            self._chunk(send, chunk)

    def _settle(self, chunk: Sequence[Wish], outcome: Outcome) -> None:
        self._outcomes.update(dict.fromkeys((wish.n for wish in chunk), outcome))

    def _chunk(self, send: Callable[[Sequence[Wish]], list[int]], chunk: Sequence[Wish]) -> None:
        if self._shut:
            return self._settle(chunk, Failed(self._shut))
        try:
            refs = send(chunk)
        except (Refuse, Missing) as error:
            return self._refused(send, chunk, error)
        except (Retry, Pause) as error:
            return self._broken(chunk, error)
        for wish, ref in zip(chunk, refs, strict=True):
            self._outcomes.setdefault(wish.n, _done(wish, ref))
        return None

    def _refused(self, send: Callable[[Sequence[Wish]], list[int]], chunk: Sequence[Wish], error: Exception) -> None:
        self._probes -= 1
        if isinstance(error, Denied) and not any(wish.op.ref for wish in chunk):
            return self._broken(chunk, Pause(str(error)))  # nobody may create this: a right, not a record
        if len(chunk) == 1:
            return self._settle(chunk, Failed(error))
        if self._probes <= 0:
            return self._settle(
                chunk, Failed(Retry("Too many bad records in one batch: the rest comes in smaller ones"))
            )
        self._chunk(send, chunk[: len(chunk) // 2])
        return self._chunk(send, chunk[len(chunk) // 2 :])

    def _broken(self, chunk: Sequence[Wish], error: Retry | Pause) -> None:
        if isinstance(error, Retry) and error.effect:
            return self._settle(chunk, Lost(str(error)))
        if isinstance(error, Pause) and not any(isinstance(one, Done | Lost) for one in self._outcomes.values()):
            raise error
        self._shut = error
        return self._settle(chunk, Failed(error))

    # ── calls ────────────────────────────────────────────────────────────────────────────────────

    def _create(self, chunk: Sequence[Wish]) -> list[int]:
        model = MODELS[chunk[0].op.kind]
        # The hub's user shall not follow every record and get mail for each of their changes.
        told = self._base.call(
            model, "create", vals_list=[wish.values for wish in chunk], context={"mail_create_nosubscribe": True}
        )
        return _ids(told, len(chunk))

    def _nest(self, chunk: Sequence[Wish]) -> list[int]:
        """Leads inside their new people, these inside their new companies; then one look for their ids."""
        told = self._base.call(
            "res.partner",
            "create",
            vals_list=[_tree(wish) for wish in chunk],
            context={"mail_create_nosubscribe": True},
        )
        roots = _ids(told, len(chunk))
        leads, people = self._leaves(chunk, roots)
        for wish, root in zip(chunk, roots, strict=True):
            self._outcomes[wish.n] = _grown(wish, root, leads, people)
        return roots

    def _leaves(self, chunk: Sequence[Wish], roots: Sequence[int]) -> tuple[dict[int, int], dict[int, int]]:
        """Lead by person or company, person by company."""
        try:
            deep = any(len(wish.parts) > 1 for wish in chunk)
            people = self._children("res.partner", "parent_id", roots) if deep else {}
            return self._children("crm.lead", "partner_id", [*roots, *people.values()]), people
        except (Retry, Pause, Refuse) as error:
            raise Retry(f"The leads are stored, their ids are not known yet: {error}", effect=True) from None

    def _children(self, model: str, field: str, ids: Sequence[int]) -> dict[int, int]:
        rows = self._base.call(model, "search_read", domain=[[field, "in", list(ids)]], fields=[field], load=None)
        return {row[field]: row["id"] for row in rows if isinstance(row, dict)} if isinstance(rows, list) else {}

    def _write(self, chunk: Sequence[Wish]) -> list[int]:
        ids = [int(wish.op.ref or 0) for wish in chunk]
        self._certain(self._base.call(MODELS[chunk[0].op.kind], "write", ids, vals=chunk[0].values) is True)
        return ids

    def _load(self, chunk: Sequence[Wish]) -> list[int]:
        """Different values of the same fields; the archive is out of sight for an import unless it is told."""
        if len(chunk) == 1:
            return self._write(chunk)
        model = MODELS[chunk[0].op.kind]
        names, known = sorted(chunk[0].values), self._base.columns(model)
        heads = [f"{name}/.id" if name in known and known[name].relation else name for name in names]
        rows = [[str(wish.op.ref), *(_cell(wish.values[name]) for name in names)] for wish in chunk]
        told = self._base.call(model, "load", fields=[".id", *heads], data=rows, context={"tz": "UTC"})
        self._certain(isinstance(told, dict))
        if told.get("ids") is False:
            raise Refuse("Odoo refuses one of these records")
        return _ids(told.get("ids"), len(chunk))

    def _hang(self, chunk: Sequence[Wish]) -> list[int]:
        """Notes and tasks: the record they hang on is named in their own way."""
        [wish] = chunk
        kind, refs = next(iter(wish.op.links.items()), ("", ()))
        if not refs or kind not in MODELS or not refs[0].isdecimal():
            raise Refuse("A note or a task needs the record it belongs to")
        if wish.op.kind == NOTES:
            return [self._base.note(wish.op)]
        place = {"res_model_id": self._base.model_id(MODELS[kind]), "res_id": int(refs[0])}
        return _ids(self._base.call(TASKS, "create", vals_list=[{**wish.values, **place}]), 1)

    @staticmethod
    def _certain(plain: bool) -> None:
        if not plain:
            raise Retry("Odoo's answer does not say what became of this", effect=True)


def _groups(wishes: Sequence[Wish]) -> list[tuple[str, list[Wish]]]:
    """Ops that can share a call, by the way they are sent."""
    groups: dict[tuple[str, str, str], list[Wish]] = {}
    for wish in wishes:
        groups.setdefault((_way(wish), MODELS[wish.op.kind], _key(wish)), []).append(wish)
    same = [(way, group) for (way, _, _), group in groups.items() if way != "write" or len(group) > 1]
    alone: dict[tuple[str, tuple[str, ...]], list[Wish]] = {}
    for (way, model, _), group in groups.items():
        if way == "write" and len(group) == 1:
            alone.setdefault((model, tuple(sorted(group[0].values))), []).append(group[0])
    return same + [("load", group) for group in alone.values()]


def _way(wish: Wish) -> str:
    if wish.op.kind in (NOTES, TASKS):
        return "hang"
    return "write" if wish.op.ref else "nest" if wish.parts else "create"


def _key(wish: Wish) -> str:
    """Notes go one by one; of updates only equal ones share a `write`."""
    return str(wish.n) if _way(wish) == "hang" else json.dumps(wish.values, sort_keys=True) if wish.op.ref else ""


def _tree(wish: Wish) -> dict[str, Value]:
    """The new company with the new person in it with the new lead in it; whichever of them there are."""
    kinds = {part.kind: dict(values) for part, values in zip(wish.op.includes, wish.parts, strict=True)}
    inner = kinds.get(PEOPLE) or kinds[FIRMS]
    inner["opportunity_ids"] = [[0, 0, wish.values]]
    if PEOPLE in kinds and FIRMS in kinds:
        return {**kinds[FIRMS], "child_ids": [[0, 0, inner]]}
    return inner


def _grown(wish: Wish, root: int, leads: Mapping[int, int], people: Mapping[int, int]) -> Outcome:
    made = {PEOPLE: people.get(root, root), FIRMS: root}
    holder = made[PEOPLE] if any(part.kind == PEOPLE for part in wish.op.includes) else root
    if holder not in leads:
        return Lost("Odoo took the lead and does not show it yet")
    parts = tuple(Record(one.kind, str(made[one.kind]), _told(one)) for one in wish.op.includes)
    links = {**wish.op.links, PEOPLE: (str(holder),)}
    return Done(Record(LEADS, str(leads[holder]), _told(wish.op), links=links), parts)


def _done(wish: Wish, ref: int) -> Done:
    return Done(Record(wish.op.kind, str(ref), _told(wish.op), links=wish.op.links))


def _told(op: Op) -> dict[str, Value]:
    return {**op.values, MARKER: op.marker} if op.marker and not op.ref else dict(op.values)


def _ids(told: Any, count: int) -> list[int]:
    if not isinstance(told, list) or len(told) != count or not all(isinstance(one, int) for one in told):
        raise Retry("Odoo's answer does not name the records it stored", effect=True)
    return told


def _cell(value: Value) -> str:
    """A value as an import wants it: text, ids parted by commas, nothing for empty."""
    if isinstance(value, list):
        return ",".join(str(ref) for ref in value[0][2])
    return "1" if value is True else "" if value is False else str(value)
