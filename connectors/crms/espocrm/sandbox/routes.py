"""REST of the stand-in: records, metadata, field manager, conversion, and the gatekeeper before them."""

from __future__ import annotations

import re
import time
from base64 import b64decode
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, current_app, g, jsonify, request

from connectors.crms.espocrm.sandbox.state import API_USER, KINDS, Row, Site
from connectors.testing.sandbox import guard

api = Blueprint("espocrm", __name__)
KIND = f"<any({', '.join(KINDS)}):kind>"
Answer = Response | tuple[Any, int]
_PHONE = re.compile(r"\+\d{7,15}")
_NEEDED = {"Lead": ("lastName",), "Contact": ("lastName",), "Account": ("name",),
           "Opportunity": ("name", "amount", "closeDate"), "Note": (), "Task": ("name",),
           "Call": ("name", "dateStart", "dateEnd", "assignedUserId"), "Email": ("name",),
           "Meeting": ("name", "dateStart", "dateEnd", "assignedUserId"), "Webhook": ("event", "url")}  # fmt: skip
_OWN = {"createdById", "modifiedById", "sentById", "createdAt", "modifiedAt"}  # nobody writes these
_WHOLE = ("phoneNumberData", "emailAddressData", "originalLeadId", "contactsIds", "leadsIds")


class Wrong(Exception):
    """A field that is refused."""

    def __init__(self, field: str, kind: str = "valid") -> None:
        super().__init__(field)
        self.field, self.kind = field, kind


def site() -> Site:
    """The site behind this application."""
    state = current_app.extensions["espocrm"]
    assert isinstance(state, Site)  # noqa: S101
    return state


def problem(status: int, why: str = "On demand") -> Response:
    """An empty body; the reason stands in a header."""
    return Response(status=status, headers={"X-Status-Reason": why})


# ── gatekeeper ───────────────────────────────────────────────────────────────────────────────────


@api.before_request
def admit() -> Response | None:
    """Count the call; a proxy may refuse it."""
    state = site()
    with state.lock:
        state.calls[f"{request.method} {request.path.removeprefix('/api/v1/').split('/')[0]}"] += 1
    if state.latency:
        time.sleep(state.latency)
    return problem(429, "Too Many Requests") if state.throttled() else None


guard(api, lambda: site().faults, problem, lambda: site().clock())


@api.before_request
def known() -> Response | None:
    """An API key, or an administrator's name and password."""
    state, basic = site(), request.headers.get("Espo-Authorization", "")
    g.admin = bool(basic) and b64decode(basic).decode() == f"admin:{state.token}"
    return None if g.admin or request.headers.get("X-Api-Key") == state.token else problem(401, "Unauthorized")


@api.errorhandler(Wrong)
def refuse(wrong: Wrong) -> Answer:
    """One field at a time."""
    data = {"field": wrong.field, "type": wrong.kind}
    return jsonify({"messageTranslation": {"label": "validationFailure", "scope": None, "data": data}}), 400


@api.errorhandler(KeyError)
def unknown(_: KeyError) -> Response:
    """An id that does not exist."""
    return problem(404, "Not Found")


# ── reading ──────────────────────────────────────────────────────────────────────────────────────


def shown(row: Row, *, whole: bool) -> Row:
    """Lists have the first phone and e-mail only."""
    return {key: value for key, value in row.items() if key != "written" and (whole or key not in _WHOLE)}


def selected(row: Row, names: str) -> Row:
    """A row of a list; attendees are in it only when they are asked for by name."""
    wanted = {"id", *names.split(",")}
    return {key: value for key, value in row.items() if key in wanted} if names else shown(row, whole=False)


@api.get("/api/v1/App/user")
def me() -> Answer:
    """Whom the key belongs to."""
    return jsonify({"user": {"id": API_USER, "userName": "hub", "type": "api"}, "settings": {"siteUrl": ""}})


@api.get("/api/v1/Metadata")
def metadata() -> Answer:
    """Definitions of one kind."""
    return jsonify({"fields": site().defs[request.args["key"].removeprefix("entityDefs.")]})


@api.get("/api/v1/User")
def users() -> Answer:
    """Everybody but programs: neither API users nor the system are shown to an API user."""
    where = _tree(request.args)
    told = [{"id": ref, "name": name, "isActive": True} for ref, name in site().users.items() if ref != API_USER]
    told = [row for row in told if all(_fits(row, one) for one in where)]
    return jsonify({"total": -2, "list": told})


@api.get(f"/api/v1/{KIND}")
def rows(kind: str) -> Answer:
    """A page: sorted by one attribute and then by id."""
    state, args = site(), request.args
    size, offset = int(args.get("maxSize", 20)), int(args.get("offset", 0))
    if size > 200:
        return problem(403, "Max size should not exceed 200")
    where = _tree(args)
    with state.lock:
        found = [
            row for row in state.rows[kind].values() if not row["deleted"] and all(_fits(row, one) for one in where)
        ]
        if where and where[0].get("attribute") != f"{state.prefix}HubId":
            found = [row for row in found if state.clock() - row["written"] >= state.lag]
        by = args.get("orderBy", "createdAt")
        found.sort(key=lambda row: (row.get(by) or "", row["id"]), reverse=args.get("order") == "desc")
        total = len(found) if request.headers.get("X-No-Total") != "true" else -1 if len(found) > offset + size else -2
        return jsonify(
            {"total": total, "list": [selected(row, args.get("select", "")) for row in found[offset : offset + size]]}
        )


