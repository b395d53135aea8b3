"""How a Pipedrive account is set up: fields, pipelines, stages, lead labels and hooks.

Every step may run again: what is there already under the same name or address is taken, not doubled.
"""

from __future__ import annotations

import colorsys
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from connectors.contract import Stage, Step
from connectors.crms.pipedrive.api import Api, reason, rows
from connectors.crms.pipedrive.hooks import OBJECTS, USER, address, password, plain
from connectors.crms.pipedrive.names import FIELD_LISTS, LABELS, Names, Row, label_name
from connectors.crms.pipedrive.schema import COLOURS, hook_rows, inbox
from connectors.crms.pipedrive.shape import ARCHIVED, LOST, WON
from connectors.errors import Missing, Refuse, Retry

_MADE = {
    "text": "varchar", "textarea": "text", "number": "double", "money": "monetary", "date": "date", "select": "enum",
    "multi": "set", "user": "user", "phone": "phone",
}  # fmt: skip
"""Ours → theirs; anything else is text. There is no type for moments and none for yes and no."""


class Builder:
    """Carries steps out. Refs: ids of pipelines, stages and labels, keys of fields, addresses of hooks."""

    def __init__(self, api: Api, names: Names, secret: str) -> None:
        self._api, self._names, self._secret = api, names, secret

    def send(self, method: str, path: str, json: Any, what: str) -> Row:
        """One change; {} where the answer has no record and for a removal of what is gone."""
        answer = self._api.call(method, path, json=json)
        if answer.status in {404, 410}:
            if method == "DELETE":
                return {}
            raise Missing(f"Pipedrive has no such {what}")
        if answer.status >= 500:
            raise Retry(f"Pipedrive answered with status {answer.status}", effect=True)
        if answer.status >= 400:
            raise Refuse(f"Pipedrive refuses the {what}: {reason(answer)}")
        told = answer.json()
        self._names.forget()
        return next(iter(rows(told)), {}) if isinstance(told, dict) else {}

    def made(self, path: str, json: Any, what: str, ref: str = "id") -> str:
        """Create; the ref of what was made."""
        row = self.send("POST", path, json, what)
        if not row.get(ref):
            raise Retry(f"Pipedrive's answer does not say which {what} it made", effect=True)
        return str(row[ref])

    # ── pipelines, stages, labels ────────────────────────────────────────────────────────────────

    def pipeline(self, step: Step) -> str:
        """A new pipeline is empty: its stages follow as steps of their own."""
        if step.action == "remove":
            self.send("DELETE", f"v2/pipelines/{_id(step.ref)}", None, "pipeline")
            return step.ref
        body = {"name": str(step.values["name"])} if "name" in step.values else {}
        if step.action == "change":
            self.send("PATCH", f"v2/pipelines/{_id(step.ref)}", body, "pipeline")
            return step.ref
        twins = [row for row in self._api.all_rows("v2/pipelines") if row.get("name") == body.get("name")]
        return str(twins[0]["id"]) if twins else self.made("v2/pipelines", body, "pipeline")

    def stage(self, step: Step) -> str:
        """A stage of a pipeline has no colour, and its place is where it was added (the API cannot move it)."""
        if not step.under:
            return self.label(step)
        if step.ref in (WON, LOST):
            raise Refuse("Won and lost belong to Pipedrive and are no stages")
        if step.action == "remove":
            self.send("DELETE", f"v2/stages/{_id(step.ref)}", None, "stage")
            return step.ref
        body: Row = {"name": str(step.values["name"])} if "name" in step.values else {}
        if step.action == "change":
            if body:
                self.send("PATCH", f"v2/stages/{_id(step.ref)}", body, "stage")
            return step.ref
        there = self._api.all_rows("v2/stages", [("pipeline_id", step.under)])
        twins = [row for row in there if row.get("name") == body.get("name") and not row.get("is_deleted")]
        return (
            str(twins[0]["id"]) if twins else self.made("v2/stages", body | {"pipeline_id": _id(step.under)}, "stage")
        )

    def label(self, step: Step) -> str:
        """A stage of leads is a label whose name begins with its number."""
        if step.ref == ARCHIVED:
            raise Refuse("The archive belongs to Pipedrive and is no label")
        path = f"{LABELS}/{quote(step.ref, safe='')}"
        if step.action == "remove":
            self.send("DELETE", path, None, "label")
            return step.ref
        present = {stage.ref: stage for stage in inbox(self._names).stages}
        name = step.values.get("name")
        ref = step.ref or next((one.ref for one in present.values() if one.name == name and not one.fixed), "")
        if step.ref and step.ref not in present:
            raise Missing("Pipedrive has no such label")
        body = _label_body(step, present.get(ref))
        if not ref:
            return self.made(LABELS, {"color": "blue", **body}, "label")
        self.send("PATCH", f"{LABELS}/{quote(ref, safe='')}", body, "label")
        return ref

    # ── fields and hooks ─────────────────────────────────────────────────────────────────────────

    def field(self, step: Step) -> str:
        """Leads and deals share their fields: the second wish finds what the first one made."""
        path = FIELD_LISTS.get(step.under, "")
        if not path:
            raise Refuse(f"Pipedrive has no fields of one's own for {step.under}")
        if step.action == "remove":
            self.send("DELETE", f"{path}/{quote(step.ref, safe='')}", None, "field")
            return step.ref
        name = str(step.values.get("code") or step.values.get("name") or "")
        if step.action == "change":
            self.send("PATCH", f"{path}/{quote(step.ref, safe='')}", {"field_name": name}, "field")
            return step.ref
        self._names.forget()
        twins = [one for one in self._names.fields(step.under).values() if one.label == name]
        return twins[0].key if twins else self.made(path, _field_body(name, step.values), "field", "field_code")

    def hook(self, step: Step) -> str:
        """One subscription for each kind of record; those with an old password of ours go."""
        base = str(step.values.get("address") or step.ref or step.before.get("address", ""))
        mine = [row for row in hook_rows(self._api) if str(row.get("subscription_url", "")).partition("?")[0] == base]
        fresh = {row.get("event_object") for row in mine if plain(str(row["subscription_url"]), self._secret)}
        for row in mine:
            if step.action == "remove" or not plain(str(row["subscription_url"]), self._secret):
                self.send("DELETE", f"v1/webhooks/{row['id']}", None, "hook")
        if step.action == "create":
            self._subscribe(base, [name for name in OBJECTS if name not in fresh])
        return base

    def _subscribe(self, base: str, objects: Sequence[str]) -> None:
        user = next((str(row["id"]) for row in self._names.rows("v1/users/me")), "")
        for name in reversed(objects):  # the one for leads last: it stands for all four
            self.made("v1/webhooks", {
                "subscription_url": address(base, user, self._secret), "event_action": "*", "event_object": name,
                "name": f"Lead hub: {name}", "version": "2.0",
                "http_auth_user": USER, "http_auth_password": password(self._secret),
            }, "hook")  # fmt: skip


