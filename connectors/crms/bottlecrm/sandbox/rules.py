"""What the stand-in refuses, in the API's own words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

Row = dict[str, Any]
Rows = Mapping[str, Mapping[str, Row]]
LEADS, DEALS, CONTACTS, ACCOUNTS = "leads", "opportunities", "contacts", "accounts"
STATUSES = ("assigned", "in process", "recycled", "converted", "closed")
SOURCES = {"call", "email", "existing customer", "partner", "public relations", "campaign", "other"}
_PHONE = re.compile(r"[0-9+() .-]{7,25}\Z")
_PAGE = re.compile(r"https?://[^\s/]+\.[^\s/]+")
_DAY = "A deal cannot be closed without the date it closed on."


class Wrong(Exception):
    """400: reasons by field."""

    def __init__(self, **errors: str) -> None:
        super().__init__(str(errors))
        self.errors = {name: [why] for name, why in errors.items()}


def check(rows: Rows, pipelines: Sequence[Row], kind: str, row: Row, wish: Row, ref: str) -> None:
    """Raise `Wrong` for what the API refuses. `row` is what the record will be, `wish` what is sent, `ref` "" for a
    new one."""
    others = [one for other, one in rows[kind].items() if other != ref]
    if kind != ACCOUNTS and wish.get("email") and any(same(one["email"], wish["email"]) for one in others):
        already = "Another lead in this organisation already uses that email address."
        raise Wrong(email=already if kind == LEADS else "Contact already exists with this email")
    if wish.get("account") and wish["account"] not in rows[ACCOUNTS]:
        raise Wrong(account="No such account.")
    if kind in (DEALS, ACCOUNTS):
        _named(row, wish, others, "Opportunity" if kind == DEALS else "Account")
    if kind == LEADS:
        _lead(wish, rows[LEADS][ref]["status"] if ref else None)
    elif kind == DEALS:
        _deal(row, wish, pipelines)
    else:
        _reached(row, wish, ("first_name", "last_name") if kind == CONTACTS else ())


def same(one: Any, other: Any) -> bool:
    """Texts that differ in capitals are one."""
    return bool(one) and str(one).casefold() == str(other).casefold()


def _named(row: Row, wish: Row, others: Sequence[Row], what: str) -> None:
    if not row["name"]:
        raise Wrong(name="This field is required.")
    if "name" in wish and any(same(one["name"], wish["name"]) for one in others):
        raise Wrong(name=f"{what} already exists with this name")


def _lead(wish: Row, was: str | None) -> None:
    status = wish.get("status")
    if status and status not in STATUSES:
        raise Wrong(status=f'"{status}" is not a valid choice.')
    if status and was == "converted":
        raise Wrong(status="This lead is already converted.")
    if wish.get("source") and wish["source"] not in SOURCES:
        raise Wrong(source="Choose one of your lead sources.")
    if not 0 <= (wish.get("probability") or 0) <= 100:
        raise Wrong(probability="Ensure this value is less than or equal to 100.")
    _amount("opportunity_amount", wish)


def _deal(row: Row, wish: Row, pipelines: Sequence[Row]) -> None:
    _amount("amount", wish)
    stages: list[Row] = next((one["stages"] for one in pipelines if one["id"] == row["pipeline"]), [])
    stage = next((one for one in stages if one["code"] == row["stage"]), None)
    if stage is None:
        raise Wrong(stage="That is not a stage of this deal's pipeline.")
    if stage["kind"] != "open" and not row["closed_on"]:
        raise Wrong(closed_on=_DAY)
    if stage["kind"] == "won" and not row["amount"]:
        raise Wrong(amount="A won deal has to record what it was worth.")


def _reached(row: Row, wish: Row, required: Sequence[str]) -> None:
    for name in required:
        if not row[name]:
            raise Wrong(**{name: "This field may not be blank."})
    if wish.get("phone") and not _PHONE.match(str(wish["phone"])):
        raise Wrong(phone="Enter a valid phone number (7-25 characters, digits and separators only)")
    if wish.get("website") and not _PAGE.match(str(wish["website"])):
        raise Wrong(website="Enter a valid URL.")


def _amount(name: str, wish: Row) -> None:
    try:
        wish.get(name) is None or Decimal(str(wish[name]))
    except InvalidOperation:
        raise Wrong(**{name: "A valid number is required."}) from None
