"""How the stand-in refuses one record: a code, the field that is to blame."""

from __future__ import annotations

from typing import Any


class Wrong(Exception):
    """What Zoho refuses of one record: code, field, details."""

    def __init__(self, code: str, field: str = "", **details: Any) -> None:
        super().__init__(code)
        self.code = code
        self.details = {**({"api_name": field, "json_path": f"$.data[0].{field}"} if field else {}), **details}

    def told(self) -> dict[str, Any]:
        """As a row of an answer."""
        return {"code": self.code, "details": self.details, "message": "not as it should be", "status": "error"}
