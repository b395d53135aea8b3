"""What one hub is started with. Read once, handed down; no module looks at the environment itself."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Config:
    """Settings of a process. `folder` holds data that is not in a database server.

    `public_url` is how the outside reaches us; hook addresses and forms are built from it alone. `proxies` is
    how many reverse proxies stand in front of us (0: the sender's address is the peer's). `allowed_hosts` are
    `host:port` pairs on private networks that connectors may call (self-hosted CRMs).
    """

    folder: Path
    database_url: str
    inbox_url: str
    redis_url: str = ""
    public_url: str = "http://127.0.0.1:8040"
    host: str = "127.0.0.1"
    port: int = 8040
    threads: int = 64
    key: str = ""
    locale: str = "en"
    region: str = ""
    allowed_hosts: tuple[str, ...] = ()
    form_limit: int = 1024 * 1024
    file_limit: int = 10 * 1024 * 1024
    proxies: int = 0
    quarantine_per_minute: int = 60
    form_per_minute: int = 600


def sqlite_url(file: Path) -> str:
    """SQLAlchemy address of a SQLite file."""
    return f"sqlite:///{file.resolve()}"


def load_config(folder: Path, env: Mapping[str, str] = os.environ, **overrides: object) -> Config:
    """Settings from LEADHUB_* variables; with nothing set, two SQLite files in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    database = env.get("LEADHUB_DATABASE_URL") or sqlite_url(folder / "hub.db")
    embedded = database.startswith("sqlite")
    values: dict[str, object] = {
        "folder": folder,
        "database_url": database,
        "inbox_url": sqlite_url(folder / "inbox.db") if embedded else database,
        "redis_url": env.get("LEADHUB_REDIS_URL", ""),
        "key": env.get("LEADHUB_KEY", ""),
        "locale": env.get("LEADHUB_LOCALE", "en"),
        "region": env.get("LEADHUB_REGION", ""),
        "public_url": env.get("LEADHUB_PUBLIC_URL", "").rstrip("/"),
        "proxies": int(env.get("LEADHUB_PROXIES", "0")),
        "allowed_hosts": tuple(filter(None, env.get("LEADHUB_ALLOWED_HOSTS", "").split(","))),
    }
    values.update({name: value for name, value in overrides.items() if value is not None})
    if not values["public_url"]:
        values["public_url"] = f"http://{values.get('host', '127.0.0.1')}:{values.get('port', 8040)}"
    return Config(**values)  # type: ignore[arg-type]  # names are those of the class, see the test