def provision(api: Api, names: Names, steps: Sequence[Step], secret: str) -> list[str]:
    """Refs of what each step made or changed. Raises at the first step that fails; those before it stay."""
    build = Builder(api, names, secret)
    acts: dict[str, Callable[[Step], str]] = {
        "pipeline": build.pipeline, "stage": build.stage, "field": build.field, "hook": build.hook,
    }  # fmt: skip
    made: list[str] = []
    for step in steps:
        act = acts.get(step.what)
        if act is None or step.action not in {"create", "change", "remove"}:
            raise Refuse(f"Pipedrive cannot {step.action} a {step.what}")
        made.append(act(step))
    return made


def _id(ref: str) -> int:
    if not (ref.isascii() and ref.isdecimal()):
        raise Missing("Pipedrive has no such pipeline or stage")
    return int(ref)


def _label_body(step: Step, present: Stage | None) -> Row:
    """Name, number and colour as wished; what is not said stays as it is."""
    body: Row = {}
    if "name" in step.values or "position" in step.values:
        position = step.values.get("position", present.position if present else 10)
        body["name"] = label_name(float(position), str(step.values.get("name") or (present.name if present else "")))
    if step.values.get("colour"):
        body["color"] = nearest(str(step.values["colour"]))
    return body


def _field_body(name: str, values: Mapping[str, Any]) -> Row:
    body: Row = {"field_name": name, "field_type": _MADE.get(str(values.get("type", "text")), "varchar")}
    if values.get("options"):
        labels = [one[1] if isinstance(one, list | tuple) else str(one) for one in values["options"]]
        body["options"] = [{"label": label} for label in labels]
    return body


def nearest(colour: str) -> str:
    """The name of the label colour that reads like #rrggbb: the same hue first; grey stays grey."""
    hue, light, grey = _hls(colour)

    def distance(name: str) -> float:
        other, lightness, no_hue = _hls(COLOURS[name])
        turn = min(abs(hue - other), 1 - abs(hue - other))
        return (grey != no_hue) * 10 + (0 if grey else 4 * turn**2) + (light - lightness) ** 2

    return min(COLOURS, key=distance)


def _hls(colour: str) -> tuple[float, float, bool]:
    try:
        red, green, blue = bytes.fromhex(colour.strip().lstrip("#"))
    except ValueError:
        raise Refuse(f"{colour!r} is not a colour like #317ae2") from None
    hue, light, _ = colorsys.rgb_to_hls(red / 255, green / 255, blue / 255)
    return hue, light, max(red, green, blue) - min(red, green, blue) < 24
