"""What an account is made of: its properties and what they refuse, its deal pipelines."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

Row = dict[str, Any]
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+\Z")
_STAGES = (
    ("appointmentscheduled", "Appointment Scheduled", "0.2"), ("qualifiedtobuy", "Qualified To Buy", "0.4"),
    ("contractsent", "Contract Sent", "0.9"), ("closedwon", "Closed Won", "1.0"), ("closedlost", "Closed Lost", "0.0"),
)  # fmt: skip
_TEXTS = {
    "contacts": "firstname lastname jobtitle company website lifecyclestage hs_lead_status",
    "companies": "name domain website address",
    "deals": "dealname pipeline dealstage deal_currency_code dealtype closed_lost_reason",
    "notes": "hs_note_body hs_object_source", "tasks": "hs_task_subject hs_task_body hs_task_status hs_object_source",
    "calls": "hs_call_body hs_call_direction hs_call_status hs_call_duration hs_object_source",
    "emails": "hs_email_subject hs_email_direction hs_email_status hs_object_source",
    "meetings": "hs_meeting_title hs_meeting_outcome hs_object_source",
    "communications": "hs_communication_body hs_communication_channel_type hs_object_source",
}  # fmt: skip
_OTHERS = {
    "contacts": {"email": "string", "phone": "phone_number", "mobilephone": "phone_number", "createdate": "datetime"},
    "companies": {"phone": "phone_number", "createdate": "datetime"},
    "deals": {"amount": "number", "closedate": "datetime", "createdate": "datetime"},
    **{kind: {"hs_timestamp": "datetime"} for kind in ("notes", "tasks", "calls", "emails", "meetings",
                                                       "communications")},
}  # fmt: skip
_FIXED = ("hs_object_id", "hs_merged_object_ids", "hs_additional_emails", "hs_analytics_source", "associatedcompanyid",
          "hs_primary_associated_company",
          "hs_searchable_calculated_phone_number", "hs_searchable_calculated_mobile_number")  # fmt: skip
REQUIRED = {"notes": ("hs_timestamp",), "tasks": ("hs_timestamp",), "deals": ("dealname",)}


class Wrong(Exception):
    """A refusal: a category of HubSpot's, the status, and what was wrong."""

    def __init__(self, category: str, status: int = 400, message: str = "", *lines: Mapping[str, Any]) -> None:
        super().__init__(category)
        self.category, self.status = category, status
        self.message = f"Property values were not valid: {json.dumps(lines)}" if lines else message or category


def property_of(name: str, kind: str = "string", **more: Any) -> Row:
    """A definition."""
    field = {"number": "number", "datetime": "date", "phone_number": "phonenumber"}.get(kind, "text")
    made: Row = {"name": name, "label": name, "type": kind, "fieldType": field, "options": [],
                 "groupName": "information", "hasUniqueValue": False,
                 "modificationMetadata": {"readOnlyValue": False}}  # fmt: skip
    return {**made, **more}


def properties_at_birth(kind: str) -> dict[str, Row]:
    """What every account has."""
    made = {name: property_of(name) for name in _TEXTS[kind].split()}
    made |= {name: property_of(name, type_) for name, type_ in _OTHERS[kind].items()}
    made["hubspot_owner_id"] = property_of("hubspot_owner_id", "enumeration", referencedObjectType="OWNER")
    stamps = ("lastmodifieddate",) if kind == "contacts" else ("hs_lastmodifieddate",)
    fixed = {"modificationMetadata": {"readOnlyValue": True}}
    made |= {
        name: property_of(name, "datetime" if name in stamps else "string", **fixed) for name in (*stamps, *_FIXED)
    }
    if "email" in made:
        made["email"]["hasUniqueValue"] = True
    return made


def check(known: Mapping[str, Row], sent: Any, required: tuple[str, ...] = ()) -> None:
    """Raise `Wrong` with every bad property; all values are texts."""
    if not isinstance(sent, dict):
        raise Wrong("VALIDATION_ERROR", 400, "properties must be an object")
    lines = [_line(name, why) for name, value in sent.items() if (why := _why(known.get(name), value))]
    lines += [_line(name, "MISSING_REQUIRED_PROPERTY") for name in required if not sent.get(name)]
    if lines:
        raise Wrong("VALIDATION_ERROR", 400, "", *lines)


