"""An organisation in memory: its modules with their fields, what is refused, the bin, conversions, people."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any

from connectors.crms.zoho.sandbox import doings
from connectors.crms.zoho.sandbox.refusal import Wrong
from connectors.testing.sandbox import Faults, Postman

Row = dict[str, Any]
MODULES = ("Leads", "Deals", "Contacts", "Accounts", "Notes", *doings.FIELDS)
HUB, HUMAN = "554023000000235011", "554023000000235012"
STATUSES = ("-None-", "Not Contacted", "Contacted", "Junk Lead")
STAGES = (("Qualification", "Open", "#c4f0b3"), ("Proposal", "Open", "#f8e199"),
          ("Closed Won", "Closed Won", "#25b52a"), ("Closed Lost", "Closed Lost", "#eb4d4d"))  # fmt: skip
_FIELDS = {
    "Leads": "Last_Name! First_Name Full_Name- Company! Designation Email:email Secondary_Email:email Phone:phone "
    "Mobile:phone Lead_Source Description:textarea Owner:ownerlookup Converted__s:boolean Converted_Deal:lookup "
    "Converted_Contact:lookup Converted_Account:lookup",
    "Contacts": "Last_Name! First_Name Full_Name- Title Email:email Secondary_Email:email Phone:phone Mobile:phone "
    "Home_Phone:phone Other_Phone:phone Account_Name:lookup Description:textarea Owner:ownerlookup",
    "Accounts": "Account_Name! Phone:phone Website Billing_Street Owner:ownerlookup",
    "Deals": "Deal_Name! Amount:currency Closing_Date!:date Account_Name:lookup Contact_Name:lookup Pipeline "
    "Owner:ownerlookup",
    "Notes": "Note_Title Note_Content:textarea Parent_Id:lookup Owner:ownerlookup",
    **doings.FIELDS,
}


def _field(ref: str, name: str, kind: str, **more: Any) -> Row:
    return {"id": ref, "api_name": name, "field_label": name.replace("_", " "), "data_type": kind, "length": 255,
            "system_mandatory": False, "custom_field": False, "field_read_only": False, "pick_list_values": [],
            "unique": {}, **more}  # fmt: skip


class Organisation:
    """One organisation, two hours east. `lag` is how long a person's transaction takes, in seconds."""

    def __init__(self, *, clock: Callable[[], float], rate: int | None, lag: float, latency: float, token: str) -> None:
        self.clock, self.credits, self.lag, self.latency = clock, rate, lag, latency
        self.lock = threading.RLock()
        self.faults, self.postman = Faults(), Postman()
        self.tokens = {token}
        self.calls: Counter[str] = Counter()
        self.spent = 0
        self.pipelines = True
        self.index_lag = 0.0
        self.zone: tzinfo = timezone(timedelta(hours=2))  # of the organisation, in which times are told
        self.watches: dict[str, Row] = {}
        self._next = 554_023_000_000_527_000
        self.fields: dict[str, dict[str, Row]] = {module: self._born(module) for module in MODULES}
        self.rows: dict[str, dict[str, Row]] = {module: {} for module in MODULES}
        self.bin: dict[str, list[Row]] = {module: [] for module in MODULES}
        self._late: list[tuple[float, float, Callable[[float], object]]] = []

    def _born(self, module: str) -> dict[str, Row]:
        found: dict[str, Row] = {}
        for word in _FIELDS[module].split():
            name, _, kind = word.partition(":")
            plain = name.rstrip("!-")
            marks = {"system_mandatory": "!" in name, "field_read_only": "-" in name or plain.startswith("Converted")}
            found[plain] = _field(self.number(), plain, kind or "text", **marks)
        for name in ("Created_Time", "Modified_Time"):
            found[name] = _field(self.number(), name, "datetime", field_read_only=True)
        if module == "Leads":
            found["Lead_Status"] = _field(self.number(), "Lead_Status", "picklist", pick_list_values=picks(STATUSES))
        if module == "Deals":
            stages = zip(picks([name for name, *_ in STAGES]), STAGES, strict=True)
            maps = [{**pick, "forecast_type": kind, "colour_code": colour} for pick, (_, kind, colour) in stages]
            found["Stage"] = _field(self.number(), "Stage", "picklist", pick_list_values=maps, system_mandatory=True)
        return found

    def close(self) -> None:
        """Stop the hook thread."""
        self.postman.close()

    def fail(self, kind: str, times: int = 1, *, path: str = "", seconds: float = 0.0) -> None:
        """Make the next calls go wrong; see `connectors.testing.sandbox.Fault`."""
        self.faults.order(kind, times, path=path, seconds=seconds)

    def number(self) -> str:
        """A new id of 18 digits."""
        self._next += 1
        return str(self._next)

    def stamp(self, at: float | None = None) -> str:
        """As the API tells a time."""
        return datetime.fromtimestamp(int(self.clock() if at is None else at), UTC).astimezone(self.zone).isoformat()

    # ── records ──────────────────────────────────────────────────────────────────────────────────

    def create(self, module: str, wish: Mapping[str, Any], by: str = HUB, at: float | None = None) -> Row:
        """A new row."""
        for name, field in self.fields[module].items():
            if field["system_mandatory"] and not wish.get(name):
                raise Wrong("MANDATORY_NOT_FOUND", name)
        now = self.stamp(at)
        row: Row = {"id": self.number(), "Created_Time": now, "Owner": {"id": HUB}, "Converted__s": False}
        self.change(module, row, wish, by, at)
        self.rows[module][row["id"]] = row
        return row

    def change(self, module: str, row: Row, wish: Mapping[str, Any], by: str = HUB, at: float | None = None) -> None:
        """Checked values into a row."""
        given = {name: value for name, value in wish.items() if name not in ("id", "$se_module")}
        for name, value in given.items():
            self._checked(module, row, name, value)
        if row.get("Converted__s"):
            raise Wrong("INVALID_DATA", "id", reason="converted")
        now = self.stamp(at)
        row |= given | doings.derived(self.rows, module, row, wish, now)
        if "Last_Name" in self.fields[module]:
            row["Full_Name"] = " ".join(filter(None, (row.get("First_Name"), row.get("Last_Name"))))
        row |= {"Modified_Time": now, "Modified_By": {"id": by}, "_written": self.clock()}
        self._notify(module, row["id"], "update" if row["id"] in self.rows[module] else "insert")

    def _checked(self, module: str, row: Row, name: str, value: Any) -> None:
        field = self.fields[module].get(name)
        if name == "Tag":
            return
        if field is None or field["field_read_only"]:
            raise Wrong("INVALID_DATA", name)
        if value is None:
            if field["system_mandatory"]:
                raise Wrong("INVALID_DATA", name)
            return
        self._typed(field, name, value)
        if field["unique"]:
            twin = next((one for one in self.rows[module].values() if one.get(name) == value and one is not row), None)
            if twin is not None and twin["id"] != row["id"]:
                raise Wrong("DUPLICATE_DATA", name, duplicate_record={"id": twin["id"], "module": {"api_name": module}})

    def _typed(self, field: Row, name: str, value: Any) -> None:
        kind = field["data_type"]
        told = (
            (
                kind in ("lookup", "ownerlookup")
                and not (isinstance(value, dict) and str(value.get("id", "")).isdecimal())
            )
            or (kind == "email" and not re.fullmatch(r"[^@\s,;]+@[^@\s,;]+\.\w+", str(value)))
            or (kind in ("currency", "double") and not isinstance(value, int | float))
            or (kind in ("text", "phone", "picklist") and not isinstance(value, str))
            or (kind == "text" and len(str(value)) > field["length"])
        )
        if told:
            raise Wrong("INVALID_DATA", name)

    def by_key(self, module: str, name: str, value: Any) -> Row | None:
        """The live row with this value."""
        return next((row for row in self.rows[module].values() if value and row.get(name) == value), None)

    def convert(self, lead: str, wish: Mapping[str, Any]) -> Row:
        """As the button does: account, contact and deal, new unless they are named. The lead leaves the lists."""
        row = self.rows["Leads"].get(lead)
        if row is None:
            raise Wrong("INVALID_DATA", resource_path_index=1)
        if row["Converted__s"]:
            raise Wrong("ID_ALREADY_CONVERTED", resource_path_index=1)
        firm = wish.get("Accounts") or self.create("Accounts", {"Account_Name": row["Company"]})
        parts = {name: row[name] for name in ("First_Name", "Last_Name", "Email", "Phone") if row.get(name)}
        person = wish.get("Contacts") or self.create("Contacts", {**parts, "Account_Name": {"id": firm["id"]}})
        told = {"Accounts": {"id": firm["id"]}, "Contacts": {"id": person["id"]}}
        if wish.get("Deals"):
            links = {"Account_Name": {"id": firm["id"]}, "Contact_Name": {"id": person["id"]}}
            told["Deals"] = {"id": self.create("Deals", {**wish["Deals"], **links})["id"]}
            row["Converted_Deal"] = told["Deals"]
        self.change("Leads", row, {})
        row |= {"Converted__s": True, "Converted_Contact": told["Contacts"], "Converted_Account": told["Accounts"]}
        return told

    def add_field(self, module: str, wish: Mapping[str, Any]) -> Row:
        """A custom field; its name is made of its label."""
        name = re.sub(r"\W", "_", wish["field_label"])
        if name in self.fields[module]:
            raise Wrong("DUPLICATE_DATA", "field_label")
        picked = picks([one["actual_value"] for one in wish.get("pick_list_values", ())])
        made = _field(self.number(), name, wish["data_type"], custom_field=True, pick_list_values=picked)
        self.fields[module][name] = made | {"unique": wish.get("unique", {}), "length": wish.get("length", 2000)}
        return made

    # ── what people do ───────────────────────────────────────────────────────────────────────────

    def edit(self, module: str, ref: str, **values: Any) -> None:
        """A person changes a record."""

        def change(at: float) -> None:
            if ref in self.rows[module]:
                self.change(module, self.rows[module][ref], values, HUMAN, at)

        self._later(change)

    def act(self, module: str, card: str, kind: str = "Calls", **values: Any) -> None:
        """A person writes down what was done, or shall be, about a record."""
        end = {"Who_Id": {"id": card}} if module == "Contacts" else {"What_Id": {"id": card}, "$se_module": module}
        wish = {"Owner": {"id": HUMAN}, **end, **values}
        self._later(lambda at: self.create(kind, wish, HUMAN, at))

    def _later(self, change: Callable[[float], object]) -> None:
        """Others see it once the transaction is over, under the time it began at."""
        with self.lock:
            if self.lag:
                self._late.append((self.clock() + self.lag, self.clock(), change))
            else:
                change(self.clock())

    def settle(self) -> None:
        """Commit what people began at least `lag` seconds ago."""
        with self.lock:
            due = [one for one in self._late if one[0] <= self.clock()]
            self._late = [one for one in self._late if one[0] > self.clock()]
            for _, began, change in due:
                change(began)

    def drag_card(self, module: str, ref: str, place: str) -> None:
        """Move a card to another column."""
        self.edit(module, ref, **{"Lead_Status" if module == "Leads" else "Stage": place})

    def delete(self, module: str, ref: str) -> None:
        """Into the bin."""
        with self.lock:
            row = self.rows[module].pop(ref)
            told = {"id": ref, "display_name": row.get("Full_Name"), "type": "recycle", "deleted_time": self.stamp()}
            self.bin[module].append({**told, "deleted_by": {"id": HUMAN}})
            self._notify(module, ref, "delete")

    def _notify(self, module: str, ref: str, operation: str) -> None:
        for watch in self.watches.values():
            if (
                f"{module}.all" in watch["events"]
                and datetime.fromisoformat(watch["channel_expiry"]).timestamp() > self.clock()
            ):
                body = {"module": module, "ids": [ref], "operation": operation, "channel_id": watch["channel_id"],
                        "token": watch["token"], "query_params": {}}  # fmt: skip
                self.postman.deliver(watch["notify_url"], _json(body), {"Content-Type": "application/json"})


def picks(names: Any) -> list[Row]:
    """Values of a picklist."""
    return [{"display_value": name, "actual_value": name, "colour_code": None} for name in names]


def _json(body: Row) -> bytes:

    return json.dumps(body).encode()
