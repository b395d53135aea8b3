"""What waits for a person: messages that could not be verified or read, records a CRM does not take.

Everything here has a cause, the time since when, and a button. Raw messages are shown as plain text only.
"""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, abort, render_template, request
from flask_babel import gettext as _
from flask_babel import ngettext
from sqlalchemy import Connection
from werkzeug.wrappers import Response

from hub.funnel.carried import lacking
from hub.identity.cards import AGAIN
from hub.intake import quarantine
from hub.robots.parked import parked
from hub.sync import causes, unsaid, untaken
from hub.sync.decide import asked, believe_gone, settle
from hub.sync.health import health
from hub.web.admin import cards, letters, notes
from hub.web.admin.frame import PAGE, actor, done, failed, hub, names, page
from hub.web.admin.wired import stored_secrets

ACTS: dict[str, Callable[..., int]] = {
    "replay": quarantine.replay,
    "trust": quarantine.trust,
    "dismiss": quarantine.dismiss,
}


def add_to(bp: Blueprint) -> None:
    """The pages of this room."""
    letters.add_to(bp)
    cards.add_to(bp)
    notes.add_to(bp)
    bp.add_url_rule("/attention", "attention", everything)
    bp.add_url_rule("/attention/replay", "replay_cause", replay_cause, methods=["POST"])
    bp.add_url_rule("/attention/links/<key:link_id>", "try_again", try_again, methods=["POST"])
    bp.add_url_rule("/attention/links/<key:link_id>/settle", "settle_field", settle_field, methods=["POST"])
    bp.add_url_rule("/attention/values/<key:connection_id>", "say_values_again", say_values_again, methods=["POST"])
    bp.add_url_rule("/attention/moves/<key:connection_id>/<code>", "follow_again", follow_again, methods=["POST"])
    bp.add_url_rule("/attention/gone/<key:connection_id>", "confirm_gone", confirm_gone, methods=["POST"])
    bp.add_url_rule("/attention/<key:event_id>", "message", message)
    bp.add_url_rule("/attention/<key:event_id>/<what>", "act_on_message", act, methods=["POST"])


def everything() -> str:
    """Messages by cause, newest first, and stuck records."""
    whose, code = request.args.get("connection", ""), request.args.get("cause", "")
    start = (page() - 1) * PAGE
    with hub().store.read() as conn:
        rows = quarantine.waiting(conn, whose, code, start, PAGE + 1)
        known = {
            "causes": quarantine.causes(conn),
            "links": [row for row in quarantine.stuck(conn, 0, PAGE) if row.code != AGAIN],
            "cards": cards.cards(conn),
            "crms": health(conn),
            "now": hub().clock.now(),
            "asked": asked(conn, PAGE),
            "names": names(conn),
            "receipts": lacking(conn, PAGE),
            "notes": unsaid.waiting(conn, PAGE),
            "letters": parked(conn, hub().clock.now(), PAGE),
        }
    return render_template(
        "admin/attention.html", rows=rows[:PAGE], more=len(rows) > PAGE, page=page(), whose=whose, code=code,
        words=cause_words(), moves=causes.MOVES, channels=letters.channel_words(), letter_states=letters.state_words(),
        doubts=unsaid.DOUBTS, note_words=notes.what_words(), **known,
    )  # fmt: skip


def message(event_id: str) -> str:
    """One message as it came, and what can be done about it."""
    row = quarantine.stored(hub().store, event_id)
    if row is None:
        abort(404)
    with hub().store.read() as conn:
        work = quarantine.state_of(conn, event_id)
        known = names(conn)
    live = hub().connections.by_id(row.connection_id)
    secrets = list(stored_secrets(hub(), live.row).values()) if live else []
    return render_template(
        "admin/message.html", event=row, work=work, name=known.get(row.connection_id, ""),
        raw=quarantine.shown(row, secrets), words=cause_words(),
        waits=work is not None and work.state in quarantine.OPEN,
    )  # fmt: skip


