"""How the stand-in refuses: a code, a sentence, the fields that are to blame."""

from __future__ import annotations

from typing import Any


class Wrong(Exception):
    """What Salesforce refuses: errorCode, message, fields."""

    def __init__(self, code: str, message: str = "", fields: tuple[str, ...] = ()) -> None:
        super().__init__(message or code)
        self.code, self.fields = code, fields

    def told(self, name: str = "statusCode") -> dict[str, Any]:
        """As a row of an answer; `name` is what the code is called there."""
        return {name: self.code, "message": str(self), "fields": list(self.fields)}
