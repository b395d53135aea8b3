"""The rules of the house that no linter knows: where the clock is, what names say, what each room must hold.

Who may import whom is import-linter's job (pyproject.toml); it sees packages only, so one rule here makes sure
that every folder of ours is one.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Callable, Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
ROOMS = ("hub", "connectors", "mappings", "workers")
SOURCES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
OURS = [path for path in SOURCES if not {"sandbox.py", "sandbox", "bench"} & set(path.relative_to(ROOT).parts)]
"""What runs in a customer's house. Sandboxes play the other side, and the bench measures us from outside."""
TESTS = sorted((ROOT / "tests").rglob("*.py"))

Finding = tuple[int, str]
"""Line number and what stands there."""


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def findings(paths: list[Path], look: Callable[[ast.Module], Iterator[Finding]]) -> list[str]:
    """What `look` finds in each file, as `path:line: what`."""
    return [f"{path.relative_to(ROOT)}:{line}: {what}" for path in paths for line, what in look(tree(path))]


# ── the clock ────────────────────────────────────────────────────────────────────────────────────

CLOCKS = re.compile(
    r"(?:.*\.)?(?:datetime\.(?:now|utcnow|today)|date\.today|time\.(?:time|time_ns|localtime|gmtime)"
    r"|func\.(?:now|current_timestamp|current_date))"
)


def clock_reads(module: ast.Module) -> Iterator[Finding]:
    """Every place that asks for the time of day, also through `from time import time`. Durations are free."""
    for node in ast.walk(module):
        if isinstance(node, ast.Attribute) and CLOCKS.fullmatch(ast.unparse(node)):
            yield node.lineno, ast.unparse(node)
        elif isinstance(node, ast.ImportFrom):
            for name in node.names:
                if CLOCKS.fullmatch(f"{node.module}.{name.name}"):
                    yield node.lineno, f"from {node.module} import {name.name}"


def test_the_clock_is_read_in_one_place() -> None:
    assert findings([path for path in OURS if path != ROOT / "hub" / "clock.py"], clock_reads) == []


# ── the network ──────────────────────────────────────────────────────────────────────────────────


def raw_http(module: ast.Module) -> Iterator[Finding]:
    """The standard library's HTTP clients, which only the tools of the edge use; import-linter knows the other ones."""
    for node in ast.walk(module):
        if isinstance(node, ast.Import | ast.ImportFrom):
            origin = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            names = (f"{origin}{alias.name}" for alias in node.names)
            yield from ((node.lineno, name) for name in names if re.match(r"(http\.client|urllib\.request)\b", name))


def test_http_goes_through_the_edge() -> None:
    assert findings([path for path in OURS if path.parent != ROOT / "connectors"], raw_http) == []


# ── names ────────────────────────────────────────────────────────────────────────────────────────

EMPTY_WORDS = {"manager", "helper", "util", "processor", "service", "integration", "entity", "item"}


def words(name: str) -> set[str]:
    """The words of an identifier in lower case, plural endings taken off."""
    parts = (part.lower() for part in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name))
    return {re.sub(r"ies$", "y", part).removesuffix("s") for part in parts}


def empty_names(module: ast.Module) -> Iterator[Finding]:
    for node in ast.walk(module):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and words(node.name) & EMPTY_WORDS:
            yield node.lineno, node.name


def test_names_say_something() -> None:
    files = [str(path.relative_to(ROOT)) for path in SOURCES + TESTS]
    assert [name for name in files if words(name.removesuffix(".py")) & EMPTY_WORDS] == []
    assert findings(SOURCES + TESTS, empty_names) == []


# ── errors ───────────────────────────────────────────────────────────────────────────────────────

BROAD_EXCEPTS: dict[str, str] = {
    "workers/outermost.py:survive": "the loop of every worker: what was leased comes back by itself, work goes on",
}
"""`path:function` -> why everything is caught there. Two at the most: around foreign code, and where work ends."""


def broad_excepts(module: ast.Module) -> Iterator[Finding]:
    """Handlers that catch everything and do not raise it again, by the function they stand in."""
    for function in ast.walk(module):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from ((line, function.name) for line in _swallowed(function))


def _swallowed(function: ast.AST) -> Iterator[int]:
    for node in ast.walk(function):
        if isinstance(node, ast.ExceptHandler) and _is_broad(node.type) and not _raises_again(node):
            yield node.lineno


def _is_broad(kind: ast.expr | None) -> bool:
    kinds = kind.elts if isinstance(kind, ast.Tuple) else [kind]
    return any(each is None or ast.unparse(each) in {"Exception", "BaseException"} for each in kinds)


def _raises_again(handler: ast.ExceptHandler) -> bool:
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


def test_errors_are_caught_by_name() -> None:
    places = {re.sub(r":\d+: ", ":", found) for found in findings(SOURCES, broad_excepts)}
    assert places == set(BROAD_EXCEPTS)
    assert len(BROAD_EXCEPTS) <= 2


# ── rooms ────────────────────────────────────────────────────────────────────────────────────────


def test_every_folder_with_code_is_a_package() -> None:
    bare = {path.parent for path in SOURCES if not (path.parent / "__init__.py").exists()}
    # Alembic loads its scripts by path; they are not imported.
    assert sorted(str(folder.relative_to(ROOT)) for folder in bare if "migrations" not in folder.parts) == []


def test_every_module_says_what_it_is() -> None:
    silent = [
        path for path in SOURCES if path.read_text(encoding="utf-8").strip() and not ast.get_docstring(tree(path))
    ]
    assert [str(path.relative_to(ROOT)) for path in silent] == []


MOST_LINES = 300


