"""The CRM API of the stand-in: reading records, and searching the index, which is behind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask import Response, jsonify, request

from connectors.crms.hubspot.sandbox.routes import OBJECTS, Answer, account, api, asked, inputs, listed, render
from connectors.crms.hubspot.sandbox.schema import Wrong
from connectors.crms.hubspot.sandbox.state import Account, Row

__all__ = ["api"]


@api.post(f"{OBJECTS}/batch/read")
def read(kind: str) -> Answer:
    """Up to 100 by id or by a unique property; what is not there is named. A merged id answers the survivor."""
    state, told, by = account(), asked(), asked().get("idProperty")
    found: dict[str, Row] = {}
    missing: list[str] = []
    with state.lock:
        for one in inputs():
            key = str(one.get("id"))
            row = state.resolve(kind, state.holder(kind, by, key) if by else key)
            if row is None:
                missing.append(key)
            else:
                found[row["id"]] = render(kind, row, told.get("properties"))
    gone = {"status": "error", "category": "OBJECT_NOT_FOUND", "message": "Could not get some objects, they may be "
            "deleted or not exist. Check that ids are valid.", "context": {"ids": missing}}  # fmt: skip
    return listed([*found.values()][::-1], [gone] if missing else None)


@api.get(OBJECTS)
def rows(kind: str) -> Answer:
    """All records by id, or all that are deleted."""
    state, limit = account(), min(int(request.args.get("limit", 10)), 100)
    archived, after = request.args.get("archived") == "true", int(request.args.get("after", 0))
    names = request.args.get("properties", "").split(",")
    with state.lock:
        found = [row for row in state.rows[kind].values() if row["archived"] == archived and int(row["id"]) > after]
        found.sort(key=lambda row: int(row["id"]))
        told: Row = {"results": [render(kind, row, names) for row in found[:limit]]}
    if len(found) > limit:
        told["paging"] = {"next": {"after": found[limit - 1]["id"], "link": "?after"}}
    return jsonify(told)


@api.post(f"{OBJECTS}/batch/archive")
def archive(kind: str) -> Answer:
    """Into the bin; unknown ids are passed over."""
    state = account()
    for one in inputs():
        if state.resolve(kind, str(one.get("id"))):
            state.delete(kind, str(one["id"]), "API")
    return Response(status=204)


@api.post(f"{OBJECTS}/merge")
def merge(kind: str) -> Answer:
    """Answers a record with a new id."""
    state, told = account(), asked()
    made = state.merge(kind, str(told.get("primaryObjectId")), str(told.get("objectIdToMerge")), "API")
    return jsonify(render(kind, state.rows[kind][made]))


@api.post(f"{OBJECTS}/search")
def search(kind: str) -> Answer:
    """Pages of the index, which is behind; never beyond the ten thousandth record."""
    state, told = account(), asked()
    limit, after = int(told.get("limit") or 10), int(told.get("after") or 0)
    groups, sorts = told.get("filterGroups") or [], told.get("sorts") or []
    filters = [one for group in groups for one in group["filters"]]
    if limit > 200 or after + limit > state.window or len(groups) > 5 or len(filters) > 18 or len(sorts) > 1:
        raise Wrong("VALIDATION_ERROR", 400, "There was a problem with the request: too much was asked for")
    if any(len(group["filters"]) > 6 for group in groups) or any(len(one.get("values") or ()) > 100 for one in filters):
        raise Wrong("VALIDATION_ERROR", 400, "There was a problem with the request: too many filters")
    if any(one["propertyName"] not in state.properties[kind] for one in [*filters, *sorts]):
        raise Wrong("VALIDATION_ERROR", 400, "There was a problem with the request: no such property")
    with state.lock:
        found = list(_matching(state, kind, groups))
        if sorts and sorts[0]["propertyName"] == "hs_object_id":
            found.sort(key=lambda row: int(row["id"]))
        answer: Row = {"total": len(found)}
        answer["results"] = [render(kind, row, told.get("properties")) for row in found[after : after + limit]]
    if len(found) > after + limit:
        answer["paging"] = {"next": {"after": str(after + limit)}}
    return jsonify(answer)


def _matching(state: Account, kind: str, groups: list[Row]) -> Iterator[Row]:
    stamp = "lastmodifieddate" if kind == "contacts" else "hs_lastmodifieddate"
    bounds = [one for group in groups for one in group["filters"] if one["propertyName"] == stamp]
    since = min((int(one["value"]) for one in bounds), default=0) if len(groups) == 1 else 0
    for row in state.by_change(kind, since):
        if not groups or any(all(_fits(row, one, stamp) for one in group["filters"]) for group in groups):
            yield row


def _fits(row: Row, wish: Row, stamp: str) -> bool:
    name, operator = wish["propertyName"], wish["operator"]
    if name.startswith("hs_searchable_calculated_"):
        text = row["props"].get("mobilephone" if "mobile" in name else "phone", "")
        value: Any = "".join(filter(str.isdecimal, text))[-10:]
    else:
        value = {stamp: row["changed"], "hs_object_id": int(row["id"])}.get(name, row["props"].get(name))
    kind = int if isinstance(value, int) else str
    if operator in {"IN", "NOT_IN"}:
        return bool((value in map(kind, wish["values"])) == (operator == "IN"))
    if value is None:
        return False
    other: Any = kind(wish["value"])
    fits = {"EQ": value == other, "GTE": value >= other, "GT": value > other, "LTE": value <= other}
    return bool(fits[operator])
