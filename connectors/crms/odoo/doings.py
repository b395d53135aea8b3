"""What people did, as Odoo keeps it: messages under a record (`mail.message`).

An activity that somebody ticks off leaves a message with its type (`mail_activity_type_id`) and is gone or in the
archive after that; the category of the type says whether it was a call or a meeting. What is sent from a record, and
what comes in by its address, are messages too: public ones, while those of an internal subtype are notes
(https://github.com/odoo/odoo: mail_activity.py, mail_message.py and mail_message_subtype_data.xml of addons/mail).

Listed by id, because neither of their times has an index. A message that is committed late has an id below others that
were seen before: so ids are passed only once nothing can come before them any more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape, unescape
from typing import Any

from connectors.contract import Activity, Changes, Record, Value
from connectors.crms.odoo.rpc import Rpc, is_id, now, rows
from connectors.crms.odoo.shape import FIRMS, LEADS, NOTES, PEOPLE, moment

LISTED = (NOTES,)
SEEN = ("model", "res_id", "message_type", "subtype_id", "subject", "body", "date", "create_date", "author_id",
        "mail_activity_type_id", "partner_ids", "notified_partner_ids")  # fmt: skip
CARDS: Mapping[str, tuple[str, ...]] = {"crm.lead": (LEADS,), "res.partner": (PEOPLE, FIRMS)}
DONE: list[Value] = [["mail_activity_type_id", "!=", False]]
DOMAIN: list[Value] = [["model", "in", [*CARDS]], "|", *DONE, ["message_type", "in", ["comment", "email"]]]
"""Done activities and what people wrote. Of mailings, robots and changes of fields Odoo says so by the type."""
HOLD = 2.0
"""So many times the lag: an id may be given a lag after its transaction began, and one below it end a lag later."""
_CALLS = {"phonecall": "call", "meeting": "meeting"}
STRANGER, PROGRAM = 0, -1


class Crowd:
    """Who is a colleague, what is internal, what kind of activity: asked once for each."""

    def __init__(self, rpc: Rpc) -> None:
        self._rpc = rpc
        self.users: dict[int, int] = {}  # partner → user, `PROGRAM` or `STRANGER`
        self.internal: dict[int, bool] = {}
        self.categories: dict[int, str] = {}

    def learn(self, told: Sequence[Mapping[str, Any]]) -> None:
        """What these messages need that is not known yet."""
        if new := _refs(told, "author_id", "partner_ids", "notified_partner_ids") - self.users.keys():
            found = self._ask("res.users", ["partner_id", "login"], ["partner_id", new], [["share", "=", False]])
            people = {int(row["partner_id"]): self._user(row) for row in found if is_id(row.get("partner_id"))}
            self.users |= dict.fromkeys(new, STRANGER) | people
        if new := _refs(told, "subtype_id") - self.internal.keys():
            found = self._ask("mail.message.subtype", ["internal"], ["id", new])
            self.internal |= {int(row["id"]): bool(row.get("internal")) for row in found}
        if new := _refs(told, "mail_activity_type_id") - self.categories.keys():
            found = self._ask("mail.activity.type", ["category"], ["id", new])
            self.categories |= {int(row["id"]): str(row.get("category") or "") for row in found}

    def _user(self, row: Mapping[str, Any]) -> int:
        """OdooBot does what nobody did; whatever has the hub's own login is no person either."""
        login = str(row.get("login") or "")
        return PROGRAM if login in ("__system__", self._rpc.login) else int(row["id"])

    def _ask(self, model: str, fields: list[str], those: Sequence[Any], more: Sequence[Value] = ()) -> list[Any]:
        domain: list[Value] = [[those[0], "in", sorted(those[1])], *more]
        return rows(self._rpc.call(model, "search_read", domain=domain, fields=fields, load=None))


# ── listing ──────────────────────────────────────────────────────────────────────────────────────