def test_what_runs_of_a_connector_is_read_in_one_sitting() -> None:
    """File by file: a CRM has more to it than one file may hold."""
    edge = [path for path in OURS if path.match("connectors/*/*/*.py")]
    long = [path for path in edge if len(path.read_text(encoding="utf-8").splitlines()) > MOST_LINES]
    assert len(edge) > 100
    assert [str(path.relative_to(ROOT)) for path in long] == []


def packages() -> list[Path]:
    """The rooms, the rooms in the hub, and every connector."""
    inits = [*ROOT.glob("hub/*/__init__.py"), *ROOT.glob("connectors/*/*/__init__.py")]
    return [ROOT / room for room in ROOMS] + sorted(init.parent for init in inits)


def test_every_room_has_its_readme() -> None:
    readmes = [folder / "README.md" for folder in packages()]
    titled = [path for path in readmes if path.is_file() and path.read_text(encoding="utf-8").startswith("# ")]
    assert [str(path.relative_to(ROOT)) for path in readmes if path not in titled] == []


# ── what we depend on ────────────────────────────────────────────────────────────────────────────

PYPROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
PROJECT = tomllib.loads(PYPROJECT)["project"]
DECLARED = [*PROJECT["dependencies"], *(line for lines in PROJECT["optional-dependencies"].values() for line in lines)]


def test_every_dependency_has_a_reason() -> None:
    reasons = {match[1]: match[2] for match in re.finditer(r'^    "([^"]+)",\s*# (\S.{7,})$', PYPROJECT, re.MULTILINE)}
    assert [line for line in DECLARED if line not in reasons] == []


def test_every_dependency_is_pinned() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = {_plain(line.split("==")[0]) for line in lines if "==" in line}
    names = {_plain(Requirement(line).name) for line in DECLARED} - {PROJECT["name"]}
    assert names - pins == set()


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_our_license_is_here() -> None:
    assert PROJECT["license"] == "Apache-2.0"
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert text.lstrip().startswith("Apache License")
    assert "END OF TERMS AND CONDITIONS" in text


def runtime_closure() -> list[str]:
    """Names of everything that is installed with the hub itself, tests left out."""
    waiting, seen = [Requirement(line) for line in PROJECT["dependencies"]], dict[str, None]()
    while waiting:
        need = waiting.pop()
        extras = [{"extra": extra} for extra in need.extras] or [{"extra": ""}]
        if need.name in seen or (need.marker and not any(map(need.marker.evaluate, extras))):
            continue
        try:
            lines = distribution(need.name).requires or []
        except PackageNotFoundError:  # of another platform, or of an extra nobody asked for
            continue
        seen[need.name] = None
        below = map(Requirement, lines)
        waiting += [each for each in below if not each.marker or any(map(each.marker.evaluate, extras))]
    return sorted(seen)


STRONG_COPYLEFT = re.compile(r"(?<!L)(?<!Lesser )\b(A?GPL|(Affero )?General Public License)", re.IGNORECASE)


LICENSE_FILES = {"IMAPClient": "BSD-3-Clause", "pysqlite3": "Zlib"}
"""What the license file says of a package whose metadata says nothing."""


def licenses(name: str) -> str:
    facts = distribution(name).metadata
    kinds = [line for line in facts.get_all("Classifier") or [] if line.startswith("License ::")]
    said = [*(facts.get_all("License-Expression") or []), *kinds] or facts.get_all("License") or []
    return " ".join(said) or LICENSE_FILES.get(name, "")


@pytest.mark.parametrize("name", runtime_closure())
def test_no_dependency_takes_our_license_away(name: str) -> None:
    said = licenses(name)
    assert said, f"{name} does not say its license"
    assert not STRONG_COPYLEFT.search(said), f"{name}: {said[:200]}"


# ── the rules themselves can fail ────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("look", "code"),
    [
        (clock_reads, "import datetime\nx = datetime.datetime.now(datetime.UTC)"),
        (clock_reads, "x = datetime.utcnow()"),
        (clock_reads, "from time import time"),
        (clock_reads, "default = func.now()"),
        (raw_http, "import http.client"),
        (raw_http, "from urllib import request"),
        (empty_names, "class LeadManager: pass"),
        (empty_names, "def read_items(): pass"),
        (empty_names, "async def http_utils(): pass"),
        (broad_excepts, "def f():\n  try: pass\n  except Exception: pass"),
        (broad_excepts, "def f():\n  try: pass\n  except (ValueError, BaseException) as e: raise Other from e"),
        (broad_excepts, "def f():\n  try: pass\n  except: pass"),
    ],
)
def test_a_broken_rule_is_seen(look: Callable[[ast.Module], Iterator[Finding]], code: str) -> None:
    assert list(look(ast.parse(code)))


@pytest.mark.parametrize(
    ("look", "code"),
    [
        (clock_reads, "x = clock.now(); y = time.monotonic(); from time import monotonic, sleep"),
        (raw_http, "from http import HTTPStatus; from urllib.parse import quote"),
        (empty_names, "def __getitem__(self, key): pass\nclass Utility: pass\ndef serviced(): pass"),
        (broad_excepts, "def f():\n  try: pass\n  except Exception:\n    note()\n    raise"),
    ],
)
def test_a_kept_rule_is_quiet(look: Callable[[ast.Module], Iterator[Finding]], code: str) -> None:
    assert list(look(ast.parse(code))) == []


def test_copyleft_is_told_from_its_lesser_kind() -> None:
    assert not STRONG_COPYLEFT.search("LGPL-3.0-only GNU Lesser General Public License v3 (LGPLv3)")
    for text in ("GPL-3.0-or-later", "AGPL-3.0", "GNU Affero General Public License v3", "GNU General Public License"):
        assert STRONG_COPYLEFT.search(text), text