def act(event_id: str, what: str) -> Response:
    """Replay, trust or dismiss one message."""
    if what not in ACTS:
        abort(404)
    if what == "trust" and request.form.get("sure") != "yes":
        return failed(_("Tick the box first: nothing proves who sent this."), "message", event_id=event_id)
    changed = _changed(lambda conn: ACTS[what](conn, hub().clock, actor(), event_id))
    told = {
        "replay": _("It goes through the hub again."),
        "trust": _("Accepted on your word. It goes through the hub again."),
        "dismiss": _("Dismissed. It stays stored."),
    }
    if not changed:
        return done(_("This was settled already."), "message", event_id=event_id)
    return done(told[what], "attention") if what == "dismiss" else done(told[what], "message", event_id=event_id)


def replay_cause() -> Response:
    """Everything of one connection and cause goes through again."""
    whose, code = request.form.get("connection", ""), request.form.get("cause", "")
    count = _changed(lambda conn: quarantine.replay_cause(conn, hub().clock, actor(), whose, code))
    told = ngettext("%(num)d message goes through the hub again.", "%(num)d messages go through the hub again.", count)
    return done(told, "attention")


def try_again(link_id: str) -> Response:
    """Send a stuck record to its CRM once more."""
    changed = _changed(lambda conn: quarantine.try_again(conn, hub().clock, actor(), link_id))
    hub().ring("push")
    return done(_("It is sent again.") if changed else _("This was settled already."), "attention")


def settle_field(link_id: str) -> Response:
    """Who is right about a field that both sides changed."""
    field, side = request.form.get("field", ""), request.form.get("side", "")
    changed = _changed(lambda conn: settle(conn, hub().clock, actor(), link_id, field, side))
    hub().ring("push")
    return done(_("Settled. The other side follows.") if changed else _("This was settled already."), "attention")


def say_values_again(connection_id: str) -> Response:
    """Values that a CRM did not take are sent to it once more."""
    count = _changed(lambda conn: untaken.say_again(conn, hub().clock, connection_id))
    hub().ring("push")
    told = ngettext("%(num)d record is sent again.", "%(num)d records are sent again.", count)
    return done(told if count else _("This was settled already."), "attention")


def follow_again(connection_id: str, code: str) -> Response:
    """Moves over there that were not possible here are tried once more."""
    count = _changed(lambda conn: causes.follow_again(conn, hub().clock, connection_id, code))
    hub().ring("push")
    told = ngettext("%(num)d record is looked at again.", "%(num)d records are looked at again.", count)
    return done(told if count else _("This was settled already."), "attention")


def confirm_gone(connection_id: str) -> Response:
    """Records that vanished in a mass were deleted on purpose."""
    count = _changed(lambda conn: believe_gone(conn, hub().clock, actor(), connection_id))
    told = ngettext(
        "%(num)d record is gone for good over there.", "%(num)d records are gone for good over there.", count
    )
    return done(told, "attention")


def _changed(change: Callable[[Connection], int]) -> int:
    with hub().store.write() as conn:
        count = change(conn)
    hub().connections.forget()
    hub().ring("flow")
    return count


