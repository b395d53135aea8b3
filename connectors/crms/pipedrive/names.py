"""What one account calls its things: custom fields by key, options by id, lead labels by uuid.

Custom fields have a random key of 40 hex digits in every company, so the hub's own are known by their names
(`HUB_ID` ...) and looked up here; foreign ones keep their key. The lists are asked for once and again after `forget`.

Labels of leads have neither order nor kind. Those that stand for stages say so by their name: "1 · New", "2 · In
work"; every other label is a tag of people's own and stays one.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connectors.errors import Pause, Refuse

Row = dict[str, Any]
MARKER = "HUB_ID"
KEY = re.compile(r"[0-9a-f]{40}")
FIELD_LISTS = {
    "leads": "v2/dealFields",  # leads have no fields of their own
    "deals": "v2/dealFields",
    "persons": "v2/personFields",
    "organizations": "v2/organizationFields",
}
LABELS = "v1/leadLabels"
_STAGE = re.compile(r"(\d+(?:\.\d+)?) · (.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Custom:
    """A custom field: its name in our values, its key over there, type, label, options by id."""

    name: str
    key: str
    type: str
    label: str
    options: Mapping[str, str]

    def option(self, label: Any) -> int:
        """Id of the option with this label (or id); `Refuse` when there is none."""
        for ref, name in self.options.items():
            if str(label) in (name, ref):
                return int(ref)
        raise Refuse(f"Pipedrive's field {self.label} has no option like this", {self.name: "no such option"})


def stage_label(name: str) -> tuple[float, str] | None:
    """(position, name) of a label that stands for a stage, None for a tag."""
    part = _STAGE.fullmatch(name)
    return (float(part[1]) * 10, part[2]) if part else None


def label_name(position: float, name: str) -> str:
    """Stage 20 "In work" as its label is called: "2 · In work"."""
    return f"{position / 10:g} · {name}"


class Names:
    """The lists of one account, remembered. Any number of threads may ask; the first one fetches.

    `ask(path)` answers the rows of a list, `add(path, body)` makes what was missing.
    """

    def __init__(self, ask: Callable[[str], list[Row]], add: Callable[[str, Any], None]) -> None:
        self._ask, self._add = ask, add
        self._known: dict[str, list[Row]] = {}
        self._gone: set[str] = set()
        self._lock = threading.Lock()

    def rows(self, path: str) -> list[Row]:
        """Rows of a list as the API shows them."""
        with self._lock:
            if path not in self._known:
                self._known[path] = self._ask(path)
            return self._known[path]

    def forget(self) -> None:
        """Somebody changed the account's set-up: ask again next time."""
        with self._lock:
            self._known.clear()

    # ── custom fields ────────────────────────────────────────────────────────────────────────────

    def fields(self, kind: str) -> dict[str, Custom]:
        """Custom fields by their name in our values. Of two with one name of ours the first counts."""
        found: dict[str, Custom] = {}
        for row in self.rows(FIELD_LISTS[kind]) if kind in FIELD_LISTS else ():
            if row.get("is_custom_field") and row.get("field_code"):
                field = _custom(row)
                if field.name in found:
                    field = _custom({**row, "field_name": row["field_code"]})
                found[field.name] = field
        return found

    def by_key(self, kind: str) -> dict[str, Custom]:
        """The same by key."""
        return {field.key: field for field in self.fields(kind).values()}

    def field(self, kind: str, name: str) -> Custom:
        """One custom field; asked again when it is not known. `Refuse` when there is none."""
        found = self.fields(kind)
        if name not in found:
            self.forget()
            found = self.fields(kind)
        if name not in found and name == MARKER:
            raise Pause(f"Pipedrive has no field {MARKER} for {kind}: set the account up first")
        if name not in found:
            raise Refuse(f"Pipedrive has no field {name} for {kind}", {name: "no such field"})
        return found[name]

    # ── labels ───────────────────────────────────────────────────────────────────────────────────

    def stages(self) -> set[str]:
        """Ids of the labels that stand for stages of leads."""
        return {str(row["id"]) for row in self.rows(LABELS) if stage_label(str(row.get("name", "")))}

    def labels(self, kind: str) -> dict[str, str]:
        """Tags by id: labels of leads that are no stages, options of the field `label` elsewhere."""
        if kind == "leads":
            rows = [row for row in self.rows(LABELS) if not stage_label(str(row.get("name", "")))]
            return {str(row["id"]): str(row.get("name", "")) for row in rows}
        row = self._label_field(kind)
        return _options(row) if row else {}

    def tags(self, kind: str, refs: Sequence[Any]) -> list[str]:
        """The tags among these labels of a record. One that is not known was made lately, or is gone for good."""
        wanted = [str(ref) for ref in refs]
        if wanted and (strange := set(wanted) - self._label_refs(kind) - self._gone):
            self.forget()
            self._gone |= strange - self._label_refs(kind)
        known = self.labels(kind) if wanted else {}
        return [known[ref] for ref in wanted if ref in known]

    def _label_refs(self, kind: str) -> set[str]:
        return {str(row["id"]) for row in self.rows(LABELS)} if kind == "leads" else set(self.labels(kind))

    def label_ids(self, kind: str, wanted: Sequence[Any]) -> list[Any]:
        """Ids of tags; those that are not there yet are made."""
        missing = [str(tag) for tag in wanted if str(tag) not in self.labels(kind).values()]
        if missing:
            self.forget()  # somebody may have made them meanwhile
            for tag in dict.fromkeys(missing):
                if tag not in self.labels(kind).values():
                    self._make_label(kind, tag)
        known = {name: ref for ref, name in self.labels(kind).items()}
        refs = [known[str(tag)] for tag in dict.fromkeys(map(str, wanted)) if str(tag) in known]
        return refs if kind == "leads" else [int(ref) for ref in refs]

    def _make_label(self, kind: str, tag: str) -> None:
        if kind == "leads":
            self._add(LABELS, {"name": tag, "color": "gray"})
        elif row := self._label_field(kind):
            self._add(f"{FIELD_LISTS[kind]}/{row['field_code']}/options", [{"label": tag}])
        self.forget()

    def _label_field(self, kind: str) -> Row | None:
        rows = self.rows(FIELD_LISTS[kind]) if kind in FIELD_LISTS else []
        return next((row for row in rows if row.get("field_code") in {"label", "label_ids"}), None)


def _custom(row: Row) -> Custom:
    key, label = str(row["field_code"]), str(row.get("field_name", ""))
    ours = label.upper().startswith("HUB_") and label.upper() == label
    return Custom(label if ours else key, key, str(row.get("field_type", "varchar")), label, _options(row))


def _options(row: Row) -> dict[str, str]:
    found = row.get("options")
    rows = [one for one in found if isinstance(one, dict) and "id" in one] if isinstance(found, list) else []
    return {str(one["id"]): str(one.get("label", "")) for one in rows}
