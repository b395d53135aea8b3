"""What colleagues press and write in the bot. Whoever is linked is no client: none of it opens a lead.

The account is vouched for by the messenger, so it says whose answer this is. Every press is answered once: the answer
is a letter of the same commit, unique by the press.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from hub.clock import Clock
from hub.funnel.moves import NotPossible
from hub.intake.drafts import Understood
from hub.model import letter
from hub.notices.answers import ACTS, answer, why_not
from hub.notices.given import Rows, choices, keyboard, post
from hub.notices.reach import MESSENGER, PREFIX, Reach, use_code, whose
from hub.notices.seals import Asked
from hub.notices.words import say

LAST_WORDS = ("decline", "qualify")
"""After these the lead is nobody's to answer any more."""
OVER = ("not_yours", "closed", "missing", "gone", "taken")


@dataclass(frozen=True, slots=True)
class _Heard:
    """One message of a colleague."""

    one: Understood
    who: Reach

    @property
    def fields(self) -> Mapping[str, Any]:
        return self.one.draft.fields


def take(conn: Connection, clock: Clock, one: Understood) -> bool:
    """Whether it came from a colleague (or from somebody with a colleague's code): then it is dealt with here, in the
    caller's transaction, and is no inquiry."""
    if getattr(one.live.connector, "carries", "") != MESSENGER or not one.draft.person.handles:
        return False
    account, start = one.draft.person.handles[0].id, str(one.draft.fields.get("start") or "")
    if start.startswith(PREFIX):
        _link(conn, clock, one, account, start)
        return True
    who = whose(conn, MESSENGER, one.live.id, account)
    if who is None:
        return False
    if who.active:
        _hear(conn, clock, _Heard(one, Reach(who.id, MESSENGER, one.live.id, account, who.locale, who.name)))
    return True


def _link(conn: Connection, clock: Clock, one: Understood, account: str, code: str) -> None:
    linked = use_code(conn, clock, one.live.id, code, account)
    row = whose(conn, MESSENGER, one.live.id, account)
    locale, name = (row.locale, row.name) if row is not None else (one.draft.person.language, "")
    who = Reach(linked, MESSENGER, one.live.id, account, locale, name)
    text = say(locale, "linked", name=name) if linked else say(locale, "bad_code")
    post(conn, clock, f"link:{one.event_id}:{one.position}", who, {"text": text})


def _hear(conn: Connection, clock: Clock, heard: _Heard) -> None:
    """A pressed button, a reply to one of our messages, or just words."""
    fields, under, locale = heard.fields, "", heard.who.locale
    if fields.get("button"):
        act, _colon, rest = str(fields["button"]).partition(":")
        lead_id, _colon, choice = rest.partition(":")
        _press(conn, clock, heard, act, lead_id, choice)
        return
    replied = fields.get("reply_to_message")
    if isinstance(replied, Mapping):
        under = f"{heard.who.address}:{replied.get('message_id')}"
    notice = _notice(conn, heard.who, under)
    told = say(locale, "hint")
    if notice is not None:
        asked = Asked(heard.who.member_id, str(notice.body["lead"]), "note")
        told = _do(conn, clock, asked, heard.one.draft.text, locale)[1]
    post(conn, clock, f"said:{heard.one.event_id}:{heard.one.position}", heard.who, {"text": told})


def _press(conn: Connection, clock: Clock, heard: _Heard, act: str, lead_id: str, choice: str) -> None:
    """Once for each press, and then the message shows how it stands."""
    who, query, under = heard.who, str(heard.fields.get("query") or ""), str(heard.fields.get("under") or "")
    occasion = f"press:{who.via}:{query}"
    if conn.execute(select(letter.c.id).where(letter.c.occasion == f"notice:{occasion}")).first():
        return
    code, told = "", ""
    if act == "note":
        told = say(who.locale, "how_to_note")
    elif act == "later" and not choice:
        told = say(who.locale, "choose")
    elif act in ACTS:
        code, told = _do(conn, clock, Asked(who.member_id, lead_id, act), choice, who.locale)
    notice = _notice(conn, who, under)
    shown = _shown(notice, act, lead_id, choice, code, told, who.locale) if notice is not None else {}
    post(conn, clock, occasion, who, {"answer": query, "told": told, **({"edit": under, **shown} if shown else {})})


def _do(conn: Connection, clock: Clock, asked: Asked, told: str, locale: str) -> tuple[str, str]:
    """(code of what hindered it or "", a sentence for the colleague). What was begun in vain is taken back."""
    try:
        with conn.begin_nested():
            answer(conn, clock, asked, told)
    except NotPossible as error:
        return error.code, why_not(conn, error, asked.subject, locale)
    return "", say(locale, f"done:{asked.act}")


def _notice(conn: Connection, who: Reach, under: str) -> Any:
    """Our letter that this colleague pressed or replied to; None when it is none about a lead."""
    if not under:
        return None
    mine = (letter.c.provider_id == under) & (letter.c.channel == MESSENGER)
    rows = conn.execute(select(letter).where(mine).order_by(letter.c.at, letter.c.id))
    told = (row for row in rows if row.body.get("lead") and row.body.get("member") == who.member_id)
    return next(told, None)


def _shown(notice: Any, act: str, lead_id: str, choice: str, code: str, told: str, locale: str) -> dict[str, Any]:
    """The message with what became of it below, and the buttons that are left."""
    buttons: Rows = keyboard(lead_id, locale, ("accept",) if act == "accept" else ())
    if act == "later" and not choice:
        buttons = choices(lead_id, locale)
    elif code in OVER or (act in LAST_WORDS and not code):
        buttons = []
    text, done = str(notice.body.get("text") or ""), "" if act in ("note", "back") else told
    if act == "later" and not choice:
        done = ""
    body = {"lead": lead_id, "subject": notice.body.get("subject", ""), "buttons": buttons}
    return {**body, "text": "\n\n".join(filter(None, (text, f"— {done}" if done else "")))}
