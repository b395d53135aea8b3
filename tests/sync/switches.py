"""One switch per rule of the model: each breaks its rule on purpose, in one named place of the real code.

A suite that stays green with a switch on would not notice if somebody lost the rule.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from hub.funnel import moves
from hub.intake.accept import Intake
from hub.store.groupcommit import UNSTORABLE, Inbox
from hub.sync import account, answers, apply, employer, holder, ledger, observe, parcel, plan, pull, push, strangers
from hub.sync.account import Account
from hub.sync.ledger import Ledger
from hub.sync.observe import Observer
from hub.sync.plan import Memory
from hub.sync.pull import Puller
from hub.sync.split import Placement
from tests.sync import fake
from tests.sync.fake import FakeCRM

Patch = pytest.MonkeyPatch
Break = Callable[[Patch], None]


def no_shadow(patch: Patch) -> None:
    """A1, A2: both sides are compared directly; what was agreed on is not remembered."""
    real = plan.reconcile

    def direct(slots: Any, memory: Memory, hub: Any, seen: Any) -> Any:
        return real(slots, Memory({}, {}, memory.sent), hub, seen)

    patch.setattr(observe, "reconcile", direct)


def unstable_codec(patch: Patch) -> None:
    """A3: what is sent reads back as something else."""
    real = account.Account.written

    def padded(self: Account, role: str, wish: Any, before: Any) -> Any:
        values = real(self, role, wish, before)
        return {k: f"{v}." if k in ("title", "name") and v else v for k, v in values.items()}

    patch.setattr(Account, "written", padded)


def forget_sent(patch: Patch) -> None:
    """A4: unconfirmed writes are forgotten, so that they come back as somebody's edit."""
    patch.setattr(plan, "_own", lambda slot, theirs, memory: False)


def hub_always_wins(patch: Patch) -> None:
    """A5: policies are ignored and the loser is not told."""

    def silent(slot: Any, ours: Any, theirs: Any, base: Any, newer: str, agreed: Any) -> bool:
        agreed.base[slot.hub] = theirs
        agreed.push[slot.hub] = ours
        return True

    patch.setattr(plan, "_conflict", silent)


def sets_are_values(patch: Patch) -> None:
    """A5: a list is one value, which the CRM's replaces whole."""
    patch.setattr(plan, "WINNERS", {**plan.WINNERS, "union": plan._crm})


def no_room_is_gone(patch: Patch) -> None:
    """A5: what a CRM has no room for counts as taken off there."""
    for place in (plan, parcel):
        patch.setattr(place, "in_room", lambda values, _known, _room: values)


def stamps_decide(patch: Patch) -> None:
    """A6, A7: a record whose change time is that of our last look counts as known."""
    patch.setattr(pull, "_as_remembered", lambda _account, row, record: bool(record and row.raw))


def no_marker(patch: Patch) -> None:
    """A8: after a lost answer nobody looks for the marker."""
    patch.setattr(push._Carrier, "_find", lambda self, parcel_: ())
    patch.setattr(strangers, "_marker", lambda account_, record: "")


def no_wait(patch: Patch) -> None:
    """A8: the marker is looked for at once, while our own request may still be on its way."""
    patch.setattr(Account, "longest_request", property(lambda self: 0.0))
    patch.setattr(Account, "lag", property(lambda self: 0.0))


def absence_deletes_nothing_stays(patch: Patch) -> None:
    """A9: a deletion leaves no tombstone: the link starts anew."""
    real = Observer._gone

    def again(self: Observer, conn: Any, account_: Any, row: Any, flat: Any) -> Any:
        seen = real(self, conn, account_, row, flat)
        seen.state, seen.code, seen.again = "new", "", True
        return seen

    patch.setattr(Observer, "_gone", again)


def merges_are_deletions(patch: Patch) -> None:
    """A10: a merged record is followed nowhere, its link stays."""
    patch.setattr(Observer, "_merged", lambda self, conn, account_, row, into, flat, other: apply.Sighting(
        "linked", flat, dict(row.base), dict(row.raw)))  # fmt: skip


