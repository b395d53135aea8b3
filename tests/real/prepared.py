"""Running CRMs out of packages: an environment and an empty account, made once per machine, copied for each module.

Both live in the user's cache folder under a name that changes with the packages, the Python and the set-up script, so
a change of any of them prepares anew. What several test processes want at the same moment is made by one of them.
"""

from __future__ import annotations

import fcntl
import hashlib
import http.client
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import NO_PYTHON, NO_SKIP

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "leadhub-tests"
PATIENCE = 180.0
"""Seconds a server may take to start where others work too; alone it takes two to ten."""
NEWER = ("python3.12", "python3.13", "python3.14")


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a product is prepared: `packages` for pip, and `steps`, commands (with {python} and {folder}) that make the
    account in an empty folder, where `files` (name → content, {folder} in it is that folder) lie already."""

    name: str
    packages: tuple[str, ...]
    files: tuple[tuple[str, str], ...]
    steps: tuple[tuple[str, ...], ...]
    python: Path

    @property
    def key(self) -> str:
        """Changes with whatever the result depends on."""
        told = repr((self.packages, self.files, self.steps, _version(self.python)))
        return f"{self.name}-{hashlib.blake2b(told.encode(), digest_size=6).hexdigest()}"


def newer_python() -> Path:
    """A Python of 3.12 or later on this machine; the test is skipped where there is none."""
    named = [Path(place) for name in NEWER if (place := shutil.which(name))]
    pyenv = sorted((Path.home() / ".pyenv" / "versions").glob("3.1[2-9]*/bin/python"))
    for place in (Path(sys.executable), *named, *pyenv):
        if _version(place) >= (3, 12):
            return place
    pytest.skip(NO_PYTHON)


def _version(python: Path) -> tuple[int, ...]:
    """(major, minor) of what really starts there; () for a name behind which nothing is."""
    told = subprocess.run([python, "-c", "import sys; print(*sys.version_info[:2])"], capture_output=True, check=False)
    return tuple(map(int, told.stdout.split()))


@contextmanager
def prepared(recipe: Recipe) -> Iterator[Path]:
    """The folder with `env` (a virtual environment) and `account`; made now if this machine has none yet."""
    CACHE.mkdir(parents=True, exist_ok=True)
    folder = CACHE / recipe.key
    with (CACHE / f"{recipe.key}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "ready").exists():
            _make(recipe, folder)
    yield folder


def _make(recipe: Recipe, folder: Path) -> None:
    """Made in place, because an environment does not move; `ready` comes last."""
    shutil.rmtree(folder, ignore_errors=True)
    account = folder / "account"
    account.mkdir(parents=True)
    for name, content in recipe.files:
        (account / name).write_text(content.replace("{folder}", str(account)), encoding="utf-8")
    _environment(recipe, folder)
    python = folder / "env" / "bin" / "python"
    for step in recipe.steps:
        _run([part.format(python=python, bin=python.parent, folder=account) for part in step], account)
    (folder / "ready").touch()


def _environment(recipe: Recipe, folder: Path) -> None:
    """A virtual environment with the packages; where none can be had the test is skipped, but not in CI.

    Python compiles what it comes to use: compiling all that such a product brings takes as long as fetching it."""
    _run([str(recipe.python), "-m", "venv", str(folder / "env")], folder)
    pip = [str(folder / "env/bin/python"), "-m", "pip", "--disable-pip-version-check"]
    try:
        _run([*pip, "install", "-q", "--no-compile", *recipe.packages], folder)
    except RuntimeError as error:
        if NO_SKIP:
            raise
        pytest.skip(f"{recipe.name} cannot be installed here: {str(error).splitlines()[-1]}")


def environment(**told: str) -> dict[str, str]:
    """Ours, in which Python keeps what it compiled, and what is told."""
    return {**os.environ, "PYTHONDONTWRITEBYTECODE": "", **told}


def _run(command: Sequence[str], folder: Path) -> None:
    env = environment(PYTHONPATH=str(folder))
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[:4])} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def answers(port: int) -> bool:
    """Whether a web server answers there. One that listens may still be loading its application."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    with closing(line), suppress(OSError, http.client.HTTPException):
        line.request("GET", "/")
        return bool(line.getresponse().status)
    return False
