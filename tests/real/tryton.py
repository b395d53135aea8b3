"""A real Tryton with opportunities, on loopback and SQLite, with an account of its own for each `with` block."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from connectors.testing.ports import free_port
from tests.real.prepared import PATIENCE, Recipe, answers, environment, prepared
from tests.servers import guarded, running

PASSWORD = "hub-test-password"
DATABASE = "tryton"
FILE = f"{DATABASE}.sqlite"
CONFIG = """[database]
uri = sqlite://
path = {folder}
[web]
listen = 127.0.0.1:{port}
[session]
authentications = password
[password]
length = 4
"""
_SCHEMA = (
    f"touch {FILE} && TRYTONPASSFILE=password exec {{bin}}/trytond-admin -c trytond.conf -d {DATABASE}"
    " -u sale_opportunity --activate-dependencies --email hub@example.com"
)


def recipe() -> Recipe:
    """The schema takes half a minute of CPU."""
    script = Path(__file__).with_name("tryton_account.py").read_text(encoding="utf-8")
    files = (("trytond.conf", CONFIG.replace("{port}", "1")), ("password", PASSWORD), ("account.py", script))
    steps = (("sh", "-c", _SCHEMA), ("{python}", "account.py", "{folder}"))
    return Recipe("tryton", ("trytond==8.2.*", "trytond_sale_opportunity==8.2.*"), files, steps, Path(sys.executable))


_CHEAP = """
import functools, runpy, sys
from pwdlib.hashers import argon2
argon2.Argon2Hasher = functools.partial(argon2.Argon2Hasher, time_cost=1, memory_cost=8, parallelism=1)
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
"""Runs the program named first. The same password fits; full strength costs 0.15 s of a core for each log-in, which is
each test."""


@contextmanager
def tryton_server(folder: Path) -> Iterator[str]:
    """Serve a fresh copy of the account in `folder`; yields the address."""
    with prepared(recipe()) as made:
        port = free_port()
        shutil.copy(made / "account" / FILE, folder)
        shutil.copy(made / "account" / FILE, folder / f"fresh-{FILE}")
        (folder / "trytond.conf").write_text(CONFIG.format(folder=folder, port=port), encoding="utf-8")
        command = guarded([made / "env/bin/python", "-c", _CHEAP, made / "env/bin/trytond", "-c",
                           folder / "trytond.conf", "-d", DATABASE], signal.SIGTERM)  # fmt: skip
        with running(command, folder, lambda: answers(port), signal.SIGTERM, seconds=PATIENCE, env=environment()):
            yield f"http://127.0.0.1:{port}"


def rewind(folder: Path) -> None:
    """The account in `folder` is again as it was when its server started; everybody has to log in anew. A start takes
    three seconds of a core."""
    with closing(sqlite3.connect(folder / f"fresh-{FILE}")) as fresh, closing(sqlite3.connect(folder / FILE)) as used:
        fresh.backup(used)