def cause_words() -> dict[str, tuple[str, str]]:
    """Each cause: its name, and what to do about it."""
    return {
        "unverified": (
            _("Sender not proven"),
            _("Correct the secret of the connection, then replay: the proof is checked again."),
        ),
        "unreadable": (
            _("Not understood"), _("The sender changed its format, or this is no inquiry. Replay after an update."),
        ),
        "set_apart": (_("Looks like a robot or an automatic answer"), _("If it is a person, accept it.")),
        "nothing_understood": (
            _("No name, contact or message found"), _("Name its fields in the mapping, then replay."),
        ),
        "flood": (
            _("More posts a minute than allowed"), _("If these are real people, replay them and raise the limit."),
        ),
        "junk": (_("Looks like a test, an offer or junk"), _("If it is a person, accept it.")),
        "disabled": (_("Came while the connection was off"), _("Switch it on, then replay.")),
        "probe": (_("A probe"), _("Somebody tried the address.")),
        "no_owner": (
            _("Nobody to give leads to"), _("Add somebody under Team, or switch them on: it goes on by itself."),
        ),
        "no_connection": (_("Its connection is gone"), _("Dismiss it.")),
        "fault": (_("A fault of the hub"), _("Report it; replay after an update.")),
        "pause": (_("The source cannot be reached"), _("Correct the connection, then replay.")),
        "not_placed": (_("No stage for it in the CRM"), _("Set the CRM up again, then try again.")),
        "refuse": (_("The CRM refuses it"), _("Correct the record or the mapping, then try again.")),
        "missing": (_("Gone in the CRM"), _("Try again to look once more.")),
        "same_remote": (_("Two records here are one there"), _("Merge the contacts, then try again.")),
        "conflict": (_("Changed on both sides"), _("Say which value is right.")),
        "owner_not_there": (
            _("A colleague has no user in the CRM"),
            _("Say who they are under “Who is who”. Their cards follow by themselves."),
        ),
        "owner_not_here": (
            _("A user of the CRM is nobody here"),
            _("Say who they are under “Who is who”. Their cards follow by themselves."),
        ),
        "left_out": (
            _("The CRM does not take some values"),
            _("The rest is there. Correct the value or the mapping: it is sent again by itself."),
        ),
        "fight": (_("Two programs undo each other"), _("Switch off the robot there, or say which value is right.")),
        "refuse_together": (
            _("Refused together with its contact"),
            _("Nothing: each is sent by itself, and the one to blame is named."),
        ),
        "closed": (_("Moved there, but closed here"), _("Reopen the lead here, or move the card back.")),
        "not_here": (_("Stands on a stage without a meaning here"), _("Move the card there to another stage.")),
        "no_stage": (_("Stands on a stage that is gone here"), _("Set the CRM up again, then try again.")),
        "no_lead": (_("Moved to the leads, but never was one"), _("Move the card back.")),
        "needs_reason": (_("Rejected there without a reason"), _("Reject the lead here with a reason.")),
        "reverted": (_("Moved there, but taken back here"), _("Move the card back.")),
        "not_rejected": (_("Reopened there, but not rejected here"), _("Move the card back.")),
        "has_open_lead": (
            _("Wanted again there, but another lead is open here"), _("Close one of the two leads, then try again."),
        ),
        "unmapped": (_("A value nobody here knows"), _("Name it in the mapping, or set the CRM up again.")),
        "ambiguous": (_("Made in the CRM, and not clear whose"), _("Merge or close one of the two, then try again.")),
        "second_deal": (_("One lead, two deals in the CRM"), _("Merge the deals there.")),
        "stays_here": (
            _("A deal there, a lead again here"), _("Delete the card there, or convert the lead once more."),
        ),
        "merged_in_crm": (_("Merged in the CRM"), _("Merge the two records here as well.")),
        "second_card": (_("One person, two cards"), _("Merge the two cards in the CRM, or leave the second one.")),
        "merge_by_hand": (_("The CRM does not merge two cards"), _("Merge the two cards there by hand.")),
        "make_again": (_("Two people again, one card in the CRM"), _("Try again to make the other card anew.")),
        "in_doubt": (_("A note may be there or not"), _("Look at the card, then send it again or leave it.")),
        "unknown_outcome": (_("An answer got lost"), _("Nothing: the hub looks and goes on by itself.")),
        "retry": (_("The CRM asks to wait"), _("Nothing: the hub goes on by itself.")),
        "paused": (_("The connection is paused"), _("Correct what is named, then switch it on.")),
        "off": (_("The connection is off"), _("Switch it on when it shall work.")),
        "no_record": (_("The record is gone here"), _("Nothing: the CRM keeps its own.")),
        "vanished": (_("Many records vanished at once"), _("Check the CRM's permissions, then try again.")),
    }  # fmt: skip
