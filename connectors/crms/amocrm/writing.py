"""Writing to amoCRM in arrays, with one certain or honestly uncertain outcome per op.

amoCRM takes an array as a whole or not at all: one bad record refuses all of them and is named by its
request_id. Here the named ones fail alone and the others go again; when nobody is named the array is halved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from connectors.contract import Answer, Done, Failed, Lost, Op, Outcome, Record
from connectors.crms.amocrm.doings import NOTES, TASKS, route
from connectors.crms.amocrm.doings import body as hung
from connectors.crms.amocrm.shape import WRITABLE, nested
from connectors.errors import ConnectorError, Pause, Refuse, Retry

Call = Callable[..., Answer]
Numbered = tuple[int, Op]


class Writer:
    """One call of `write`: collects outcomes by position, stops sending when the account is shut."""

    def __init__(self, call: Call, batch: int, compound: int, marker_field: str) -> None:
        self._call, self._batch, self._compound, self._marker = call, batch, compound, marker_field
        self._outcomes: dict[int, Outcome] = {}
        self._shut: ConnectorError | None = None

    def write(self, ops: Sequence[Op]) -> list[Outcome]:
        """Outcomes in order. Raises `Pause` only when nothing was written yet."""
        groups: dict[tuple[str, str], list[Numbered]] = {}
        for n, op in enumerate(ops):
            groups.setdefault(_route(op), []).append((n, op))
        for (method, path), group in groups.items():
            many = iter(group)
            while chunk := list(islice(many, self._compound if path.endswith("complex") else self._batch)):
                self._chunk(method, path, chunk)
        return [self._outcomes[n] for n in range(len(ops))]

    def _settle(self, chunk: Sequence[Numbered], outcome: Outcome) -> None:
        self._outcomes.update(dict.fromkeys((n for n, _ in chunk), outcome))

    def _chunk(self, method: str, path: str, chunk: Sequence[Numbered]) -> None:
        if self._shut:
            return self._settle(chunk, Failed(self._shut))
        ready = [(n, op, body) for n, op in chunk if (body := self._body(n, op)) is not None]
        if not ready:
            return None
        chunk = [(n, op) for n, op, _ in ready]
        try:
            answer = self._call(method, path, json=[body for *_, body in ready])
            self._judge(method, path, chunk, answer)
        except Retry as error:
            self._broken(chunk, error)
        except Pause as error:
            if not any(isinstance(one, Done | Lost) for one in self._outcomes.values()):
                raise
            self._shut = error
            self._settle(chunk, Failed(error))
        return None

    def _broken(self, chunk: Sequence[Numbered], error: Retry) -> None:
        if error.effect:
            return self._settle(chunk, Lost(str(error)))
        self._shut = error
        return self._settle(chunk, Failed(error))

    def _judge(self, method: str, path: str, chunk: Sequence[Numbered], answer: Answer) -> None:
        if answer.status in {200, 201, 202}:
            return self._accepted(path, chunk, answer.json())
        if answer.status >= 500:
            return self._settle(chunk, Lost(f"amoCRM answered with status {answer.status}: it may have stored them"))
        if answer.status not in {400, 413, 422}:
            return self._broken(chunk, Retry(f"amoCRM answered {path} with status {answer.status}"))
        named = _named(chunk, answer)
        for n, why in named.items():
            self._outcomes[n] = Failed(Refuse(f"amoCRM refuses {', '.join(why) or 'the record'}", why))
        rest = [(n, op) for n, op in chunk if n not in named]
        if named:
            return self._chunk(method, path, rest) if rest else None
        if len(chunk) == 1:
            return self._settle(chunk, Failed(Refuse(f"amoCRM refuses the record (status {answer.status})")))
        self._chunk(method, path, chunk[: len(chunk) // 2])
        return self._chunk(method, path, chunk[len(chunk) // 2 :])

    def _accepted(self, path: str, chunk: Sequence[Numbered], told: Any) -> None:
        rows = {key: row for row in _rows(told) for key in _request_ids(row)}
        for n, op in chunk:
            row = rows.get(_request_id(n, op))
            if row is None or not row.get("id"):
                self._outcomes[n] = Lost("amoCRM's answer does not mention this record")
            else:
                self._outcomes[n] = self._done(op, row, path)
        self._link([(n, op) for n, op in chunk if op.ref and op.links])

    def _done(self, op: Op, row: Mapping[str, Any], path: str) -> Done:
        marked = op.marker and not op.ref and op.kind not in (NOTES, TASKS)
        values = {**op.values, self._marker: op.marker} if marked else op.values
        made = {"contacts": row.get("contact_id"), "companies": row.get("company_id")}
        parts = tuple(
            Record(part.kind, str(made[part.kind]), part.values) for part in op.includes if made.get(part.kind)
        )
        links = {**op.links, **{part.kind: (part.ref,) for part in parts}}
        return Done(
            Record(op.kind, str(row["id"]), values, version=str(row.get("updated_at") or ""), links=links), parts
        )

    def _link(self, chunk: Sequence[Numbered]) -> None:
        """References of an existing record are no fields: each record needs a call of its own."""
        for n, op in chunk:
            wish = [{"to_entity_id": int(r), "to_entity_type": kind} for kind, refs in op.links.items() for r in refs]
            try:
                answer = self._call("POST", f"{op.kind}/{op.ref}/link", json=wish)
            except (Retry, Pause) as error:
                self._outcomes[n] = Lost(f"Fields are written, links are not certain: {error}")
            else:
                if answer.status >= 400:
                    self._outcomes[n] = Lost(f"Fields are written, links are not (status {answer.status})")

    def _body(self, n: int, op: Op) -> dict[str, Any] | None:
        """What to send for one op; None when it cannot be said in amoCRM's words (then it has failed)."""
        try:
            if op.kind in (NOTES, TASKS):
                return {**hung(op), "request_id": _request_id(n, op)}
            values = {**op.values, self._marker: op.marker} if op.marker and not op.ref else op.values
            body = nested(op.kind, values, None if op.ref else op.links)
            for part in op.includes:
                marked = {**part.values, self._marker: part.marker} if part.marker else part.values
                body.setdefault("_embedded", {}).setdefault(part.kind, []).append(nested(part.kind, marked))
            if op.ref:
                body["id"] = int(op.ref)
        except (KeyError, ValueError, TypeError):
            self._outcomes[n] = Failed(Refuse(f"amoCRM has no {op.kind} like this: a kind, an id or a field is wrong"))
            return None
        if any(len(rows) > 1 for kind, rows in body.get("_embedded", {}).items() if op.includes and kind != "tags"):
            self._outcomes[n] = Failed(Refuse("amoCRM creates a lead with one contact and one company at most"))
            return None
        return {**body, "request_id": _request_id(n, op)}


