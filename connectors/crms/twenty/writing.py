"""Writing to Twenty sixty at a time, with one certain or honestly uncertain outcome per op.

Creates go by the call that also updates: what it finds by id, or by the e-mail of a person, it changes, the rest it
makes. The client chooses ids, so a repeat makes nothing twice. That call brings deleted records back, so updates do
not use it: those that say the same of many records go together, the others one by one. A batch is refused as a whole
and says nothing of which record; it is halved until the bad ones are alone.
"""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from connectors.contract import Answer, Done, Failed, Lost, Op, Outcome, Record
from connectors.crms.twenty.shape import TARGETS, flat, is_ref, nested, ref_of, theirs
from connectors.errors import ConnectorError, Missing, Pause, Refuse, Retry

BATCH = 60
ORDER = ("companies", "people", "opportunities", "notes", "tasks")  # what others name comes first
Call = Callable[..., Answer]


@dataclass(frozen=True, slots=True)
class Letter:
    """One record on its way."""

    n: int
    op: Op
    ref: str
    body: Mapping[str, Any]
    links: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def news(self) -> dict[str, Any]:
        """What an update says."""
        return {name: value for name, value in self.body.items() if name != "id"}

    @property
    def email(self) -> str:
        """What Twenty also knows a person by."""
        told = self.body.get("emails")
        return str(told.get("primaryEmail") or "").lower() if isinstance(told, Mapping) else ""


