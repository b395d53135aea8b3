"""Writing to HubSpot in batches of a hundred, with one certain or honestly uncertain outcome per op.

Every record carries the hub's id in the unique property `hub_id`, so a create can be repeated: contacts and companies
are upserted by it; deals that name a contact are created, because only a create takes the link along, and where the
marker is there already the deal is upserted and linked after all. Each input has a trace id, which lets HubSpot
take the good ones and name the bad ones; where it refuses the batch as a whole, the suspects are sent apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from connectors.contract import Answer, Done, Failed, Lost, Op, Outcome, Record
from connectors.crms.hubspot.answers import (
    blamed,
    keys_of,
    problem,
    refusal,
    rows,
    there_already,
    twin,
    wrong_fields,
)
from connectors.crms.hubspot.letters import ORDER, Letter, chunks, letter, link_type, upserted
from connectors.crms.hubspot.lookup import OBJECTS
from connectors.crms.hubspot.shape import MARKER, PARTS, flat
from connectors.errors import ConnectorError, Pause, Refuse, Retry

Call = Callable[..., Answer]
PAIRS = 2000  # links per call


class Writer:
    """One call of `write`: collects outcomes by position, stops sending when the account is shut."""

    def __init__(self, call: Call, batch: int) -> None:
        self._call, self._batch = call, batch
        self._outcomes: dict[int, Outcome] = {}
        self._again: list[Letter] = []  # creates whose marker is there already
        self._twins: list[tuple[Letter, str]] = []  # contacts whose e-mail is there already
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
                self._outcomes[n] = Failed(Refuse(f"HubSpot has no kind {op.kind!r} that could be written"))
        for kind in ORDER:
            letters = (self._letter(n, op, parts.get(n, ())) for n, op in enumerate(every) if op.kind == kind)
            self._kind(kind, [one for one in letters if one])
        return [self._with_parts(n, parts[n]) for n in range(len(ops))]

    # ── one kind ─────────────────────────────────────────────────────────────────────────────────

    def _letter(self, n: int, op: Op, parts: Iterable[int]) -> Letter | None:
        """None when its outcome is clear already: a part of it went wrong, or HubSpot has no words for it."""
        links = dict(op.links)
        for part in parts:
            outcome = self._outcomes.get(part) or Failed(Refuse(f"HubSpot makes no {op.kind} with such a part"))
            if not isinstance(outcome, Done):
                self._outcomes[n] = outcome
                return None
            links[outcome.record.kind] = (*links.get(outcome.record.kind, ()), outcome.record.ref)
        try:
            return letter(n, op, links)
        except (TypeError, ValueError):
            self._outcomes[n] = Failed(Refuse(f"HubSpot has no {op.kind} like this: an id, a link or a value is wrong"))
            return None

    def _kind(self, kind: str, letters: Sequence[Letter]) -> None:
        known = [one for one in letters if one.ref]
        creates = [one for one in letters if not one.ref]
        upserts = [one for one in creates if upserted(one)]
        for one in known:
            if not one.sent:
                self._outcomes[one.n] = Done(Record(kind, one.ref, {}, links=one.links))
        self._send(kind, "update", [one for one in known if one.sent])
        self._send(kind, "upsert", upserts)
        self._send(kind, "create", [one for one in creates if not upserted(one)])
        again, self._again = self._again, []
        self._send(kind, "upsert", again)
        twins, self._twins = self._twins, []
        self._adopt(kind, twins)
        self._link(kind, [one for one in (*known, *upserts, *again) if one.links])

    def _send(self, kind: str, verb: str, letters: Sequence[Letter]) -> None:
        for chunk in chunks(letters, self._batch):
            self._chunk(kind, verb, chunk)

    def _chunk(self, kind: str, verb: str, chunk: Sequence[Letter]) -> None:
        if self._shut:
            return self._settle(chunk, Failed(self._shut))
        try:
            body = {"inputs": [one.body(verb) for one in chunk]}
            answer = self._call("POST", f"{OBJECTS}/{kind}/batch/{verb}", json=body)
            return self._judge(kind, verb, chunk, answer)
        except Retry as error:
            return self._broken(chunk, error)
        except Pause as error:
            if not any(isinstance(one, Done | Lost) for one in self._outcomes.values()):
                raise
            self._shut = error
            return self._settle(chunk, Failed(error))

    # ── answers ──────────────────────────────────────────────────────────────────────────────────

    def _settle(self, chunk: Sequence[Letter], outcome: Outcome) -> None:
        self._outcomes.update(dict.fromkeys((one.n for one in chunk), outcome))

    def _broken(self, chunk: Sequence[Letter], error: Retry) -> None:
        if error.effect:
            return self._settle(chunk, Lost(str(error)))
        self._shut = error
        return self._settle(chunk, Failed(error))

    def _judge(self, kind: str, verb: str, chunk: Sequence[Letter], answer: Answer) -> None:
        if answer.status in {200, 201, 207}:
            return self._accepted(kind, verb, chunk, answer.json())
        if answer.status >= 500:
            return self._settle(chunk, Lost(f"HubSpot answered with status {answer.status}: it may have stored them"))
        error = problem(answer)
        if not error.get("category"):
            return self._broken(chunk, Retry(f"HubSpot answered with status {answer.status} and no reason"))
        if len(chunk) == 1:
            return self._refused(verb, chunk[0], error)
        names = wrong_fields(error).keys()
        suspects = [one for one in chunk if names & one.sent.keys()]
        if not 0 < len(suspects) < len(chunk):
            suspects = list(chunk[: len(chunk) // 2])
        self._chunk(kind, verb, [one for one in chunk if one not in suspects])
        return self._chunk(kind, verb, suspects)

    def _accepted(self, kind: str, verb: str, chunk: Sequence[Letter], told: Any) -> None:
        results = {key: row for row in rows(told) for key in keys_of(row) if str(row.get("id") or "").isdecimal()}
        errors = {key: error for error in rows(told, "errors") for key in blamed(error)}
        unclear: list[Letter] = []
        for one in chunk:
            names = (one.trace, one.key)
            if row := next((results[name] for name in names if name in results), None):
                self._outcomes[one.n] = _done(one, row)
            elif error := next((errors[name] for name in names if name in errors), None):
                self._refused(verb, one, error)
            else:
                unclear.append(one)
        if unclear and len(unclear) < len(chunk) and verb != "create":
            return self._chunk(kind, verb, unclear)  # may run twice, and this time nobody else can be meant
        return self._settle(unclear, Lost("HubSpot's answer does not mention this record"))

    def _refused(self, verb: str, one: Letter, error: Mapping[str, Any]) -> None:
        if verb == "create" and one.op.marker and there_already(error):
            self._again.append(one)
        elif verb != "update" and one.op.kind == "contacts" and one.op.marker and twin(error):
            self._twins.append((one, twin(error)))
        else:
            self._outcomes[one.n] = Failed(refusal(one.op, error))

    # ── contacts that are there already ──────────────────────────────────────────────────────────

    def _adopt(self, kind: str, twins: Sequence[tuple[Letter, str]]) -> None:
        """HubSpot has one contact per e-mail. One that is nobody's yet becomes ours: it gets the marker and what it
        lacks, and keeps what it has."""
        letters: list[Letter] = []
        held = self._held(kind, twins)
        for one, ref in twins:
            there = held.pop(ref, None)
            if there is None or there.get(MARKER) not in (None, "", one.op.marker):
                error = {"category": "CONFLICT", "message": f"Existing ID: {ref}"}
                self._outcomes.setdefault(one.n, Failed(refusal(one.op, error)))
            else:
                sent = {name: value for name, value in one.sent.items() if not there.get(name)}
                letters.append(replace(one, sent={**sent, MARKER: one.op.marker}, ref=ref, adopts=True))
        self._send(kind, "update", letters)

    def _held(self, kind: str, twins: Sequence[tuple[Letter, str]]) -> dict[str, Mapping[str, Any]]:
        """What the contacts hold; when that cannot be read, their letters have failed for now."""
        found: dict[str, Mapping[str, Any]] = {}
        names = sorted({MARKER, *(name for one, _ in twins for name in one.sent)})
        for start in range(0, len(twins), self._batch):
            some = twins[start : start + self._batch]
            wish = {"properties": names, "inputs": [{"id": ref} for ref in dict.fromkeys(ref for _, ref in some)]}
            try:
                told = self._call("POST", f"{OBJECTS}/{kind}/batch/read", json=wish).json()
            except (Retry, Pause) as error:
                self._settle([one for one, _ in some], Failed(error))
            else:
                found |= {str(row.get("id")): row.get("properties") or {} for row in rows(told)}
        return found

    # ── links ────────────────────────────────────────────────────────────────────────────────────

    def _link(self, kind: str, letters: Sequence[Letter]) -> None:
        """Links of records that exist: they may be made again without harm."""
        pairs: dict[str, list[tuple[Letter, str, str]]] = {}
        for one in letters:
            if isinstance(outcome := self._outcomes[one.n], Done):
                for other, refs in one.links.items():
                    pairs.setdefault(other, []).extend((one, outcome.record.ref, ref) for ref in refs)
        for other, many in pairs.items():
            for start in range(0, len(many), PAIRS):
                some = many[start : start + PAIRS]
                if why := self._linked(kind, other, [(here, there) for _, here, there in some]):
                    self._settle([one for one, *_ in some], Lost(f"Fields are written, links are not certain: {why}"))

    def _linked(self, kind: str, other: str, pairs: Sequence[tuple[str, str]]) -> str:
        """ "" when all are linked, else why not."""
        wish = [{"from": {"id": here}, "to": {"id": there}, "types": [link_type(kind, other)]} for here, there in pairs]
        try:
            answer = self._call("POST", f"crm/v4/associations/{kind}/{other}/batch/create", json={"inputs": wish})
            fine = answer.status in {200, 201} and not rows(answer.json(), "errors")
        except (Retry, Pause) as error:
            return str(error)
        return "" if fine else f"status {answer.status}"

    def _with_parts(self, n: int, parts: Sequence[int]) -> Outcome:
        outcome = self._outcomes[n]
        if not parts or not isinstance(outcome, Done):
            return outcome
        made = [one.record for part in parts if isinstance(one := self._outcomes[part], Done)]
        return Done(outcome.record, tuple(made), outcome.echoed)


def _done(one: Letter, row: Mapping[str, Any]) -> Done:
    """The answer repeats what it stored, lists only where all of their parts were sent."""
    record = flat(one.op.kind, row)
    if one.adopts:
        return Done(replace(record, values=dict(one.op.values), links=one.links))
    told = {name: value for name, value in record.values.items() if name not in PARTS.get(one.op.kind, {})}
    lists = {name: value for name, value in one.op.values.items() if name in PARTS.get(one.op.kind, {})}
    return Done(replace(record, values={**one.op.values, **told, **lists}, links=one.links), echoed=True)