def children_first(patch: Patch) -> None:
    """A11: a card does not wait for its contact."""
    real = parcel._prepare_new

    def alone(account_: Account, one: Any, carried: set[int], now: int) -> None:
        one.contact = one.lead = None
        real(account_, one, carried, now)

    patch.setattr(parcel, "_prepare_new", alone)


def nobody_hangs(patch: Patch) -> None:
    """A11: new contacts are told nothing of their company, and later nobody remembers."""
    patch.setattr(push, "tie", lambda account_, parcels: None)


def no_second_look(patch: Patch) -> None:
    """A11: a company that comes late stays without its people."""
    patch.setattr(employer, "wake", lambda conn, connection_id, companies, at, lease="": None)
    patch.setitem(strangers.HUNG_ON, "company", lambda conn, connection_id, companies, at: None)


def cards_stay_bare(patch: Patch) -> None:
    """A11: a company that comes late gets its people, and their cards stay without it."""
    patch.setattr(employer, "tied", lambda changed, kind: [])
    patch.setattr(employer, "people_of", lambda conn, companies: [])


def nobody_is_made(patch: Patch) -> None:
    """A11: a card is given to a contact who is not there, and it stays where it was."""
    patch.setattr(holder, "_bring", lambda conn, clock, account_, contacts: None)


def stays_with_the_old(patch: Patch) -> None:
    """A11: whom a person hangs on another company over there stays with the old one here."""
    patch.setattr(employer, "take", lambda conn, clock, account_, contact_id, ref: None)


def hangs_as_before(patch: Patch) -> None:
    """A11: a card that people hang on another contact over there stays the first one's here."""
    patch.setattr(holder, "take", lambda conn, clock, account_, row, ref: "")


def default_stage(patch: Patch) -> None:
    """A12: an unknown stage counts as the first one."""
    real = Placement.unplace

    def first(self: Placement, there: Any, role: str, now: Any = None) -> Any:
        spot = real(self, there, role, now)
        return spot or next(row[:3] for row in self.rows if row[0] == role)

    patch.setattr(Placement, "unplace", first)


def conversion_in_two(patch: Patch) -> None:
    """A13: the lead is closed, and the card keeps being the lead's."""
    patch.setattr(moves, "_hand_links_over", lambda conn, clock, lead_id, deal_id: None)


def newest_seen(patch: Patch) -> None:
    """A14: the cursor is the newest change seen, whatever the index still hides."""
    real = FakeCRM.changes

    def jump(self: FakeCRM, kind: str, cursor: str) -> Any:
        page = real(self, kind, cursor)
        if page.more:
            return page
        since = self.clock.now()
        return replace(page, cursor=f'{{"since":{since},"pos":[-1,""],"start":null}}')

    patch.setattr(FakeCRM, "changes", jump)


def overwrite_on_match(patch: Patch) -> None:
    """A15: at the first match the hub's values replace theirs."""
    real = Observer._compare

    def blunt(self: Observer, account_: Any, row: Any, record: Any, flat: Any) -> Any:
        agreed = real(self, account_, row, record, flat)
        if not row.base:
            agreed.hub.clear()
        return agreed

    patch.setattr(Observer, "_compare", blunt)


def any_account(patch: Patch) -> None:
    """A16: nobody asks whose account new credentials open."""
    patch.setattr(account.Accounts, "_is_theirs", lambda self, live: True)


def no_fence(patch: Patch) -> None:
    """A17: a worker writes down its answers whoever holds the lease now."""
    patch.setattr(Ledger, "_held", lambda self, conn, parcels: {p.row.id for p in parcels})


def undeclared_lag(patch: Patch) -> None:
    """A18: what the CRM declares about its index is not believed."""
    patch.setattr(Account, "lag", property(lambda self: 0.0))


def answers_by_position(patch: Patch) -> None:
    """A19: one lost answer of a batch counts as the success of its neighbour."""
    real = push._Carrier._call

    def blurred(self: Any, chunk: Any) -> Any:
        outcomes = list(real(self, chunk))
        return [outcomes[n - 1] if n and isinstance(one, fake.Lost) else one for n, one in enumerate(outcomes)]

    patch.setattr(push._Carrier, "_call", blurred)


