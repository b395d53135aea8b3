"""Tags of BottleCRM, which records name by id. One that nobody made yet is made, one in its archive is taken out."""

from __future__ import annotations

from collections.abc import Sequence

from connectors.crms.bottlecrm.api import Api
from connectors.errors import Refuse, Retry


class Tags:
    """Ids by name, read once. Two spellings of one tag are one: BottleCRM compares letters and digits alone."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._ids: dict[str, str] | None = None

    def ids(self, names: Sequence[str]) -> list[str]:
        """In order, each once. Raises `Refuse` with the field for a name that cannot be a tag."""
        if self._ids is None and names:
            self._read()
        return list(dict.fromkeys(self._id(name) for name in names))

    def _id(self, name: str) -> str:
        known = self._ids or {}
        return known.get(_plain(name)) or self._make(name)

    def _read(self) -> None:
        rows = self._api.read("tags/")[0].get("tags")
        if not isinstance(rows, list):
            raise Retry("BottleCRM's answer holds no tags")
        self._ids = {_plain(str(row["name"])): str(row["id"]) for row in rows if isinstance(row, dict)}

    def _make(self, name: str) -> str:
        try:
            made = self._api.send("POST", "tags/", {"name": name.strip()})[0].get("tag")
        except Refuse as error:
            raise Refuse(str(error), {"tags": error.fields.get("name", str(error))}) from None
        if not isinstance(made, dict) or not made.get("id"):
            raise Retry("BottleCRM's answer does not name the tag it made", effect=False)
        self._ids = {**(self._ids or {}), _plain(name): str(made["id"])}
        return str(made["id"])


def _plain(name: str) -> str:
    """As BottleCRM tells tags apart, near enough: it knows letters, digits, marks and the lines between them."""
    kept = "".join(sign for sign in name.casefold() if sign.isalnum() or sign in "_- ")
    return "-".join(kept.replace("-", " ").split())
