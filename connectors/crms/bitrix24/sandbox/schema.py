"""Stages, pipelines and fields of the account, and what the vendor says when they are not as they should be."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

Row = dict[str, Any]
TYPES = {1: "leads", 2: "deals", 3: "contacts", 4: "companies"}
COLOURS = re.compile(r"#[0-9A-Fa-f]{6}\Z")
_LEADS = (
    ("NEW", "Unassigned", "#39A8EF", None, "Y"), ("IN_PROCESS", "In progress", "#2FC6F6", None, "N"),
    ("PROCESSED", "Processed", "#55D0E0", None, "N"), ("CONVERTED", "Good lead", "#7BD500", "S", "Y"),
    ("JUNK", "Junk lead", "#FF5752", "F", "Y"),
)  # fmt: skip
_DEALS = (
    ("NEW", "New", "#39A8EF", None, "Y"), ("PREPARATION", "Papers", "#2FC6F6", None, "N"),
    ("EXECUTING", "In work", "#47E4C2", None, "N"), ("FINAL_INVOICE", "Invoice", "#FFA900", None, "N"),
    ("WON", "Deal won", "#7BD500", "S", "Y"), ("LOSE", "Deal lost", "#FF5752", "F", "Y"),
    ("APOLOGY", "Why it was lost", "#FF5752", "F", "N"),
)  # fmt: skip
_COMMON = {"id": "integer", "createdTime": "datetime", "updatedTime": "datetime", "createdBy": "user",
           "updatedBy": "user", "assignedById": "user", "opened": "boolean", "originatorId": "string",
           "originId": "string", "comments": "text", "sourceId": "crm_status", "sourceDescription": "text",
           **{f"utm{part}": "string" for part in ("Source", "Medium", "Campaign", "Content", "Term")}}  # fmt: skip
_PERSON = {"name": "string", "lastName": "string", "secondName": "string", "post": "string"}
_CARD = {"title": "string", "stageId": "crm_status", "stageSemanticId": "string", "opportunity": "double",
         "currencyId": "string", "companyId": "crm_company", "contactId": "crm_contact", "contactIds": "crm_contact",
         "movedTime": "datetime", "movedBy": "user"}  # fmt: skip
NATIVE: dict[str, dict[str, str]] = {
    "leads": _COMMON | _PERSON | _CARD | {"companyTitle": "string", "isReturnCustomer": "boolean",
                                          "statusDescription": "text", "fm": "crm_multifield"},
    "deals": _COMMON | _CARD | {"categoryId": "crm_category", "leadId": "crm_lead", "closed": "boolean"},
    "contacts": _COMMON | _PERSON | {"companyId": "crm_company", "companyIds": "crm_company", "leadId": "crm_lead",
                                     "fm": "crm_multifield"},
    "companies": _COMMON | {"title": "string", "leadId": "crm_lead", "fm": "crm_multifield"},
}  # fmt: skip
READ_ONLY = {"id", "createdTime", "updatedTime", "createdBy", "updatedBy", "stageSemanticId", "movedTime", "movedBy",
             "isReturnCustomer", "closed"}  # fmt: skip
LISTS = {"contactIds", "companyIds"}
NUMBERS = {"integer", "user", "crm_company", "crm_contact", "crm_lead", "crm_category"}


class Wrong(Exception):
    """A refusal: code, description, HTTP status."""

    def __init__(self, code: str, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.code, self.text, self.status = code, text, status

    def body(self) -> Row:
        return {"error": self.code, "error_description": self.text}


class Stages:
    """All stages by what they belong to (STATUS, DEAL_STAGE, DEAL_STAGE_5), and the pipelines of deals."""

    def __init__(self, number: Callable[[], int]) -> None:
        self._number = number
        self.categories: dict[int, Row] = {}
        self.all: dict[str, list[Row]] = {}
        self.limit = 10  # pipelines the plan allows
        self._born("STATUS", _LEADS, "")
        self.add_category({"name": "General", "sort": 100}, number=0)

    def add_category(self, wish: Row, number: int | None = None) -> Row:
        """A pipeline with the stages every pipeline is born with."""
        if not str(wish.get("name") or "").strip():
            raise Wrong("CRM_FIELD_ERROR_REQUIRED", 'The "Name" field is required')
        if len(self.categories) >= self.limit:
            raise Wrong("ACCESS_DENIED", "The number of pipelines of your plan is used up")
        ref = self._number() if number is None else number
        row = {"id": ref, "name": wish["name"], "sort": int(wish.get("sort") or 500), "entityTypeId": 2,
               "isDefault": "NY"[ref == 0]}  # fmt: skip
        self.categories[ref] = row
        self._born(stages_of(ref), _DEALS, f"C{ref}:" if ref else "")
        return row

    def _born(self, where: str, rows: tuple[tuple[str, str, str, str | None, str], ...], prefix: str) -> None:
        self.all[where] = [
            {"ID": str(self._number()), "ENTITY_ID": where, "STATUS_ID": prefix + ref, "NAME": name, "NAME_INIT": name,
             "SORT": str(n * 10), "SYSTEM": system, "CATEGORY_ID": None, "COLOR": colour, "SEMANTICS": final}
            for n, (ref, name, colour, final, system) in enumerate(rows, 1)
        ]  # fmt: skip

    def add(self, wish: Row) -> str:
        """A new stage; answers its id."""
        where, ref = str(wish.get("ENTITY_ID") or ""), str(wish.get("STATUS_ID") or "")
        if where not in self.all or not ref:
            raise Wrong("", "The field STATUS_ID is required.")
        prefix = f"C{where.removeprefix('DEAL_STAGE_')}:" if where.startswith("DEAL_STAGE_") else ""
        ref = ref if ref.startswith(prefix) else prefix + ref
        if not re.fullmatch(r"[A-Za-z0-9_:-]{1,22}", ref) or any(one["STATUS_ID"] == ref for one in self.all[where]):
            raise Wrong("ERROR_CORE", "The specified status ID already exists.")
        row = {"ID": str(self._number()), "ENTITY_ID": where, "STATUS_ID": ref, "NAME_INIT": "", "SYSTEM": "N",
               "CATEGORY_ID": None, "SEMANTICS": wish.get("SEMANTICS") or None, "COLOR": "#ACE9FB", "NAME": "",
               "SORT": "10"}  # fmt: skip
        self._put(row, wish)
        self._ordered([*self.all[where], row])
        self.all[where].append(row)
        return str(row["ID"])

    def change(self, number: str, wish: Row) -> None:
        """Rename, move, colour."""
        row = self.row(number)
        before = dict(row)
        self._put(row, wish)
        try:
            self._ordered(self.all[row["ENTITY_ID"]])
        except Wrong:
            row.update(before)
            raise

    @staticmethod
    def _put(row: Row, wish: Row) -> None:
        if not COLOURS.match(str(wish.get("COLOR", "#000000"))):
            raise Wrong("", "COLOR is no colour")
        row |= {key: str(wish[key]) for key in ("NAME", "SORT", "COLOR") if key in wish}
        if not row["NAME"].strip():
            raise Wrong("", "The field NAME is required.")

    @staticmethod
    def _ordered(rows: list[Row]) -> None:
        ends = [int(one["SORT"]) for one in rows if one["SEMANTICS"]]
        if ends and any(int(one["SORT"]) > min(ends) for one in rows if not one["SEMANTICS"]):
            raise Wrong("", "Cannot create more stages after the final stage")

    def row(self, number: str) -> Row:
        """A stage by its number."""
        for rows in self.all.values():
            for one in rows:
                if one["ID"] == str(number):
                    return one
        raise Wrong("", "Status is not found.")

    def first(self, where: str) -> str:
        """The stage a record starts in."""
        return str(min(self.all[where], key=lambda one: int(one["SORT"]))["STATUS_ID"])

    def semantics(self, where: str, stage: Any) -> str:
        """P, S or F of a stage; `Wrong` for a stage that is not there."""
        found = next((one for one in self.all.get(where, ()) if one["STATUS_ID"] == stage), None)
        if found is None:
            raise Wrong("CRM_FIELD_ERROR_VALUE_NOT_VALID", 'Invalid value for field "stageId"')
        return found["SEMANTICS"] or "P"


def stages_of(category: Any) -> str:
    """Where the stages of a pipeline are kept."""
    return f"DEAL_STAGE_{category}" if int(category) else "DEAL_STAGE"