def _tree(args: Mapping[str, str]) -> list[Row]:
    """`where[0][value][1][type]=and` and so on as nested lists."""
    root: Row = {}
    for name, value in args.items():
        if name.startswith("where["):
            *path, last = re.findall(r"\[(\w+)\]", name)
            spot = root
            for part in path:
                spot = spot.setdefault(part, {})
            spot[last] = value
    return [root[key] for key in sorted(root, key=int)]


def _fits(row: Row, wish: Row) -> bool:
    kind, value = wish["type"], wish["value"]
    if kind in ("and", "or"):
        parts = [_fits(row, one) for _, one in sorted(value.items())]
        return all(parts) if kind == "and" else any(parts)
    name = wish["attribute"]
    held = [str(row.get(name) or "")] + [str(one.get(name)) for one in row.get(f"{name}Data") or ()]
    if name == "emailAddress":
        held, value = [one.casefold() for one in held], value.casefold()
    if kind == "in":
        return not set(value.values()).isdisjoint(held)
    if kind == "equals":
        return value in held
    return any(one > value if kind == "greaterThan" else value in one for one in held)


@api.get(f"/api/v1/{KIND}/<ref>")
def row(kind: str, ref: str) -> Answer:
    """One record, with everything."""
    with site().lock:
        return jsonify(shown(site().live(kind, ref), whole=True))


# ── writing ──────────────────────────────────────────────────────────────────────────────────────


def checked(kind: str, wish: Any, *, new: bool) -> Row:
    """The wish itself when it is in order; what EspoCRM does not know it leaves out."""
    state = site()
    if not isinstance(wish, dict):
        raise Wrong("", "type")
    known = state.defs[kind]
    names = {
        *known,
        *(f"{name}{end}" for name in known for end in ("Id", "Ids")),
        "phoneNumberData",
        "emailAddressData",
    }
    names -= _OWN
    told = {name: value for name, value in wish.items() if name in names}
    for name, value in told.items():
        _check(known.get(name, {}), name, value)
    for name in _NEEDED[kind] if new else ():
        if wish.get(name) in (None, ""):
            raise Wrong(name, "required")
    return told


def _check(field: Row, name: str, value: Any) -> None:
    if name == "phoneNumber" and value and not _PHONE.fullmatch(str(value)):
        raise Wrong(name)
    if value is not None and field.get("type") == "enum" and value not in field["options"]:
        raise Wrong(name)
    if value is not None and field.get("type") in ("currency", "int", "float") and not isinstance(value, int | float):
        raise Wrong(name, "type")
    if value is not None and field.get("type") == "varchar" and (not isinstance(value, str) or len(value) > 255):
        raise Wrong(name, "maxLength")


@api.post(f"/api/v1/{KIND}")
def create(kind: str) -> Answer:
    """One record; 409 with its duplicates unless told otherwise."""
    state = site()
    with state.lock:
        wish = checked(kind, request.get_json(silent=True), new=True)
        twins = _twins(kind, wish) if request.headers.get("X-Skip-Duplicate-Check") != "true" else []
        if twins:
            answer = jsonify(twins)
            answer.status_code, answer.headers["X-Status-Reason"] = 409, "duplicate"
            return answer
        return jsonify(shown(state.create(kind, wish, API_USER), whole=True)), 201 if kind == "Webhook" else 200


def _twins(kind: str, wish: Row) -> list[Row]:
    told = {wish.get(name) for name in ("emailAddress", "phoneNumber")} - {None}
    live = [row for row in site().rows[kind].values() if not row["deleted"]] if kind in ("Lead", "Contact") else []
    return [{"id": row["id"], "name": row["name"], "_entityType": kind} for row in live
            if told & {row.get("emailAddress"), row.get("phoneNumber")}]  # fmt: skip


@api.route(f"/api/v1/{KIND}/<ref>", methods=["PUT", "PATCH"])
def change(kind: str, ref: str) -> Answer:
    """The attributes that are given."""
    state = site()
    with state.lock:
        state.live(kind, ref)
        wish = checked(kind, request.get_json(silent=True), new=False)
        return jsonify(shown(state.edit(kind, ref, API_USER, **wish), whole=True))


@api.delete(f"/api/v1/{KIND}/<ref>")
def remove(kind: str, ref: str) -> Answer:
    """Hidden from then on."""
    site().delete(kind, ref, API_USER)
    return jsonify(True)


@api.post("/api/v1/Lead/action/convert")
def convert() -> Answer:
    """Make what is given, and point the lead at it."""
    state, told = site(), request.get_json(silent=True) or {}
    with state.lock:
        wishes = {kind: checked(kind, wish, new=True) for kind, wish in (told.get("records") or {}).items()}
        return jsonify(shown(state.convert(told["id"], wishes, API_USER), whole=True))


@api.route("/api/v1/Admin/fieldManager/<kind>", methods=["POST"])
def add_field(kind: str) -> Answer:
    """A custom field gets a prefix. Not for API users."""
    state, wish = site(), request.get_json(silent=True) or {}
    if not g.admin:
        return problem(403, "Not allowed")
    name = f"{state.prefix}{wish['name'][0].upper()}{wish['name'][1:]}" if state.prefix else wish["name"]
    with state.lock:
        if name in state.defs[kind]:
            return problem(409, "Already exists")
        state.defs[kind][name] = {"type": wish["type"], "options": wish.get("options"), "isCustom": True}
    return jsonify({"name": name, **wish})


@api.route("/api/v1/Admin/fieldManager/<kind>/<name>", methods=["PUT", "DELETE"])
def one_field(kind: str, name: str) -> Answer:
    """Change or remove a custom field."""
    state = site()
    if not g.admin:
        return problem(403, "Not allowed")
    with state.lock:
        field = state.defs[kind][name]
        if request.method == "DELETE" and field.get("isCustom"):
            del state.defs[kind][name]
    return jsonify({"name": name})
