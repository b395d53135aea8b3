"""Writing to Bitrix24 in batches of 50 commands, with one certain or honestly uncertain outcome per op.

A record and the parts made with it travel in one batch. Commands go on after a refusal, so an op of several commands
can be half done: what was made of it is deleted again, and the op has failed. A conversion makes contact, company and
deal, and closes the lead in the same batch; the id of the lead to close is taken from the deal's answer, so a refused
deal leaves its lead open (https://apidocs.bitrix24.com/settings/how-to-call-rest-api/batch.html).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from connectors.contract import Done, Failed, Lost, Op, Outcome, Record
from connectors.crms.bitrix24.calls import LIMIT, Batch, Command, Ref, Rest
from connectors.crms.bitrix24.notes import add_note, note_made
from connectors.crms.bitrix24.shape import CONVERTED, MARKER, MULTI, TYPES, fields, flat, linked
from connectors.errors import Conflict, ConnectorError, Missing, Pause, Refuse, Retry


class Present(Protocol):
    """What is there already."""

    def held(self, kind: str, refs: Sequence[str]) -> Mapping[str, Sequence[Any]]: ...

    def deals_of(self, leads: Sequence[str]) -> Mapping[str, tuple[str, ...]]: ...


@dataclass(slots=True)
class Parcel:
    """One op: its commands by key (the record's own is `main`), and what came of them."""

    place: int
    op: Op
    commands: dict[str, Command] = field(default_factory=dict)
    parts: tuple[str, ...] = ()
    outcome: Outcome | None = None

    @property
    def main(self) -> str:
        return f"r{self.place:04}"

    @property
    def close(self) -> str:
        return f"z{self.place:04}"

    @property
    def lead(self) -> str:
        """The lead that this op converts, "" if none."""
        return _lead(self.op)


class Writer:
    """One call of `write`: collects outcomes by position, stops sending when the account is shut.

    `present` reads what records hold now, `leads` raises where the account has no leads.
    """

    def __init__(self, rest: Rest, present: Present, leads: Callable[[], None]) -> None:
        self._rest, self._now, self._leads = rest, present, leads
        self._shut: ConnectorError | None = None
        self._sent = False

    def write(self, ops: Sequence[Op]) -> list[Outcome]:
        """Outcomes in order. Raises `Pause` only when nothing was written yet."""
        parcels = [Parcel(n, op) for n, op in enumerate(ops)]
        for chunk in _chunks(parcels):
            self._chunk(chunk)
        return [one.outcome or Lost("Bitrix24's answer does not mention this record") for one in parcels]

    def _chunk(self, chunk: Sequence[Parcel]) -> None:
        if self._shut is None:
            try:
                if any(one.op.kind == "leads" and one.op.ref is None for one in chunk):
                    self._leads()
                self._converted(chunk)
                held = self._present(chunk)
                ready = [one for one in chunk if one.outcome is None and _pack(one, held)]
                if ready:
                    self._carry(ready)
            except Pause as error:
                if not self._sent:
                    raise
                self._shut = error
            except Retry as error:
                self._shut = Retry(str(error), after=error.after)  # raised by what reads only
        for one in chunk:
            if one.outcome is None and self._shut is not None:
                one.outcome = Failed(self._shut)

    def _carry(self, ready: Sequence[Parcel]) -> None:
        told = self._send({key: command for one in ready for key, command in one.commands.items()}, ready)
        if told is None:
            return
        undo: dict[str, tuple[Parcel, Command]] = {}
        for one in ready:
            undo |= _settle(one, told)
        if open_leads := [
            one for one in ready if one.lead and isinstance(one.outcome, Done) and one.close not in told.told
        ]:
            undo |= self._close(open_leads)
        self._undo(undo)
        if told.wait is not None:
            self._shut = Retry("Bitrix24's time for this method is nearly used up", after=told.wait)

    def _send(self, commands: Mapping[str, Command], ready: Sequence[Parcel]) -> Batch | None:
        """A batch that was lost leaves its ops lost; one that was not served stops everything."""
        try:
            told = self._rest.batch(commands)
        except Retry as error:
            if error.effect:
                self._sent = True
                for one in ready:
                    one.outcome = Lost(str(error))
            else:
                self._shut = error
            return None
        self._sent = True
        return told

    def _close(self, ready: Sequence[Parcel]) -> dict[str, tuple[Parcel, Command]]:
        """Leads whose deal was made but which are open still: once more by their own id. What is refused for good
        takes the deal back, as the vendor's own conversion would not have begun."""
        told = self._send({one.close: _closing(one.lead) for one in ready}, ready)
        undo: dict[str, tuple[Parcel, Command]] = {}
        for one in ready if told is not None else ():
            error = told.error(one.close) if told is not None else None
            made = one.outcome
            if isinstance(made, Done) and isinstance(error, Refuse | Missing):
                undo |= _taken_back(one, [made.record, *made.includes])
                one.outcome = Failed(error)
            elif error is not None or (told is not None and one.close not in told.told):
                one.outcome = Lost("The deal is made; whether its lead is closed is not certain")
        return undo

    def _undo(self, undo: Mapping[str, tuple[Parcel, Command]]) -> None:
        """Delete what was made of half done ops; what cannot be deleted is looked for by its marker later."""
        many = list(undo.items())
        for start in range(0, len(many), LIMIT):
            part = dict(many[start : start + LIMIT])
            told = self._send({key: command for key, (_, command) in part.items()}, ())
            for key, (one, _) in part.items():
                if told is None or not (key in told.told or isinstance(told.error(key), Missing)):
                    one.outcome = Lost("A part was refused, and the rest could not be taken back")

    def _converted(self, chunk: Sequence[Parcel]) -> None:
        """A lead becomes a deal once: what a person converted meanwhile is not converted again."""
        wanted = [one for one in chunk if one.lead]
        deals = self._now.deals_of([one.lead for one in wanted]) if wanted else {}
        for one in wanted:
            if one.lead in deals:
                one.outcome = Failed(Conflict("This lead was converted over there already", deals[one.lead][0]))

    def _present(self, chunk: Sequence[Parcel]) -> dict[tuple[str, str], Sequence[Any]]:
        """The phones and e-mails that records hold now, where they are to change."""
        wanted: dict[str, list[str]] = {}
        for one in chunk:
            if one.op.ref and set(MULTI) & one.op.values.keys() and one.op.kind in TYPES:
                wanted.setdefault(one.op.kind, []).append(one.op.ref)
        return {(kind, ref): fm for kind, refs in wanted.items() for ref, fm in self._now.held(kind, refs).items()}


# ── commands ─────────────────────────────────────────────────────────────────────────────────────


def _chunks(parcels: Iterable[Parcel]) -> Iterator[list[Parcel]]:
    """Ops as they fit into batches; an op is never divided."""
    chunk: list[Parcel] = []
    size = 0
    for one in parcels:
        need = 1 + len(one.op.includes) + bool(one.lead)
        if size + need > LIMIT:
            yield chunk
            chunk, size = [], 0
        chunk.append(one)
        size += need
    if chunk:
        yield chunk


def _pack(one: Parcel, held: Mapping[tuple[str, str], Sequence[Any]]) -> bool:
    """Fill in the commands; False when the op cannot be said in Bitrix24's words (then it has failed)."""
    op = one.op
    try:
        if op.kind not in TYPES:
            one.commands[one.main] = add_note(op)
        elif op.ref is not None:
            told = fields(op.kind, op.values, new=False, held=held.get((op.kind, op.ref), ()))
            wish = _wish(op.kind, {**told, **linked(op.kind, op.links)}, op.ref)
            one.commands[one.main] = Command("crm.item.update", wish)
        else:
            _create(one)
    except (LookupError, ValueError, TypeError, AttributeError):
        one.outcome = Failed(Refuse(f"Bitrix24 has no {op.kind} like this: a kind, an id or a value is wrong"))
    return one.outcome is None


def _create(one: Parcel) -> None:
    """The parts first, then the record that names them. Parts and deal hand the lead's id on from one to the next,
    so that a lead is closed only when all of them were made."""
    lead: Any = one.lead
    links: dict[str, list[Any]] = {kind: list(refs) for kind, refs in one.op.links.items()}
    for n, part in enumerate(one.op.includes):
        key = f"{'abcdefgh'[n]}{one.place:04}"
        told = {**_marked(part), **linked(part.kind, part.links), **({"leadId": lead} if lead else {})}
        one.commands[key] = Command("crm.item.add", _wish(part.kind, told))
        links.setdefault(part.kind, []).append(Ref(key, ("item", "id")))
        lead = Ref(key, ("item", "leadId")) if lead else lead
        one.parts += (key,)
    if lead:
        links["leads"] = [lead]
    told = {**_marked(one.op), **linked(one.op.kind, links)}
    one.commands[one.main] = Command("crm.item.add", _wish(one.op.kind, told))
    if lead:
        one.commands[one.close] = _closing(Ref(one.main, ("item", "leadId")))


def _marked(op: Op) -> dict[str, Any]:
    return fields(op.kind, {**op.values, **({MARKER: op.marker} if op.marker else {})}, new=True)


def _wish(kind: str, told: Mapping[str, Any], ref: str = "") -> dict[str, Any]:
    """Fields must be there; a key nobody knows is ignored, and stands for "none"."""
    place = {"id": int(ref)} if ref else {}
    return {"entityTypeId": TYPES[kind], "useOriginalUfNames": "Y", **place, "fields": told or {"0": ""}}


def _closing(lead: Any) -> Command:
    return Command("crm.item.update", {"entityTypeId": 1, "id": lead, "fields": {"stageId": CONVERTED}})


def _lead(op: Op) -> str:
    """A new deal of a lead is a conversion."""
    leads = op.links.get("leads", ())
    return leads[0] if op.kind == "deals" and op.ref is None and leads else ""


# ── answers ──────────────────────────────────────────────────────────────────────────────────────


def _settle(one: Parcel, told: Batch) -> dict[str, tuple[Parcel, Command]]:
    """The outcome of one op; answers what has to be deleted again."""
    keys = (*one.parts, one.main)
    errors = [error for key in keys if (error := told.error(key, _values(one, key)))]
    made = {key: record for key in keys if (record := _record(one, key, told.told.get(key)))}
    if not errors and len(made) < len(keys):
        one.outcome = Lost("Bitrix24's answer does not mention this record")
        return {}
    if not errors:
        one.outcome = _done(one, made)
        return {}
    unsure = any(isinstance(error, Retry) and error.effect for error in errors)
    one.outcome = Lost(str(errors[0])) if unsure else Failed(errors[0])
    return {} if unsure else _taken_back(one, list(made.values()))


def _values(one: Parcel, key: str) -> Mapping[str, Any]:
    return one.op.values if key == one.main else one.op.includes[one.parts.index(key)].values


def _record(one: Parcel, key: str, told: Any) -> Record | None:
    op = one.op if key == one.main else one.op.includes[one.parts.index(key)]
    if op.kind not in TYPES:
        return note_made(op, told)
    row = told.get("item") if isinstance(told, dict) else None
    return flat(op.kind, row) if isinstance(row, dict) and row.get("id") else None


def _done(one: Parcel, made: Mapping[str, Record]) -> Done:
    """What the CRM answered, where it tells all that was sent; it keeps silent about phones it was just given."""
    parts = tuple(_known(made[key], part) for key, part in zip(one.parts, one.op.includes, strict=True))
    told = _known(made[one.main], one.op)
    links = {**told.links, **one.op.links, **{part.kind: (part.ref,) for part in parts}}
    silent = any(_sent(op).keys() - made[key].values.keys()
                 for key, op in zip((*one.parts, one.main), (*one.op.includes, one.op), strict=True))  # fmt: skip
    return Done(replace(told, links=links), parts, echoed=not silent)


def _sent(op: Op) -> dict[str, Any]:
    return {**op.values, MARKER: op.marker} if op.marker and op.ref is None else dict(op.values)


def _known(told: Record, op: Op) -> Record:
    return replace(told, values={**_sent(op), **told.values})


def _taken_back(one: Parcel, made: Sequence[Record]) -> dict[str, tuple[Parcel, Command]]:
    """Deletes of what a half done create made; an update made nothing."""
    if one.op.ref is not None:
        return {}
    return {
        f"u{one.place:04}{n}": (one, Command("crm.item.delete", {"entityTypeId": TYPES[record.kind], "id": record.ref}))
        for n, record in enumerate(made)
    }