def changes(rpc: Rpc, crowd: Crowd, cursor: str, page: int, lag: float) -> Changes:
    """A page of messages by id. The cursor is the id behind which everything is read again, and within a scan also the
    last one read; "" only asks for the newest."""
    mark, _colon, place = cursor.partition(":")
    low = int(place or mark or 0)
    wish: dict[str, Any] = {"domain": [["id", ">", low], *DOMAIN], "order": "id asc", "limit": page + 1}
    wish = wish if cursor else {"domain": DOMAIN, "order": "id desc", "limit": 1}
    answered = rpc.ask(NOTES, "search_read", None, fields=list(SEEN), load=None, **wish)
    told = rows(answered.value)
    if not cursor:
        return Changes((), str(told[0]["id"] if told else 0))
    told, more = told[:page], len(told) > page
    passed = _passed(told, int(mark), low, now(answered.answer) - HOLD * lag)
    crowd.learn(told)
    found = tuple(_shown(crowd, row) for row in told)
    return Changes(found, f"{passed}:{told[-1]['id']}" if more else str(passed), more=more)


def _passed(told: Sequence[Mapping[str, Any]], mark: int, low: int, until: float) -> int:
    """The last id of those before which nothing can come any more."""
    for row in told if mark == low else ():
        at = moment(str(row.get("create_date") or ""))
        if at is None or at.timestamp() > until:
            break
        mark = int(row["id"])
    return mark


def _shown(crowd: Crowd, row: Mapping[str, Any]) -> Record:
    """A message as a record: who wrote it, whether a client got it, and what was done."""
    card = str(row.get("model"))
    readers = _refs([row], "partner_ids", "notified_partner_ids")
    values = {
        "type": row.get("message_type"),
        "text": _plain(row.get("subject")) or _plain(row.get("body")),
        "user": crowd.users.get(_ref(row, "author_id"), STRANGER),
        "abroad": any(crowd.users.get(one, STRANGER) == STRANGER for one in readers),
        "internal": crowd.internal.get(_ref(row, "subtype_id"), True),
        "done": crowd.categories.get(_ref(row, "mail_activity_type_id")),
        "date": row.get("date") or row.get("create_date"),
    }
    ref, at = str(row.get("res_id") or ""), moment(str(row.get("create_date") or ""))
    return Record(NOTES, str(row["id"]), values, updated_at=at, links={kind: (ref,) for kind in CARDS.get(card, ())})


# ── reading ──────────────────────────────────────────────────────────────────────────────────────


def told(record: Record) -> Activity | None:
    """What it says; None for what no person did, and for a message that no client got."""
    values, user = record.values, record.values.get("user")
    text, at = str(values.get("text") or ""), moment(str(values.get("date") or "")) or record.updated_at
    if user == PROGRAM:
        return None
    if values.get("done") is not None:
        what = _CALLS.get(str(values["done"]), "task")
        return Activity(what, text, at, str(user), answered=what != "task") if user else None
    if not user:
        what = "mail" if values.get("type") == "email" else "message"
        return Activity(what, text, at, way="in") if not values.get("internal") else None
    if values.get("internal"):
        return Activity("note", text, at, str(user))
    return Activity("mail", text, at, str(user)) if values.get("abroad") else None


def _plain(told: Any) -> str:
    text = re.sub(r"<(?:br|/p|/div|/li)\s*/?>", "\n", str(told or ""))
    return re.sub(r"\s*\n\s*", "\n", unescape(re.sub(r"<[^>]*>", "", text))).strip()


def _ref(row: Mapping[str, Any], name: str) -> int:
    return next(iter(_refs([row], name)), 0)


def _refs(told: Iterable[Mapping[str, Any]], *names: str) -> set[int]:
    """The ids in these fields: references are one id, an empty one is false."""
    values = [row.get(name) for row in told for name in names]
    refs: list[Any] = [ref for one in values for ref in (one if isinstance(one, list) else [one])]
    return {int(ref) for ref in refs if is_id(ref)}


def worded(activity: Activity) -> dict[str, Any]:
    """A note (escaped when it is posted), or an activity with its day."""
    if activity.what != "task":
        return {"body": activity.text}
    day = {"date_deadline": f"{activity.at:%Y-%m-%d}"} if activity.at else {}
    by = {"user_id": int(activity.by)} if activity.by.isdecimal() else {}
    note = escape(activity.text).replace("\n", "<br>")
    return {"summary": activity.text.partition("\n")[0][:255], "note": note, **day, **by}
