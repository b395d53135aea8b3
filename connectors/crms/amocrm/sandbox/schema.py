"""Pipelines with their stages, and the fields every account is born with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from connectors.crms.amocrm.setup import PALETTE

Row = dict[str, Any]
WON, LOST = 142, 143
LIMIT_PIPELINES, LIMIT_STATUSES = 50, 100


class Wrong(Exception):
    """A refusal: `errors` in the words of amoCRM's problem document."""

    def __init__(self, code: str, path: str, detail: str) -> None:
        super().__init__(detail)
        self.errors = [{"code": code, "path": path, "detail": detail}]


class Pipelines:
    """All pipelines. The stages unsorted, 142 and 143 are in each of them; the latter with the same ids everywhere."""

    def __init__(self, number: Callable[[], int]) -> None:
        self._number = number
        self.all: dict[int, Row] = {}
        self.main = self.add({"name": "Sales", "is_main": True, "_embedded": {"statuses": [
            {"name": "First contact", "sort": 10, "color": "#98cbff"},
            {"name": "Offer", "sort": 20, "color": "#fffd7f"},
        ]}})["id"]  # fmt: skip

    def add(self, wish: Mapping[str, Any]) -> Row:
        """A new pipeline."""
        if len(self.all) >= LIMIT_PIPELINES:
            raise Wrong("TooMany", "pipelines", "An account has at most 50 pipelines.")
        own = [one for one in (wish.get("_embedded") or {}).get("statuses") or () if one.get("id") not in {WON, LOST}]
        if not own:
            raise Wrong("NotBlank", "_embedded.statuses", "This value should not be blank.")
        pipeline: Row = {"id": self._number(), "name": _named(wish), "sort": wish.get("sort", 1), "is_archive": False,
                         "is_main": bool(wish.get("is_main")), "is_unsorted_on": bool(wish.get("is_unsorted_on", True)),
                         "statuses": {}}  # fmt: skip
        stages = pipeline["statuses"]
        _put(stages, self._number(), "Incoming leads", 10, "#c1c1c1", system=1)
        for one in own:
            self._stage(stages, one)
        _put(stages, WON, "Closed - won", 10_000, "#CCFF66", system=0)
        _put(stages, LOST, "Closed - lost", 11_000, "#D5D8DB", system=0)
        self.all[pipeline["id"]] = pipeline
        return pipeline

    def add_stage(self, pipeline: int, wish: Mapping[str, Any]) -> Row:
        """A new stage; 100 with the system ones at most."""
        stages = self.all[pipeline]["statuses"]
        if len(stages) >= LIMIT_STATUSES:
            raise Wrong("TooMany", "statuses", "A pipeline has at most 100 statuses.")
        return self._stage(stages, wish)

    def _stage(self, stages: dict[int, Row], wish: Mapping[str, Any]) -> Row:
        return _put(
            stages, self._number(), _named(wish), wish.get("sort", 10), _colour(wish) or PALETTE[9], system=None
        )

    def change_stage(self, pipeline: int, status: int, wish: Mapping[str, Any]) -> Row:
        """Rename, move, colour; of a system stage only the name."""
        stage: Row = self.all[pipeline]["statuses"][status]
        if not stage["is_editable"] and (stage["type"] == 1 or wish.keys() - {"name"}):
            raise Wrong("NotEditable", "id", "System statuses cannot be edited.")
        colour = _colour(wish)
        stage |= {key: wish[key] for key in ("name", "sort") if key in wish} | ({"color": colour} if colour else {})
        return stage

    def place(self, wish: Mapping[str, Any], now: int | None = None) -> tuple[int, int]:
        """(pipeline, status) a wish means. A status alone names its pipeline, except 142 and 143: these stay."""
        pipeline, status = wish.get("pipeline_id"), wish.get("status_id")
        if pipeline is None:
            owners = [number for number, one in self.all.items() if status in one["statuses"]]
            pipeline = now if now in owners or status is None else (owners[0] if len(owners) == 1 else None)
            pipeline = pipeline or now or self.main
        if pipeline not in self.all:
            raise Wrong("NotSupportedChoice", "pipeline_id", "The value you selected is not a valid choice.")
        stages = self.all[pipeline]["statuses"]
        status = first_open(stages) if status is None else status
        if status not in stages:
            raise Wrong("NotSupportedChoice", "status_id", "The value you selected is not a valid choice.")
        return pipeline, status


def first_open(stages: Mapping[int, Row]) -> int:
    """The stage a lead starts in: the first that is not the system's."""
    return int(min((one for one in stages.values() if one["is_editable"]), key=lambda one: one["sort"])["id"])


def shown(pipeline: Row) -> Row:
    """A pipeline in the API's shape."""
    stages = sorted(pipeline["statuses"].values(), key=lambda one: one["sort"])
    return {**{k: v for k, v in pipeline.items() if k != "statuses"},
            "_embedded": {"statuses": [{**one, "pipeline_id": pipeline["id"]} for one in stages]}}  # fmt: skip


def _put(stages: dict[int, Row], number: int, name: str, sort: int, colour: str, system: int | None) -> Row:
    stages[number] = {"id": number, "name": name, "sort": sort, "is_editable": system is None, "color": colour,
                      "type": system or 0}  # fmt: skip
    return stages[number]


def _named(wish: Mapping[str, Any]) -> str:
    name = wish.get("name")
    if not isinstance(name, str) or not name.strip():
        raise Wrong("NotBlank", "name", "This value should not be blank.")
    return name


def _colour(wish: Mapping[str, Any]) -> str:
    colour = wish.get("color")
    if colour is not None and colour not in PALETTE:
        raise Wrong("NotSupportedChoice", "color", "The value you selected is not a valid choice.")
    return colour or ""


def fields_at_birth() -> Iterator[tuple[str, Row]]:
    """Fields no account can do without."""
    for kind in ("contacts", "companies"):
        yield kind, _multitext("Phone", "PHONE", "WORK WORKDD MOB FAX HOME OTHER")
        yield kind, _multitext("Email", "EMAIL", "WORK PRIV OTHER")
    yield "contacts", {"name": "Position", "type": "text", "code": "POSITION"}
    yield "companies", {"name": "Web", "type": "url", "code": "WEB"}
    yield "companies", {"name": "Address", "type": "textarea", "code": "ADDRESS"}
    for code in ("UTM_SOURCE", "UTM_MEDIUM", "UTM_CAMPAIGN", "UTM_TERM", "UTM_CONTENT"):
        yield "leads", {"name": code.lower(), "type": "tracking_data", "code": code, "is_api_only": True}


def _multitext(name: str, code: str, enums: str) -> Row:
    return {"name": name, "type": "multitext", "code": code, "enums": [{"value": one} for one in enums.split()]}