def _line(name: str, why: str) -> Row:
    return {"isValid": False, "message": f"{name} was not valid", "error": why, "name": name}


def _why(known: Row | None, value: Any) -> str:
    if known is None:
        return "PROPERTY_DOESNT_EXIST"
    if known["modificationMetadata"]["readOnlyValue"]:
        return "READ_ONLY_VALUE"
    if not isinstance(value, str):
        return "INVALID_TYPE"
    return _misfit(known, value) if value else ""


def _misfit(known: Row, value: str) -> str:
    if known["name"] == "email" and not _EMAIL.match(value):
        return "INVALID_EMAIL"
    options = {one["value"] for one in known["options"]}
    if options and not set(value.split(";")) <= options:
        return "INVALID_OPTION"
    try:
        if known["type"] == "number":
            float(value)
        elif known["type"] in {"date", "datetime"} and not value.isdecimal():
            datetime.fromisoformat(value)
    except ValueError:
        return "INVALID_INTEGER" if known["type"] == "number" else "INVALID_DATE"
    return ""


class Pipelines:
    """Deal pipelines, by id; stages by id inside."""

    def __init__(self, number: Callable[[], str]) -> None:
        self._number = number
        stages = {ref: self.stage(ref, {"label": label, "displayOrder": n, "metadata": {"probability": chance}})
                  for n, (ref, label, chance) in enumerate(_STAGES)}  # fmt: skip
        self.all: dict[str, Row] = {
            "default": {"id": "default", "label": "Sales Pipeline", "displayOrder": 0, "stages": stages}
        }

    @staticmethod
    def stage(ref: str, wish: Any) -> Row:
        """A checked stage."""
        told = wish.get("metadata") if isinstance(wish, dict) else None
        chance = told.get("probability") if isinstance(told, dict) else None
        if not isinstance(chance, str) or not 0 <= float(chance) <= 1 or not wish.get("label"):
            raise Wrong("VALIDATION_ERROR", 400, "A stage of deals needs a label and metadata.probability as text")
        closed = "true" if float(chance) in (0, 1) else "false"
        order = int(wish.get("displayOrder") or 0)
        return {"id": ref, "label": wish["label"], "displayOrder": order, "archived": False,
                "metadata": {"isClosed": closed, "probability": chance}}  # fmt: skip

    def add(self, wish: Any) -> Row:
        """A new pipeline with at least one stage; its name is taken once."""
        stages = wish.get("stages") if isinstance(wish, dict) else None
        if not stages or not wish.get("label") or not isinstance(wish.get("displayOrder"), int):
            raise Wrong("VALIDATION_ERROR", 400, "label, displayOrder and stages are needed")
        if any(one["label"] == wish["label"] for one in self.all.values()):
            raise Wrong("VALIDATION_ERROR", 409, "A pipeline with this label exists")
        made = {"id": self._number(), "label": wish["label"], "displayOrder": wish["displayOrder"], "stages": {}}
        self.all[made["id"]] = made
        for one in stages:
            self.add_stage(made["id"], one)
        return made

    def add_stage(self, pipeline: str, wish: Any) -> Row:
        """A new stage."""
        made = self.stage(self._number(), wish)
        self.all[pipeline]["stages"][made["id"]] = made
        return made

    def first(self) -> dict[str, str]:
        """Where a deal stands that nobody placed."""
        main = self.all["default"]
        return {
            "pipeline": "default",
            "dealstage": min(main["stages"].values(), key=lambda one: one["displayOrder"])["id"],
        }

    def must_hold(self, place: Mapping[str, str]) -> None:
        """Raise `Wrong` unless the stage belongs to the pipeline."""
        pipeline = self.all.get(place.get("pipeline", ""))
        if pipeline is None:
            raise Wrong("VALIDATION_ERROR", 400, "", _line("pipeline", "INVALID_OPTION"))
        if place.get("dealstage") not in pipeline["stages"]:
            raise Wrong("VALIDATION_ERROR", 400, "", _line("dealstage", "INVALID_OPTION"))


def shown(pipeline: Row) -> Row:
    """A pipeline as the API shows it."""
    stages = sorted(pipeline["stages"].values(), key=lambda one: one["displayOrder"])
    return {**pipeline, "archived": False, "stages": stages}
