"""Errors of the edge, named after what the hub does next.

`str(error)` is one sentence an admin can act on. No secret and no personal value ever stands in it.
"""

from __future__ import annotations

from collections.abc import Mapping


class ConnectorError(Exception):
    """Base of everything an outside system can do to us."""

    @property
    def code(self) -> str:
        """Short stable word for logs and tables: the class name in lower case."""
        return type(self).__name__.lower()


class Retry(ConnectorError):
    """Try the same thing again later.

    `after` is the number of seconds the other side asked for, None when it did not say.
    `effect` is False only when the request certainly changed nothing over there.
    """

    def __init__(self, message: str, *, after: float | None = None, effect: bool = False) -> None:
        super().__init__(message)
        self.after = after
        self.effect = effect


class Pause(ConnectorError):
    """Stop this connection until a person acts (token revoked, account unpaid, wrong address)."""


class Refuse(ConnectorError):
    """The other side refuses these values for good; `fields` says which and why."""

    def __init__(self, message: str, fields: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.fields = dict(fields or {})


class Conflict(ConnectorError):
    """The record changed over there, or exists already under `ref`: read it and decide anew."""

    def __init__(self, message: str, ref: str | None = None) -> None:
        super().__init__(message)
        self.ref = ref


class Missing(ConnectorError):
    """The record is positively gone over there."""


class Unverified(ConnectorError):
    """The message does not prove who sent it: quarantine, replay once the secret is right."""


class Unreadable(ConnectorError):
    """Nobody here understands this message: keep it, park it, count it."""


class Unsupported(ConnectorError):
    """This system cannot do what was asked, today or ever."""
