"""A mail server in this process, for tests: takes mails in, or does not, as it is told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from connectors.testing.ports import free_port


@dataclass
class Office:
    """A mail server that does as it is told: `rcpt` (one address: `rcpts`) and `data` are its answers; "" hangs up."""

    mails: list[bytes] = field(default_factory=list)
    rcpt: str = "250 OK"
    rcpts: dict[str, str] = field(default_factory=dict)
    data: str = "250 OK"
    port: int = 0

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        said = self.rcpts.get(address, self.rcpt)
        if said.startswith("250"):
            envelope.rcpt_tos.append(address)
        return said

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.mails.append(envelope.content)
        if not self.data:
            server.transport.abort()
        return self.data or "250 OK"


def let_in(_server: Any, _session: Any, _envelope: Any, _kind: str, data: Any) -> AuthResult:
    fits = isinstance(data, LoginPassword) and (data.login, data.password) == (b"desk", b"right")
    return AuthResult(success=fits, handled=False)


@contextmanager
def open_office() -> Iterator[Office]:
    """Runs until the end of the block; its account is desk, right."""
    made = Office()
    made.port = free_port()
    server = Controller(
        made, "127.0.0.1", made.port, authenticator=let_in, auth_require_tls=False, enable_SMTPUTF8=True
    )
    server.start()
    try:
        yield made
    finally:
        server.stop()