def _route(op: Op) -> tuple[str, str]:
    if op.kind in (NOTES, TASKS):
        return "POST", route(op)
    if op.ref:
        return "PATCH", op.kind
    return ("POST", f"{op.kind}/complex") if op.includes and op.kind == "leads" else ("POST", op.kind)


def _request_id(n: int, op: Op) -> str:
    return op.marker or f"op-{n}"


def _rows(told: Any) -> Iterator[dict[str, Any]]:
    """Plain writes answer {"_embedded": {kind: [...]}}, complex ones a bare array."""
    lists = told.get("_embedded") if isinstance(told, dict) else {"": told}
    for rows in lists.values() if isinstance(lists, dict) else ():
        yield from (row for row in rows if isinstance(row, dict)) if isinstance(rows, list) else ()


def _request_ids(row: Mapping[str, Any]) -> list[str]:
    told = row.get("request_id")
    return [str(one) for one in told] if isinstance(told, list) else [str(told)]


def _named(chunk: Sequence[Numbered], answer: Answer) -> dict[int, dict[str, str]]:
    """Which ops a problem document names, and what it says about their fields."""
    try:
        told = answer.json()
    except Retry:
        return {}
    places = {str(place): n for place, (n, _) in enumerate(chunk)} | {_request_id(n, op): n for n, op in chunk}
    found: dict[int, dict[str, str]] = {}
    for one in (told.get("validation-errors") or []) if isinstance(told, dict) else []:
        if (n := places.get(str(one.get("request_id")))) is not None:
            op = dict(chunk)[n]
            found[n] = {_field(op, str(e.get("path"))): str(e.get("detail")) for e in one.get("errors") or []}
    return found


def _field(op: Op, path: str) -> str:
    """The name of a custom field whose place in our body was named (`custom_fields_values.0.values.0.value`)."""
    first, _, rest = path.partition(".")
    cells = [name for name in op.values if name not in WRITABLE.get(op.kind, ()) and name != "tags"]
    place = rest.partition(".")[0]
    known = first == "custom_fields_values" and place.isdecimal() and int(place) < len(cells)
    return cells[int(place)] if known else path
