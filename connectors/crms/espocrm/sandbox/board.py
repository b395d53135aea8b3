"""The site on the board: leads by status, opportunities by stage."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint

from connectors.crms.espocrm.sandbox.state import Row, Site
from connectors.testing.sandbox import Card, Column, Lane, board

_LANES = (("Lead", "Leads", "status", "lead"), ("Opportunity", "Opportunities", "stage", "deal"))


def pages(site: Site) -> Blueprint:
    """The board of this site."""

    def move(card: str, column: str, lane: str) -> None:
        field = {"Lead": "status", "Opportunity": "stage"}[lane]
        if column not in site.options(lane, field):
            raise KeyError(column)
        site.edit(lane, card, **{field: column})

    return board("EspoCRM", _lanes(site), move)


def _lanes(site: Site) -> Callable[[], list[Lane]]:
    def lanes() -> list[Lane]:
        with site.lock:
            return [_lane(site, *one) for one in _LANES]

    return lanes


def _lane(site: Site, kind: str, title: str, field: str, family: str) -> Lane:
    live = sorted((row for row in site.rows[kind].values() if not row["deleted"]), key=lambda row: -row["written"])
    columns = [
        Column(option, option, [_card(site, row) for row in live if row.get(field) == option], family=family)
        for option in site.options(kind, field)
    ]
    return Lane(kind, title, columns)


def _card(site: Site, row: Row) -> Card:
    owner = site.users.get(str(row.get("assignedUserId")), "")
    amount, phone = int(row.get("amount") or 0), row.get("phoneNumber") or ""
    return Card(row["id"], row.get("name") or row["id"], phone=phone, amount=amount, owner=owner)


def furnish(site: Site) -> None:
    """A furnished site for demonstrations."""
    for n, (first, last, status) in enumerate((("Nora", "Feld", "New"), ("Pavel", "Stern", "In Process"))):
        site.create("Lead", {"firstName": first, "lastName": last, "status": status, "phoneNumber": f"+1202555011{n}"})
    site.create("Opportunity", {"name": "Office of Blank & Sons", "stage": "Proposal", "amount": 610_000,
                                "closeDate": "2026-12-01"})  # fmt: skip
