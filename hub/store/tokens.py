"""Tokens of accounts that were connected by OAuth: sealed in the database, refreshed by one worker at a time."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from zlib import crc32

from filelock import FileLock
from sqlalchemy import select, text

from connectors.errors import Pause
from connectors.oauth import Tokens
from hub.model import setting
from hub.store.engine import Store, inserting
from hub.store.secrets import Vault

LOCK = 0x70E5


class TokenBox:
    """Keeps `connectors.oauth.TokenStore` for one connection."""

    def __init__(self, store: Store, vault: Vault, folder: Path, connection_id: str) -> None:
        self._store, self._vault, self._folder, self._id = store, vault, folder, connection_id
        self._name = f"tokens/{connection_id}"

    def load(self) -> Tokens:
        """The tokens; `Pause` while nobody has connected the account."""
        with self._store.read() as conn:
            found = conn.execute(select(setting.c.value).where(setting.c.name == self._name)).scalar()
        if not found:
            raise Pause("The account is not connected yet: open the connection and press Connect")
        told = self._vault.open(base64.b64decode(found["sealed"]), self._name)
        return Tokens(
            told["access"], told["refresh"], float(told["expires_at"]), int(told["refusals"]), told.get("address", "")
        )

    def save(self, tokens: Tokens) -> None:
        """Durable when it returns."""
        plain = {name: str(value) for name, value in asdict(tokens).items()}
        value = {"sealed": base64.b64encode(self._vault.seal(plain, self._name)).decode()}
        with self._store.write() as conn:
            put = inserting(conn, setting).values(name=self._name, value=value)
            conn.execute(put.on_conflict_do_update(index_elements=[setting.c.name], set_={"value": value}))

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Held while somebody refreshes: a call to the vendor, so no transaction of ours may wait for it."""
        if self._store.is_sqlite:
            with FileLock(self._folder / f"tokens-{self._id}.lock"):
                yield
            return
        with self._store.hub.connect() as conn:
            key = crc32(self._name.encode()) - 2**31
            conn.execute(text("SELECT pg_advisory_lock(:lock, :key)"), {"lock": LOCK, "key": key})
            try:
                yield
            finally:
                conn.execute(text("SELECT pg_advisory_unlock(:lock, :key)"), {"lock": LOCK, "key": key})
                conn.commit()
