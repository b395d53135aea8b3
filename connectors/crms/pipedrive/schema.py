"""What a Pipedrive account looks like: fields, pipelines with their stages, the Leads Inbox, users and hooks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from connectors.contract import Field, Pipeline, Schema, Stage, User
from connectors.crms.pipedrive.api import Api
from connectors.crms.pipedrive.hooks import plain
from connectors.crms.pipedrive.names import LABELS, Names, Row, stage_label
from connectors.crms.pipedrive.shape import ARCHIVED, LOST, WON
from connectors.errors import Pause

COLOURS = {
    "blue": "#317ae2", "brown": "#8f5b34", "dark-gray": "#5c6470", "gray": "#b9babb", "green": "#08a742",
    "orange": "#f98600", "pink": "#e0569b", "purple": "#7c5cc4", "red": "#f94839", "yellow": "#ffdd3f",
}  # fmt: skip
"""Colours of lead labels by name; the API knows the names only, the shades are as the web app paints them."""
_TYPES = {
    "varchar": "text", "varchar_auto": "text", "text": "text", "address": "text", "time": "text", "double": "number",
    "monetary": "money", "date": "date", "enum": "select", "set": "multi", "user": "user", "phone": "phone",
}  # fmt: skip
_STAMPS = (Field("add_time", "datetime", "Created"), Field("update_time", "datetime", "Changed", read_only=True))
_MONEY = (Field("value", "money", "Value"), Field("currency", "text", "Currency", max_length=3))
_OWNED = (Field("owner_id", "user", "Owner"), Field("tags", "multi", "Labels"))
_TITLE = Field("title", "text", "Title", required=True, max_length=255)
_NAME = Field("name", "text", "Name", required=True, max_length=255)
_NATIVE: Mapping[str, tuple[Field, ...]] = {
    "leads": (_TITLE, *_MONEY, *_OWNED, Field("label_id", "select", "Stage"), Field("was_seen", "bool", "Seen"),
              Field("expected_close_date", "date", "Expected close date")),
    "deals": (_TITLE, *_MONEY, *_OWNED, Field("pipeline_id", "select", "Pipeline"),
              Field("stage_id", "select", "Stage"),
              Field("lost_reason", "text", "Reason of the loss"),
              Field("probability", "number", "Probability"),
              Field("expected_close_date", "date", "Expected close date"),
              Field("status", "text", "Status", read_only=True)),
    "persons": (_NAME, Field("first_name", "text", "First name", read_only=True),
                Field("last_name", "text", "Last name", read_only=True), Field("phones", "phone", "Phones"),
                Field("emails", "email", "E-mails"), *_OWNED),
    "organizations": (_NAME, Field("address", "text", "Address"), *_OWNED),
    "notes": (Field("content", "text", "Content (HTML)", required=True),),
    "activities": (Field("subject", "text", "Subject"), Field("type", "text", "Type"), Field("note", "text", "Note"),
                   Field("due_date", "date", "Due date"), Field("due_time", "text", "Due time"),
                   Field("done", "bool", "Done"), Field("owner_id", "user", "Owner")),
}  # fmt: skip
_LAST = 1_000_000


def schema(api: Api, names: Names, secret: str) -> Schema:
    """Eight calls. Hooks stay empty when the token's user may not see them."""
    fields = {kind: (*native, *_STAMPS, *_customs(names, kind)) for kind, native in _NATIVE.items()}
    stages = sorted(api.all_rows("v2/stages"), key=_order)
    pipelines = [row for row in sorted(api.all_rows("v2/pipelines"), key=_order) if not row.get("is_deleted")]
    told = tuple(_pipeline(row, stages, main=n == 0) for n, row in enumerate(pipelines))
    users = tuple(_user(row) for row in api.all_rows("v1/users"))
    hooks = tuple(dict.fromkeys(found for row in hook_rows(api) if (found := _whole(row, secret))))
    return Schema(fields, (inbox(names), *told), users, hooks)


def _customs(names: Names, kind: str) -> list[Field]:
    return [
        Field(one.name, _TYPES.get(one.type, "text"), one.label, tuple(one.options.items()))
        for one in names.fields(kind).values()
    ]


def inbox(names: Names) -> Pipeline:
    """The Leads Inbox as a pipeline: the labels that stand for stages, and the archive."""
    stages = [
        Stage(str(row["id"]), told[1], int(told[0]), COLOURS.get(str(row.get("color")), ""))
        for row in names.rows(LABELS)
        if (told := stage_label(str(row.get("name", ""))))
    ]
    stages.sort(key=lambda one: (one.position, one.ref))
    return Pipeline(
        "", "Leads Inbox", (*stages, Stage(ARCHIVED, "Archive", _LAST, final="lost", fixed=True)), kind="leads"
    )


def _pipeline(row: Row, stages: Sequence[Row], *, main: bool) -> Pipeline:
    own = [
        Stage(str(one["id"]), str(one.get("name", "")), _order(one))
        for one in stages
        if one.get("pipeline_id") == row["id"] and not one.get("is_deleted")
    ]
    closed = (Stage(WON, "Won", _LAST, final="won", fixed=True), Stage(LOST, "Lost", _LAST, final="lost", fixed=True))
    return Pipeline(str(row["id"]), str(row.get("name", "")), (*own, *closed), main)


def _order(row: Row) -> int:
    return int(row.get("order_nr") or 0)


def _user(row: Row) -> User:
    active = bool(row.get("active_flag", True))
    return User(str(row["id"]), str(row.get("name", "")), str(row.get("email") or ""), active)


def hook_rows(api: Api) -> list[Row]:
    try:
        return [row for row in api.all_rows("v1/webhooks") if row.get("is_active") not in (0, False)]
    except Pause:  # a user who may not see hooks has none
        return []


def _whole(row: Row, secret: str) -> str:
    """The address of one of our hooks; of the four that belong together the one for leads stands for all."""
    return plain(str(row.get("subscription_url", "")), secret) if row.get("event_object") == "lead" else ""
