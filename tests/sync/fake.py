"""A small CRM in memory that behaves as badly as it declares: late index, coarse stamps, lost answers, no bin.

It implements the contract of the edge and nothing else of the hub. Every call is a seam: the scheduler may let time
pass, other workers run, or the caller die, before the effect and after it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from connectors.contract import (
    CRM,
    Account,
    Changes,
    Done,
    Evidence,
    Facts,
    Failed,
    Lost,
    Op,
    Outcome,
    Pipeline,
    Record,
    Schema,
    Stage,
)
from connectors.errors import Conflict, Missing, Refuse, Retry
from hub.clock import FixedClock, instant

PAGE = 3
CONVERTED = "converted"
ONE = Facts(
    kinds=("cards", "people"), batch=3, compound=3, lag=6.0, precision=4.0, longest_request=5.0, marker_field="HUB_ID",
    late=0.0, deleted_list=True, colours="any", strategies=("two_blocks", "two_pipelines", "held"),
    finals={"won": "W", "lost": "L"},
)  # fmt: skip
FIRMS = replace(ONE, kinds=("cards", "people", "firms"))
"""With companies of its own."""
PROFILES: Mapping[str, tuple[str, Facts]] = {
    "two_blocks": ("two_blocks", FIRMS),
    "conditional": ("two_blocks", replace(ONE, conditional_write=True, compound=0, room={"cards": {"tags": 2}})),
    "strong": (
        "two_pipelines",
        replace(FIRMS, marker_lookup="strong", lag=0.0, precision=1.0, upsert=True, room={"cards": {"tags": 1}}),
    ),
    "no_bin": ("two_pipelines", replace(FIRMS, deleted_list=False, batch=1, compound=0, lag=20.0)),
    "flag": ("flag", replace(ONE, strategies=("flag",), flag={"lead": {"type": "lead"}, "deal": {"type": "deal"}})),
    "native": (
        "native",
        replace(FIRMS, kinds=("leads", "cards", "people", "firms"), strategies=("native",), compound=0),
    ),
    "held": ("held", ONE),
}
"""By name: the placement, and what the CRM declares."""


@dataclass
class Row:
    """A record over there. `at` is when it really changed, `stamp` what its change time says."""

    ref: str
    kind: str
    values: dict[str, Any]
    marker: str = ""
    by: str = "person"
    links: dict[str, tuple[str, ...]] = field(default_factory=dict)
    deleted: bool = False
    merged: str = ""
    version: int = 0
    born: int = 0
    at: int = 0
    stamp: int = 0


class FakeCRM(CRM):
    """One account. `seam` is called inside every call, `fault` says what goes wrong with it."""

    name = "fake"
    title = "Fake"
    evidence = Evidence.DOCUMENTED
    facts = ONE
    lead_kind, deal_kind, contact_kind = "cards", "cards", "people"
    pipeline_field, stage_field, owner_field = "pipeline", "stage", "owner"

    def __init__(self, clock: FixedClock, facts: Facts, native: bool) -> None:
        super().__init__({}, {}, None)  # type: ignore[arg-type]
        self.clock = clock
        self.facts = facts  # type: ignore[misc]
        self.lead_kind = "leads" if native else "cards"  # type: ignore[misc]
        self.company_kind = "firms" if "firms" in facts.kinds else ""  # type: ignore[misc]
        self.company_on = ("cards",) if self.company_kind else ()  # type: ignore[misc]
        self.hired: dict[str, str] = {}
        """Contacts that stood here already, and the company that we hung them on."""
        self.rehung: set[str] = set()
        self.rows: dict[str, Row] = {}
        self.seam: Callable[[str], None] = lambda _name: None
        self.fault: Callable[[str], str] = lambda _call: ""
        self.calls: Counter[str] = Counter()
        self.hints: list[tuple[str, str]] = []
        self.wrong: list[str] = []
        self.raced: set[tuple[str, str]] = set()
        self.read_at: dict[tuple[str, int], int] = {}
        self.reader: Callable[[], int] = lambda: 0
        self.person_at: dict[tuple[str, str], int] = {}
        self.poison: set[str] = set()
        self.writes = 0
        self.tick = 0

    # ── what happens to a record ─────────────────────────────────────────────────────────────────

    def touch(self, row: Row, hint: bool = True) -> None:
        self.tick += 1
        row.version += 1
        row.at = self.clock.now()
        step = round(self.facts.precision * 1000)
        row.stamp = row.at // step * step
        if hint:
            self.hints.append((row.kind, row.ref))

    def make(self, kind: str, values: Mapping[str, Any], links: Mapping[str, Any] | None = None, **more: Any) -> Row:
        told = {name: self.kept(kind, name, value) for name, value in values.items()}
        row = Row(str(100 + len(self.rows)), kind, told, links=dict(links or {}), **more)
        row.born = self.clock.now()
        self.rows[row.ref] = row
        self.touch(row)
        return row

    def edit(self, row: Row, **values: Any) -> None:
        """A person changes fields."""
        for name, value in values.items():
            row.values[name] = self.kept(row.kind, name, value)
            self.person_at[row.ref, name] = self.tick
        self.touch(row)

    def kept(self, kind: str, name: str, value: Any) -> Any:
        """A value as it is stored: of a list as many as there is room for."""
        room = self.facts.room.get(kind, {}).get(name, 0)
        return tidy(value)[: room or None] if isinstance(value, list) else tidy(value)

    def live(self, *kinds: str) -> list[Row]:
        return [row for row in self.rows.values() if row.kind in kinds and not row.deleted]

    def merge_rows(self, winner: Row, loser: Row) -> None:
        loser.deleted, loser.merged = True, winner.ref
        self._rehang(loser, winner)
        self.touch(loser)
        self.touch(winner)

    def remove(self, row: Row) -> None:
        """A person deletes it. Whoever hung on a company is nobody's now, and no change time of theirs says so."""
        row.deleted = True
        if row.kind == "firms":
            self._rehang(row, None)
        self.touch(row)

    def hang(self, row: Row, kind: str, on: Row | None) -> None:
        """A person says whose a contact is, or on whom a card hangs."""
        row.links[kind] = (on.ref,) if on else ()
        if row.kind != "people":
            self.rehung.add(row.ref)
        self.person_at[row.ref, kind] = self.tick
        self.touch(row)

    def _rehang(self, before: Row, after: Row | None) -> None:
        for one in self.rows.values():
            if before.ref in one.links.get(before.kind, ()) and before.kind in ("people", "firms"):
                one.links[before.kind] = (after.ref,) if after else ()

    # ── contract ─────────────────────────────────────────────────────────────────────────────────

    def _call(self, name: str) -> str:
        self.calls[name] += 1
        self.seam(f"{name}<")
        fault = self.fault(name)
        if fault == "429":
            raise Retry("slow down", after=7.0)
        return fault

    def check(self) -> Account:
        return Account("Fake", "fake-1")

    def describe(self) -> Schema:
        return Schema(pipelines=(Pipeline("p", "P", (Stage("1", "New"),)),))

    def shown(self, row: Row) -> Record:
        return Record(
            row.kind, row.ref, dict(row.values) | ({"HUB_ID": row.marker} if row.marker else {}), str(row.version),
            instant(row.stamp), row.deleted and not row.merged, row.merged if row.deleted else "", dict(row.links),
        )  # fmt: skip

    def changes(self, kind: str, cursor: str) -> Changes:
        fault = self._call("list")
        if fault:
            raise Retry("list failed")
        now = self.clock.now()
        scan = json.loads(cursor) if cursor else {"since": 0, "pos": [-1, ""], "start": None}
        start = scan["start"] if scan["start"] is not None else now
        pos = tuple(scan["pos"]) if scan["start"] is not None else (scan["since"] - 1, "")
        visible = [
            row for row in self.rows.values()
            if row.kind == kind and row.at <= now - self.facts.lag * 1000
            and (self.facts.deleted_list or not row.deleted)
        ]  # fmt: skip
        rows = sorted((row for row in visible if (row.stamp, row.ref) > pos), key=lambda row: (row.stamp, row.ref))
        page = tuple(self.shown(row) for row in rows[:PAGE])
        self.seam("list>")
        if len(rows) > PAGE:
            last = rows[PAGE - 1]
            onward = json.dumps({**scan, "pos": [last.stamp, last.ref], "start": start})
            return Changes(page, onward, more=True, at=instant(now))
        since = max(scan["since"], round(start - self.facts.lag * 1000 - self.facts.precision * 1000))
        return Changes(page, json.dumps({"since": since, "pos": [-1, ""], "start": None}), at=instant(now))

    def get(self, kind: str, refs: Sequence[str]) -> Sequence[Record | None]:
        fault = self._call("get")
        if fault:
            raise Retry("get failed")
        found: list[Record | None] = []
        for ref in refs:
            row = self.rows.get(ref)
            self.read_at[ref, self.reader()] = self.tick
            while row is not None and row.merged and not self.facts.deleted_list:
                row = self.rows[row.merged]  # this one answers with the record it was merged into
            gone = row is None or row.kind != kind or (row.deleted and not row.merged and not self.facts.deleted_list)
            found.append(None if gone or row is None else self.shown(row))
        self.seam("get>")
        return found

    def find(self, kind: str, keys: Mapping[str, str]) -> Sequence[Record]:
        fault = self._call("find")
        if fault:
            raise Retry("find failed")
        lag = 0 if self.facts.marker_lookup == "strong" else self.facts.lag * 1000
        old = self.clock.now() - lag
        found = [
            self.shown(row) for row in self.rows.values()
            if row.kind == kind and row.marker and row.marker == keys.get("marker") and row.born <= old
        ]  # fmt: skip
        self.seam("find>")
        return found

    def write(self, ops: Sequence[Op]) -> Sequence[Outcome]:
        fault = self._call("write")
        if any(op.ref in self.poison for op in ops):
            raise ValueError("poison")
        if fault == "before":
            return [Lost("no answer")] * len(ops)
        outcomes = [self.effect(op) for op in ops]
        self.seam("write>")
        if fault == "after":
            return [Lost("no answer")] * len(ops)
        if fault == "partial":
            return [Lost("no answer") if n % 2 else one for n, one in enumerate(outcomes)]
        return outcomes

    def effect(self, op: Op) -> Outcome:
        """One op, done."""
        if op.ref is None:
            return self._create(op)
        row = self.rows.get(op.ref)
        if row is None or row.deleted:
            return Failed(Missing("gone"))
        if self._hangs_nowhere(op):
            return Failed(Refuse("no such company"))
        if self.facts.conditional_write and op.version and op.version != str(row.version):
            return Failed(Conflict("changed meanwhile"))
        self._judge(row, op)
        row.marker = str(op.values.get("HUB_ID", row.marker))
        told = {name: self.kept(row.kind, name, value) for name, value in op.values.items() if name != "HUB_ID"}
        row.values.update(told)
        row.links.update(op.links)
        if row.kind == "people" and "firms" in op.links:
            self.hired[row.ref] = op.links["firms"][0]
        self.touch(row)
        self.writes += 1
        return Done(self.shown(row), echoed=self.facts.conditional_write)

    def _create(self, op: Op) -> Outcome:
        if "refuse me" in op.values.values():
            return Failed(Refuse("a field", {"title": "no"}))
        if any(self._hangs_nowhere(one) for one in (op, *op.includes)):
            return Failed(Refuse("no such company"))
        same = [row for row in self.rows.values() if row.kind == op.kind and row.marker == op.marker]
        if self.facts.upsert and same and not same[0].deleted:
            return Done(self.shown(same[0]), tuple(self._part(part) for part in op.includes), echoed=True)
        lead_ref = next(iter(op.links.get(self.lead_kind, ())), "") if self.lead_kind != self.deal_kind else ""
        if lead_ref:
            lead = self.rows[lead_ref]
            if lead.links.get(self.deal_kind):
                return Failed(Conflict("converted already", lead.links[self.deal_kind][0]))
        parts = tuple(self._part(part) for part in op.includes)
        links = {**op.links, **{part.kind: (part.ref,) for part in parts}}
        row = self.make(op.kind, op.values, marker=op.marker, by="api", links=links)
        self.writes += 1
        if lead_ref:
            self.convert_row(self.rows[lead_ref], row)
        return Done(self.shown(row), parts)

    def _hangs_nowhere(self, op: Op) -> bool:
        return any(self.rows[ref].deleted for ref in op.links.get("firms", ()))

    def convert_row(self, lead: Row, deal: Row) -> None:
        lead.links[self.deal_kind] = (deal.ref,)
        self.raced.add((lead.ref, "stage"))  # wherever somebody put it before
        lead.values["stage"] = CONVERTED
        self.touch(lead)

    def _part(self, op: Op) -> Record:
        return self.shown(self.make(op.kind, op.values, marker=op.marker, by="api", links=dict(op.links)))

    def _judge(self, row: Row, op: Op) -> None:
        """What no write of ours may ever do."""
        there = {**row.values, "HUB_ID": row.marker}
        same = [name for name, value in op.values.items() if there.get(name) == tidy(value) and name != "pipeline"]
        looked = self.read_at.get((row.ref, self.reader()), 0)
        unseen = {name for name in op.values if self.person_at.get((row.ref, name), -1) >= looked}
        if set(same) - unseen:
            self.wrong.append(f"I17 {row.ref}: {same} stood there already")
        for kind, refs in op.links.items():
            if refs == row.links.get(kind) and self.person_at.get((row.ref, kind), -1) < looked and not op.values:
                self.wrong.append(f"I17 {row.ref} hung on {refs} already")
        self.raced |= {(row.ref, name) for name in unseen}
        if "TEXT" in op.values and row.values.get("TEXT"):
            self.wrong.append(f"I16 {row.ref}: written once, and again")
        if "READ_ONLY" in op.values:
            self.wrong.append(f"I16 {row.ref}: against its direction")


def tidy(value: Any) -> Any:
    """This CRM trims what it stores, and keeps lists of its own."""
    return value.strip() if isinstance(value, str) else list(value) if isinstance(value, list) else value