def stale_page(patch: Patch) -> None:
    """A20 (I12): a page that was read before our write is applied after it."""
    patch.setattr(Puller, "_not_stale", lambda self, conn, rows, asked_at: rows)


def blind_write(patch: Patch) -> None:
    """A2: an update is written without looking first."""

    def blind(self: Any, parcels: Any, role: str) -> None:
        read = [self.account.crm.shown(self.account.crm.rows[p.remote_id]) for p in parcels if p.remote_id]
        for one in read:
            one.values.clear()
        if parcels:
            self._send(self.ledger.reconcile(Observer(self.clock), parcels, read))

    patch.setattr(push._Carrier, "_update", blind)


def whole_record(patch: Patch) -> None:
    """A20 (I17): every field travels with every write."""
    real = Account.written

    def whole(self: Account, role: str, wish: Any, before: Any) -> Any:
        values = real(self, role, wish, before)
        return {**{k: v for k, v in before.items() if not k.startswith("@")}, **values} if before else values

    patch.setattr(Account, "written", whole)


def quick_to_thank(patch: Patch) -> None:
    """I9: the sender is thanked although the disk said no."""

    def forgetful(self: Inbox, asks: Any) -> None:
        with suppress(*UNSTORABLE):
            self._commit(asks)
        for ask in asks:
            ask.known = {}

    patch.setattr(Inbox, "_write", forgetful)


def each_time_anew(patch: Patch) -> None:
    """I10: a signal that comes again is another signal."""
    patch.setattr(Intake, "_delivery", lambda self, source, raw: "")


def together_for_ever(patch: Patch) -> None:
    """I15: a record that breaks its call takes its neighbours along, each time."""
    patch.setattr(push, "ALONE", 1_000_000)
    patch.setattr(push._Carrier, "_halved", lambda self, chunk, error: [fake.Lost(str(error))] * len(chunk))


def mapping_is_an_edit(patch: Patch) -> None:
    """I18: what a mapping has not known before counts as changed."""
    patch.setattr(observe, "Memory", lambda base, raw, sent, older, newer, quiet: Memory(base, raw, sent, older, newer))


def no_brake(patch: Patch) -> None:
    """The brake: asked before the work is taken, and never again."""
    patch.setattr(ledger.brake, "room", lambda conn, clock, account_: None)


def causes_pass(patch: Patch) -> None:
    """I20: a lost answer hides why a move was not followed."""

    def blame(one: Any, code: str, why: str) -> None:
        one.code, one.why = code, why

    for place in (parcel, answers):
        patch.setattr(place, "blame", blame)


SWITCHES: Mapping[str, Break] = {
    "A1": no_shadow, "A2": blind_write, "A3": unstable_codec, "A4": forget_sent, "A5": hub_always_wins,
    "A5 set": sets_are_values, "A5 room": no_room_is_gone, "A6": stamps_decide, "A7": whole_record, "A8": no_marker,
    "A8 wait": no_wait, "A9": absence_deletes_nothing_stays, "A10": merges_are_deletions, "A11": children_first,
    "A11 tie": nobody_hangs, "A11 late": no_second_look, "A11 bare": cards_stay_bare, "A11 given": nobody_is_made,
    "A11 hung": hangs_as_before, "A11 moved": stays_with_the_old, "A12": default_stage, "A13": conversion_in_two,
    "A14": newest_seen, "A15": overwrite_on_match, "A16": any_account, "A17": no_fence, "A18": undeclared_lag,
    "A19": answers_by_position, "A20": stale_page, "I9": quick_to_thank, "I10": each_time_anew, "I13": no_fence,
    "I15": together_for_ever, "I18": mapping_is_an_edit, "I20": causes_pass, "brake": no_brake,
}  # fmt: skip
"""By rule, or by the invariant it guards. Each is one function that does not do what its rule says."""
IN_A_SCENE = ("A4", "A16", "A17", "A18", "A19", "A20", "I13", "I15", "I20", "brake")
"""Rules that chance breaks too rarely to wait for: tests/sync/test_rules.py plays a scene for each."""
__all__ = ["IN_A_SCENE", "SWITCHES"]
