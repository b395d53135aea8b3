"""What a connector keeps about what hangs on a record: notes and tasks of ours, and what people did."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from connectors.contract import Activity, Done, Lost, Op, Outcome, Record
from connectors.errors import Unsupported

if TYPE_CHECKING:
    from connectors.testing.crm import Rig

SAID = "Wants <b>oak</b> & brass;\nsays «maybe» 50 % 😀"
DUE = datetime(2026, 12, 1, 10, 0, tzinfo=UTC)


def _hang(rig: Rig, ref: str, what: str = "note", text: str = SAID) -> Outcome:
    kind = rig.crm.note_kind if what == "note" else rig.crm.task_kind
    values = rig.crm.worded(Activity(what, text, DUE))
    [outcome] = rig.crm.write([Op(kind, values, links={rig.kind: (ref,)})])
    return outcome


def _found(rig: Rig, kind: str, ref: str) -> list[str]:
    told = [rig.crm.activity(one) for one in rig.crm.find(kind, {rig.kind: ref})]
    return [" ".join(one.text.split()) for one in told if one is not None]


def _tells_that_there_are_none(rig: Rig) -> None:
    with pytest.raises(Unsupported):
        rig.crm.worded(Activity("note", SAID, DUE))


class HangingContract:
    """Part of `CRMContract`."""

    @pytest.mark.parametrize("what", ["note", "task"])
    def test_what_hangs_on_a_record_is_found_there(self, rig: Rig, what: str) -> None:
        if not rig.crm.note_kind:
            _tells_that_there_are_none(rig)
            return
        what = what if rig.crm.task_kind else "note"  # where there are no tasks they go as notes
        kind = rig.crm.note_kind if what == "note" else rig.crm.task_kind
        one, other = rig.made(2)
        outcome = _hang(rig, one.ref, what)
        assert isinstance(outcome, Done), outcome
        assert outcome.record.ref
        if rig.crm.facts.hanging:
            assert _found(rig, kind, one.ref) == [" ".join(SAID.split())]
            assert _found(rig, kind, other.ref) == []

    def test_a_note_whose_answer_was_lost_is_there_once(self, rig: Rig) -> None:
        if not rig.crm.note_kind:
            _tells_that_there_are_none(rig)
            return
        one, other = rig.made(2)
        assert isinstance(_hang(rig, other.ref), Done)  # what has to be asked first is known now
        rig.fail("lost", 0.0)
        assert isinstance(_hang(rig, one.ref), Lost)
        if rig.crm.facts.hanging:
            assert len(_found(rig, rig.crm.note_kind, one.ref)) == 1

    def test_what_a_person_does_is_told_from_now_on(self, rig: Rig) -> None:
        if rig.act is None:
            assert rig.crm.activity_kinds == (), "what is listed can be done by a person of the stand-in"
            return
        [one] = rig.made(1)
        rig.act(one.ref)
        rig.settle()
        cursors = {}
        for kind in rig.crm.activity_kinds:
            before = rig.calls()
            page = rig.crm.changes(kind, "")
            assert (page.records, page.more, rig.calls() - before) == ((), False, 1), "what was before is history"
            cursors[kind] = page.cursor
        rig.tick(rig.crm.facts.precision + 1)
        rig.act(one.ref)
        rig.settle()
        found: dict[str, Record] = {}
        for _ in range(2):  # nothing is passed over, and what comes twice is the same
            for kind in rig.crm.activity_kinds:
                page = rig.crm.changes(kind, cursors[kind])
                cursors[kind] = page.cursor
                found |= {record.ref: record for record in page.records}
        told = [(record, rig.crm.activity(record)) for record in found.values()]
        calls = [
            (record.links.get(rig.kind), one_told.by) for record, one_told in told if one_told and not one_told.open
        ]
        assert calls, told
        assert all(one.ref in (refs or ()) for refs, _by in calls)
        assert all(by for _refs, by in calls), "somebody did it"
        assert {one_told.what for _record, one_told in told if one_told} == {"call"}

    def test_a_look_at_what_people_did_is_one_call(self, rig: Rig) -> None:
        for kind in rig.crm.activity_kinds:
            cursor = rig.crm.changes(kind, "").cursor
            rig.settle()
            before = rig.calls()
            assert rig.crm.changes(kind, cursor).records == ()
            assert rig.calls() - before == 1, kind