class Writer:
    """One call of `write`: collects outcomes by position, stops sending when the account is shut."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._outcomes: dict[int, Outcome] = {}
        self._shut: ConnectorError | None = None

    def write(self, ops: Sequence[Op]) -> list[Outcome]:
        """Outcomes in order. Raises `Pause` only when nothing was written yet."""
        parts: dict[int, list[int]] = {}
        every = list(ops)
        for n, op in enumerate(ops):
            parts[n] = [*range(len(every), len(every) + len(op.includes))]
            every += op.includes
        for n, op in enumerate(every):
            if op.kind not in ORDER:
                self._outcomes[n] = Failed(Refuse(f"Twenty has no kind {op.kind!r} that could be written"))
        for kind in ORDER:
            letters = [self._letter(n, op, parts.get(n, [])) for n, op in enumerate(every) if op.kind == kind]
            for chunk in _chunks([one for one in letters if one]):
                self._chunk(kind, chunk)
            if kind in {"notes", "tasks"}:
                self._target(kind, [one for one in letters if one and one.links])
        return [self._with_parts(n, parts[n]) for n in range(len(ops))]

    def _letter(self, n: int, op: Op, parts: Sequence[int]) -> Letter | None:
        """None when its outcome is clear already."""
        links = dict(op.links)
        for part in parts:
            outcome = self._outcomes.get(part) or Failed(Refuse(f"Twenty makes no {op.kind} with such a part"))
            if not isinstance(outcome, Done):
                self._outcomes[n] = outcome
                return None
            links[outcome.record.kind] = (outcome.record.ref,)
        try:
            ref = op.ref or (ref_of(op.kind, op.marker) if op.marker else str(uuid.uuid4()))
            if not is_ref(ref):
                raise ValueError("no id")
            return Letter(n, op, ref, {"id": ref, **nested(op.kind, op.values, links)}, links)
        except (TypeError, ValueError):
            self._outcomes[n] = Failed(Refuse(f"Twenty has no {op.kind} like this: an id, a link or a value is wrong"))
            return None

    # ── sending ──────────────────────────────────────────────────────────────────────────────────

    def _settle(self, chunk: Sequence[Letter], outcome: Outcome) -> None:
        self._outcomes.update(dict.fromkeys((one.n for one in chunk), outcome))

    def _chunk(self, kind: str, chunk: Sequence[Letter]) -> None:
        if self._shut:
            return self._settle(chunk, Failed(self._shut))
        try:
            return self._judge(kind, chunk, self._sent(kind, chunk))
        except Retry as error:
            if error.effect:
                return self._settle(chunk, Lost(str(error)))
            self._shut = error
        except Pause as error:
            if not any(isinstance(one, Done | Lost) for one in self._outcomes.values()):
                raise
            self._shut = error
        return self._settle(chunk, Failed(self._shut))

    def _sent(self, kind: str, chunk: Sequence[Letter]) -> Answer:
        first = chunk[0]
        if first.op.ref and len(chunk) == 1:
            return self._call("PATCH", f"rest/{kind}/{first.ref}", json=first.news)
        if first.op.ref:
            refs = json.dumps([one.ref for one in chunk], separators=(",", ":"))
            return self._call("PATCH", f"rest/{kind}", [("filter", f"id[in]:{refs}")], first.news)
        return self._call("POST", f"rest/batch/{kind}", [("upsert", "true")], [dict(one.body) for one in chunk])

    def _judge(self, kind: str, chunk: Sequence[Letter], answer: Answer) -> None:
        if answer.status in {200, 201}:
            return self._accepted(kind, chunk, records(answer.json()))
        if answer.status >= 500:
            return self._settle(chunk, Lost(f"Twenty answered with status {answer.status}: it may have stored them"))
        if len(chunk) == 1:
            self._outcomes[chunk[0].n] = Failed(refusal(chunk[0].op, answer))
            return None
        half = len(chunk) // 2
        self._chunk(kind, chunk[:half])
        return self._chunk(kind, chunk[half:])

    def _accepted(self, kind: str, chunk: Sequence[Letter], rows: Sequence[Mapping[str, Any]]) -> None:
        found = [flat(kind, row) for row in rows if is_ref(str(row.get("id")))]
        by_ref = {one.ref: one for one in found}
        by_email = {_email(one): one for one in found if _email(one)}
        for one in chunk:
            record = by_ref.get(one.ref) or (by_email.get(one.email) if one.email and not one.op.ref else None)
            if record is None and one.op.ref and found:
                self._chunk(kind, [one])  # alone it is certain whether it is gone
            elif record is None:
                self._outcomes[one.n] = Lost("Twenty's answer does not mention this record")
            else:
                told = replace(record, values={**one.op.values, **record.values}, links={**one.links, **record.links})
                self._outcomes[one.n] = Done(told, echoed=True)

    def _target(self, kind: str, letters: Sequence[Letter]) -> None:
        """A note is tied to its records by records of their own."""
        singular = kind.removesuffix("s")
        rows = [
            {"id": ref_of(kind, f"{one.ref}:{ref}"), f"{singular}Id": one.ref, TARGETS[other]: ref}
            for one in letters if isinstance(self._outcomes[one.n], Done)
            for other, refs in one.links.items() for ref in refs
        ]  # fmt: skip
        for start in range(0, len(rows), BATCH):
            try:
                answer = self._call(
                    "POST", f"rest/batch/{singular}Targets", [("upsert", "true")], rows[start : start + BATCH]
                )
                why = "" if answer.status in {200, 201} else f"status {answer.status}"
            except (Retry, Pause) as error:
                why = str(error)
            if why:
                self._settle(letters, Lost(f"The {kind} are written, their links are not certain: {why}"))

    def _with_parts(self, n: int, parts: Sequence[int]) -> Outcome:
        outcome = self._outcomes[n]
        if not parts or not isinstance(outcome, Done):
            return outcome
        made = [one.record for part in parts if isinstance(one := self._outcomes[part], Done)]
        return Done(outcome.record, tuple(made), outcome.echoed)


def records(told: Any) -> list[dict[str, Any]]:
    """The rows in an answer: {"data": {"people": [...]}}, createPeople in older versions, one object after a PATCH."""
    data = told.get("data") if isinstance(told, dict) else None
    inside = next(iter(data.values()), None) if isinstance(data, dict) else None
    found = inside if isinstance(inside, list) else [inside]
    return [row for row in found if isinstance(row, dict)]


def refusal(op: Op, answer: Answer) -> ConnectorError:
    """What a refusal means for one op. Twenty names a field in quotes, if at all."""
    if answer.status == 404 and op.ref:
        return Missing(f"Twenty has no {op.kind} {op.ref} any more")
    try:
        told = answer.json()
    except Retry:
        told = {}
    messages = told.get("messages") if isinstance(told, dict) else None
    text = " ".join(map(str, messages)) if isinstance(messages, list) else ""
    names = {name: name for name in op.values} | {theirs(name.partition(".")[0]): name for name in op.values}
    fields = {ours: "not valid" for name, ours in names.items() if f'"{name}"' in text or f"'{name}'" in text}
    return Refuse(f"Twenty refuses {', '.join(fields) or 'the record'} (status {answer.status})", fields)


def _email(record: Record) -> str:
    return next((str(one["value"]).lower() for one in record.values.get("emails") or []), "")


def _chunks(letters: Sequence[Letter]) -> Iterator[list[Letter]]:
    """Creates without anybody twice, by id or by e-mail; then updates, those of one record in their order."""
    current: list[Letter] = []
    taken: set[str] = set()
    for one in letters:
        keys = {one.ref, *filter(None, [one.email])}
        if one.op.ref:
            continue
        if len(current) >= BATCH or keys & taken:
            yield current
            current, taken = [], set()
        current.append(one)
        taken |= keys
    if current:
        yield current
    yield from _alike([one for one in letters if one.op.ref])


def _alike(letters: Sequence[Letter]) -> Iterator[list[Letter]]:
    groups: dict[tuple[int, str], list[Letter]] = {}
    rounds: Counter[str] = Counter()
    for one in letters:
        rounds[one.ref] += 1
        groups.setdefault((rounds[one.ref], json.dumps(one.news, sort_keys=True, default=str)), []).append(one)
    for _, group in sorted(groups.items(), key=lambda pair: pair[0][0]):
        yield from (group[start : start + BATCH] for start in range(0, len(group), BATCH))
