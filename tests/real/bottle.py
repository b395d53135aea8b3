"""A real BottleCRM on loopback and SQLite, with an account of its own for each `with` block."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from connectors.testing.ports import free_port
from tests.real.prepared import PATIENCE, Recipe, answers, environment, newer_python, prepared
from tests.servers import guarded, running

VERSION = "1.35.0"
ENVIRONMENT = {
    "SECRET_KEY": "for-tests-only-0123456789-abcdefghij",
    "ENV_TYPE": "dev",
    "DEBUG": "True",
    "ALLOWED_HOSTS": "localhost,127.0.0.1",
    "DJANGO_SETTINGS_MODULE": "bottle_settings",
}
SERVED = {"DEBUG": "False"}
"""As in production. With DEBUG Django writes every statement down, which is a sixth of its time."""


@dataclass(frozen=True, slots=True)
class Bottle:
    """A running server: its address, a token for programs, a session of the administrator, and its files."""

    address: str
    token: str
    session: str
    folder: Path

    def rewind(self) -> None:
        """The account is again as it was kept, at first when its server started. Emptying it by hand is half of a
        test's calls."""
        _copy(self.folder / "kept.sqlite3", self.folder / "db.sqlite3")

    def keep(self) -> None:
        """From now on the account is rewound to what it is now."""
        _copy(self.folder / "db.sqlite3", self.folder / "kept.sqlite3")


def recipe() -> Recipe:
    """The tables take eight seconds of CPU, the packages a minute."""
    here = Path(__file__).parent
    names = ("bottle_settings.py", "bottle_account.py")
    files = tuple((name, (here / name).read_text(encoding="utf-8")) for name in names)
    settings = " ".join(f"{name}={value}" for name, value in ENVIRONMENT.items())
    env = f"{settings} BOTTLE_DATABASE={{folder}}/db.sqlite3"
    steps = (
        ("sh", "-c", f"{env} {{python}} -m django migrate --run-syncdb -v 0"),
        ("sh", "-c", f"{env} {{python}} bottle_account.py credentials.json"),
    )
    return Recipe("bottlecrm", (f"django-crm=={VERSION}", "gunicorn"), files, steps, newer_python())


@contextmanager
def bottle_server(folder: Path) -> Iterator[Bottle]:
    """Serve a fresh copy of the account in `folder`."""
    with prepared(recipe()) as made:
        account, port = made / "account", free_port()
        shutil.copytree(account, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("db.sqlite3*"))
        for name in ("kept.sqlite3", "db.sqlite3"):
            _copy(account / "db.sqlite3", folder / name)
        places = {"PYTHONPATH": str(folder), "BOTTLE_DATABASE": str(folder / "db.sqlite3")}
        env = environment(**{**ENVIRONMENT, **SERVED}, **places)
        options = f"-b 127.0.0.1:{port} -w 1 -k gthread --threads 4 --no-control-socket".split()
        python = made / "env/bin/python"
        command = guarded([python, "-m", "gunicorn", "crm.wsgi:application", *options], signal.SIGTERM)
        with running(command, folder, lambda: answers(port), signal.SIGTERM, seconds=PATIENCE, env=env):
            told = json.loads((folder / "credentials.json").read_text(encoding="utf-8"))
            yield Bottle(f"http://127.0.0.1:{port}", told["token"], told["session"], folder)


def _copy(source: Path, target: Path) -> None:
    """Whole, whatever still stands in its write-ahead log."""
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target, timeout=30)) as new:
        old.backup(new)
