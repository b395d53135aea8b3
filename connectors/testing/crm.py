"""What every CRM connector must keep, as a class of tests: inherit `CRMContract` and give it a `rig` fixture.

The rig ties a connector to a stand-in (or a running server) and lends the tests a hand over there: a human who
edits, a clock, faults on order. Whatever a CRM cannot do it declares in its `Facts`, and the test is skipped.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.contract import CRM, Done, Failed, Lost, Op, Raw, Record, Schema, Step
from connectors.errors import ConnectorError, Pause, Refuse, Retry
from connectors.testing.farside import Says
from connectors.testing.hung import HangingContract

_NAMES = ("data", "result", "results", "records", "list", "items", "_embedded", "objects", "errors", "status")
_SHAPES: tuple[object, ...] = (None, 5, "x", [], [5], {}, {"x": 5}, [{"id": {}}])
_ODD = (
    b"", b"null", b"7", b'"x"', b"[]", b"[1]", b"[[]]", b"[{}]", b"{}", b"<html>", b"\xff\xfe", b"[" * 100_000,
    *(json.dumps(dict.fromkeys(_NAMES, odd)).encode() for odd in _SHAPES),
)  # fmt: skip
AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@dataclass(slots=True)
class Rig:
    """A connector and the far side of it.

    `sample(n)` are valid values of the n-th record of `kind`; `change(n)` differing ones for an update, `bad` values
    the CRM refuses for good. `edit(ref, n)` is a human changing that record to `change(n)`. `tick(seconds)` turns the
    remote clock. `fail(what, seconds)` makes the next call go wrong: "429" (with Retry-After), "lost" (effect, but
    no answer), "500_after", "html", "error200". `calls()` counts calls so far. `hook()` waits for the next hook
    after `subscribe()`; `trouble` takes what happens to the next ones, "lose" or "double". `page` is the size of a page
    of changes. `real` is a running server, whose clock nobody turns. `act(ref)` is a person
    who calls the client of that record.
    """

    crm: CRM
    kind: str
    sample: Callable[[int], Mapping[str, Any]]
    change: Callable[[int], Mapping[str, Any]]
    bad: Mapping[str, Any]
    edit: Callable[[str, int], None]
    tick: Callable[[float], None]
    fail: Callable[[str, float], None]
    calls: Callable[[], int]
    page: int
    steps: Callable[[Schema], Sequence[Step]] | None = None
    subscribe: Callable[[], None] | None = None
    hook: Callable[[], Raw] | None = None
    delete: Callable[[str], None] | None = None
    trouble: list[str] | None = None
    marker: str = "L-"
    real: bool = False
    act: Callable[[str], object] | None = None

    def ops(self, count: int, start: int = 0) -> list[Op]:
        """Creates with markers."""
        return [Op(self.kind, self.sample(n), marker=f"{self.marker}{n}") for n in range(start, start + count)]

    def made(self, count: int, start: int = 0) -> list[Record]:
        """Create records and answer them."""
        outcomes = self.crm.write(self.ops(count, start))
        assert all(isinstance(one, Done) for one in outcomes), outcomes
        return [one.record for one in outcomes if isinstance(one, Done)]

    def settle(self) -> None:
        """Let the remote index catch up."""
        self.tick(self.crm.facts.lag + self.crm.facts.precision + 1)

    def scan(self, cursor: str, between: Callable[[int], None] = lambda _: None) -> tuple[list[Record], str, int]:
        """One whole scan: records, cursor, pages. `between(n)` runs after the n-th page."""
        found: list[Record] = []
        for n in range(1000):
            told = self.crm.changes(self.kind, cursor)
            found += told.records
            cursor = told.cursor
            if not told.more:
                return found, cursor, n + 1
            between(n)
        raise AssertionError("the scan does not end")


def inverse(step: Step, ref: str) -> Step:
    """The step that takes back one that answered `ref`."""
    if step.action == "create":
        return Step(step.what, "remove", step.values, ref=ref, under=step.under)
    if step.action == "remove":
        return Step(step.what, "create", step.before, under=step.under)
    return Step(step.what, "change", step.before, ref=ref, under=step.under, before=step.values)


class CRMContract(HangingContract):
    """Tests of the promises in `connectors.contract.CRM`."""

    @pytest.fixture
    def rig(self) -> Rig:
        """Override: a fresh account, its marker field in place."""
        raise NotImplementedError

    # ── what is declared ─────────────────────────────────────────────────────────────────────────

    def test_it_says_who_it_is(self, rig: Rig) -> None:
        one, two = rig.crm.check(), rig.crm.check()
        assert one.fingerprint
        assert one == two

    def test_it_describes_the_account(self, rig: Rig) -> None:
        schema = rig.crm.describe()
        assert {one.name for one in schema.fields[rig.kind]} >= rig.sample(0).keys()
        assert schema.users
        if rig.crm.facts.colours == "palette":
            assert len(set(rig.crm.facts.palette)) == len(rig.crm.facts.palette) > 0

    def test_facts_are_complete(self, rig: Rig) -> None:
        facts = rig.crm.facts
        assert rig.kind in facts.kinds
        assert facts.batch >= 1
        assert facts.budget[0] > 0 < facts.budget[1]
        assert facts.marker_field
        assert rig.crm.source.startswith("https://")

    # ── one record ───────────────────────────────────────────────────────────────────────────────

    def test_a_created_record_reads_back(self, rig: Rig) -> None:
        [made] = rig.made(1)
        [read] = rig.crm.get(rig.kind, [made.ref])
        assert read is not None
        assert read.ref == made.ref
        assert {key: read.values.get(key) for key in rig.sample(0)} == dict(rig.sample(0))
        assert read.updated_at is not None

    def test_the_marker_is_found_within_the_declared_lag(self, rig: Rig) -> None:
        [made] = rig.made(1)
        rig.made(1, start=1)
        rig.settle()
        found = rig.crm.find(rig.kind, {"marker": f"{rig.marker}0"})
        assert [one.ref for one in found] == [made.ref]
        assert not rig.crm.find(rig.kind, {"marker": f"{rig.marker}nobody"})

    def test_a_card_can_be_given_the_id_of_another_record(self, rig: Rig) -> None:
        """Of two cards that people merged over there one is left, and carries either id."""
        [made] = rig.made(1)
        field, other = rig.crm.facts.marker_field, f"{rig.marker}9"
        [read] = rig.crm.get(rig.kind, [made.ref])
        assert read is not None
        if field == "id":  # there the card is its marker, and can carry no other
            assert read.values[field] == read.ref
            return
        assert read.values[field] == f"{rig.marker}0"
        [outcome] = rig.crm.write([Op(rig.kind, {field: other}, ref=made.ref, marker=other)])
        assert isinstance(outcome, Done)
        rig.settle()
        assert [one.ref for one in rig.crm.find(rig.kind, {"marker": other})] == [made.ref]
        assert not rig.crm.find(rig.kind, {"marker": f"{rig.marker}0"})

    def test_an_update_sends_only_what_it_was_given(self, rig: Rig) -> None:
        [made] = rig.made(1)
        key = next(iter(rig.change(7)))
        [outcome] = rig.crm.write([Op(rig.kind, {key: rig.change(7)[key]}, ref=made.ref)])
        assert isinstance(outcome, Done)
        [read] = rig.crm.get(rig.kind, [made.ref])
        assert read is not None
        expected = {**rig.sample(0), key: rig.change(7)[key]}
        assert {name: read.values.get(name) for name in expected} == expected

    def test_what_is_absent_is_none_and_the_order_is_ours(self, rig: Rig) -> None:
        one, two = rig.made(2)
        read = rig.crm.get(rig.kind, [two.ref, "999999999", one.ref])
        assert [record.ref if record else None for record in read] == [two.ref, None, one.ref]
        assert list(rig.crm.get(rig.kind, [])) == []

    def test_a_deleted_record_is_no_live_one(self, rig: Rig) -> None:
        if rig.delete is None:
            pytest.skip("records cannot be deleted here")
        [made] = rig.made(1)
        rig.settle()
        _, cursor, _ = rig.scan("")
        rig.delete(made.ref)
        [read] = rig.crm.get(rig.kind, [made.ref])
        assert read is None or read.deleted
        if rig.crm.facts.deleted_list:
            found, _, _ = rig.scan(cursor)
            assert [one.ref for one in found if one.deleted] == [made.ref]

    # ── batches ──────────────────────────────────────────────────────────────────────────────────

    def test_one_bad_op_fails_alone(self, rig: Rig) -> None:
        ops = rig.ops(7)
        ops[3] = Op(rig.kind, rig.bad, marker=f"{rig.marker}3")
        outcomes = rig.crm.write(ops)
        assert [type(one) for one in outcomes] == [Done] * 3 + [Failed] + [Done] * 3
        assert isinstance(outcomes[3], Failed)
        assert isinstance(outcomes[3].error, Refuse)
        rig.settle()
        assert len(rig.scan("")[0]) == 6

    def test_outcomes_belong_to_their_ops(self, rig: Rig) -> None:
        size = rig.crm.facts.batch * 2 + 3
        made = rig.made(size)
        read = rig.crm.get(rig.kind, [one.ref for one in made])
        for n, record in enumerate(read):
            assert record is not None
            assert {key: record.values.get(key) for key in rig.sample(n)} == dict(rig.sample(n))

    def test_creates_and_updates_mix(self, rig: Rig) -> None:
        one, two = rig.made(2)
        [new] = rig.ops(1, start=5)
        outcomes = rig.crm.write(
            [Op(rig.kind, rig.change(1), ref=one.ref), new, Op(rig.kind, rig.change(2), ref=two.ref)]
        )
        refs = [outcome.record.ref for outcome in outcomes if isinstance(outcome, Done)]
        assert [refs[0], refs[2]] == [one.ref, two.ref]
        assert refs[1] not in {one.ref, two.ref}

    def test_nothing_to_write_is_no_call(self, rig: Rig) -> None:
        before = rig.calls()
        assert list(rig.crm.write([])) == []
        assert rig.calls() == before

    # ── changes ──────────────────────────────────────────────────────────────────────────────────

    def test_a_scan_of_several_pages_finds_all_oldest_first(self, rig: Rig) -> None:
        made: list[Record] = []
        for n in range(3):
            made += rig.made(rig.page, start=n * rig.page)
            rig.tick(rig.crm.facts.precision + 1)
        rig.settle()
        found, _, pages = rig.scan("")
        assert {one.ref for one in found} == {one.ref for one in made}
        assert pages >= 3
        stamps = [one.updated_at for one in found]
        assert stamps == sorted(stamps, key=lambda at: at or AT)

    def test_more_than_a_page_in_one_instant(self, rig: Rig) -> None:
        made = rig.made(rig.page * 2 + 5)
        rig.settle()
        found, _, _ = rig.scan("")
        assert {one.ref for one in found} == {one.ref for one in made}

    @pytest.mark.parametrize(("crowd", "step"), [(3, 0.0), (3, 0.4), (3, 3.0), (120, 0.4), (120, 3.0)])
    def test_records_that_move_during_the_scan_hide_no_other(self, rig: Rig, crowd: int, step: float) -> None:
        made = [one.ref for one in rig.made(rig.page * 2 + 5)]
        rig.settle()

        def human(n: int) -> None:
            for ref in made[n * crowd : (n + 1) * crowd]:
                rig.edit(ref, n)
            rig.tick(step)

        found, cursor, _ = rig.scan("", human)
        rig.settle()
        later, _, _ = rig.scan(cursor)
        assert {one.ref for one in [*found, *later]} == set(made)

    def test_the_cursor_never_passes_what_is_not_visible_yet(self, rig: Rig) -> None:
        made = rig.made(3)
        rig.settle()
        _, cursor, _ = rig.scan("")
        rig.edit(made[1].ref, 4)
        seen: list[Record] = []
        for _ in range(5):
            found, cursor, _ = rig.scan(cursor)
            seen += found
            rig.tick(rig.crm.facts.lag / 4 + 1)
        key = next(iter(rig.change(4)))
        assert rig.change(4)[key] in [one.values.get(key) for one in seen if one.ref == made[1].ref]
        rig.settle()
        _, cursor, _ = rig.scan(cursor)
        rig.settle()
        assert rig.scan(cursor)[0] == []

    def test_a_cursor_never_goes_back(self, rig: Rig) -> None:
        rig.made(2)
        rig.settle()
        _, first, _ = rig.scan("")
        _, second, _ = rig.scan(first)
        assert int(second.partition(":")[0]) >= int(first.partition(":")[0]) if first.isdecimal() else second >= first

    def test_a_cycle_in_which_nothing_happens_is_one_call(self, rig: Rig) -> None:
        rig.made(2)
        rig.settle()
        cursor = ""
        for _ in range(3):  # the first looks may go deeper: into the bin, into the archive
            _, cursor, _ = rig.scan(cursor)
            rig.settle()
        before = rig.calls()
        found, cursor, _ = rig.scan(cursor)
        assert (found, rig.calls() - before) == ([], 1)

    def test_a_page_says_what_time_it_is_over_there(self, rig: Rig) -> None:
        rig.made(2)
        rig.settle()
        first = rig.crm.changes(rig.kind, "")
        rig.tick(100)
        second = rig.crm.changes(rig.kind, "")
        assert first.at is not None is not second.at
        assert first.at.utcoffset() == timedelta(0)
        passed = (second.at - first.at).total_seconds()
        assert 0 <= passed <= 60 if rig.real else 98 <= passed <= 102

    # ── faults ───────────────────────────────────────────────────────────────────────────────────

    @pytest.mark.parametrize("fault", ["lost", "500_after"])
    def test_a_lost_answer_is_lost_and_its_marker_is_found(self, rig: Rig, fault: str) -> None:
        rig.fail(fault, 0.0)
        outcomes = rig.crm.write(rig.ops(2))
        assert all(isinstance(one, Lost) for one in outcomes), outcomes
        rig.settle()
        for n in range(2):
            assert len(rig.crm.find(rig.kind, {"marker": f"{rig.marker}{n}"})) == 1

    def test_too_many_calls_are_obeyed(self, rig: Rig) -> None:
        rig.fail("429", 60.0)
        outcomes = rig.crm.write(rig.ops(3 * rig.crm.facts.batch))
        after = rig.calls()
        errors = [one.error for one in outcomes if isinstance(one, Failed)]
        assert len(errors) == len(outcomes)
        assert all(isinstance(error, Retry) and not error.effect for error in errors)
        for _ in range(3):
            with pytest.raises(Retry):
                rig.crm.get(rig.kind, ["1"])
        assert rig.calls() == after, "a call was made inside the window"

    @pytest.mark.parametrize("fault", ["html", "error200", "garbage"])
    def test_an_answer_that_makes_no_sense_is_no_crash(self, rig: Rig, fault: str) -> None:
        rig.fail(fault, 0.0)
        [outcome] = rig.crm.write(rig.ops(1))
        assert isinstance(outcome, Lost | Failed)
        for read in (
            rig.crm.check,
            lambda: rig.crm.changes(rig.kind, ""),
            lambda: rig.crm.get(rig.kind, ["1"]),
            lambda: rig.crm.find(rig.kind, {"marker": "x"}),
        ):
            rig.fail(fault, 0.0)
            with pytest.raises((Retry, Pause)) as caught:
                read()
            assert str(caught.value)

    @pytest.mark.parametrize("status", [200, 207, 400, 404, 500])
    def test_answers_of_any_shape_are_no_crash(self, rig: Rig, status: int) -> None:
        for body in _ODD:
            crm = type(rig.crm)(rig.crm.settings, rig.crm.secrets, Says(body, status))
            for read in (
                crm.check,
                crm.describe,
                lambda crm=crm: crm.changes(rig.kind, ""),
                lambda crm=crm: crm.get(rig.kind, ["1"]),
                lambda crm=crm: crm.find(rig.kind, {"marker": "L-1", "phone": "+12025550111", "email": "a@crm.test"}),
            ):
                with suppress(ConnectorError):
                    read()
            with suppress(Pause):
                outcomes = crm.write(rig.ops(1))
                assert all(isinstance(one, Failed | Lost) for one in outcomes), (body, outcomes)

    # ── set-up and hooks ─────────────────────────────────────────────────────────────────────────

    def test_a_plan_can_be_taken_back(self, rig: Rig) -> None:
        if rig.steps is None:
            pytest.skip("this CRM cannot be set up by programs")
        before = rig.crm.describe()
        steps = rig.steps(before)
        refs = rig.crm.provision(steps)
        after = rig.crm.describe()
        assert after != before
        assert list(rig.crm.provision(steps)) == list(refs), "running a plan again must change nothing"
        assert rig.crm.describe() == after
        rig.crm.provision([inverse(step, ref) for step, ref in zip(steps, refs, strict=True)][::-1])
        assert rig.crm.describe() == before

    def test_a_hook_says_what_to_look_at(self, rig: Rig) -> None:
        if rig.subscribe is None or rig.hook is None:
            pytest.skip("no hooks here")
        [made] = rig.made(1)
        rig.subscribe()
        rig.edit(made.ref, 3)
        hints = rig.crm.touched(rig.hook())
        assert (rig.kind, made.ref) in [(hint.kind, hint.ref) for hint in hints]

    def test_hooks_get_lost_and_come_twice(self, rig: Rig) -> None:
        if rig.subscribe is None or rig.hook is None or rig.trouble is None:
            pytest.skip("no hooks here that could be lost")
        first, second = rig.made(2)
        rig.subscribe()
        rig.trouble += ["lose", "double"]
        rig.edit(first.ref, 1)
        rig.edit(second.ref, 2)
        once, twice = rig.hook(), rig.hook()
        assert once.body == twice.body
        assert {hint.ref for hint in rig.crm.touched(once)} == {second.ref}

    @pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe%%%", b"a=b&leads[add][0][id]=%00", b"[1,2", b"null", b"[]"])
    def test_a_foreign_hook_is_no_crash(self, rig: Rig, body: bytes) -> None:
        assert list(rig.crm.touched(Raw(body, AT))) == []
