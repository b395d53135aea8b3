"""What is the same in every test is done once in a run: templates, routes and statements compiled, tables made.

The product does each of it once per start; a test run starts a hub some thousand times.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

from argon2 import PasswordHasher
from flask import Flask
from jinja2.bccache import Bucket, BytecodeCache
from sqlalchemy import URL, Dialect, Engine, create_engine, event
from werkzeug.routing import Rule

from hub.store import engine as engines
from hub.store.engine import open_store
from hub.store.migrate import migrate
from hub.sync import account
from mappings.engine import Mapping

CHEAP = partial(PasswordHasher, time_cost=1, memory_cost=8, parallelism=1)
"""The same passwords fit; full strength costs 0.15 s of every core for each."""


@contextmanager
def sparing() -> Iterator[None]:
    """In this process: cheap passwords and commits, one compilation per template, route, statement and mapping.

    Programs that tests start are whole.
    """
    with ExitStack() as patches:
        for place in ("hub.setup.PasswordHasher", "hub.web.desk.access.PasswordHasher"):
            patches.enter_context(patch(place, CHEAP))
        patches.enter_context(patch.dict(Flask.jinja_options, bytecode_cache=Compiled()))
        patches.enter_context(patch.object(Rule, "_compile_builder", _kept(Rule._compile_builder)))
        patches.enter_context(patch("hub.store.engine.create_engine", Engines()))
        patches.enter_context(patch("hub.store.engine._tune_sqlite", _tuned(engines._tune_sqlite)))
        patches.enter_context(patch("hub.sync.account.load", _read_once(account.load)))
        yield


class Engines:
    """Makes engines that share what they compiled. SQLAlchemy keeps a statement by its dialect, which is an object of
    each engine: the second one has that of the first."""

    def __init__(self) -> None:
        self._first: dict[str, tuple[Dialect, Any]] = {}

    def __call__(self, url: URL, **options: Any) -> Engine:
        made = create_engine(url, query_cache_size=5000, **options)
        dialect, compiled = self._first.setdefault(made.dialect.name, (made.dialect, made._compiled_cache))
        if dialect.server_version_info:  # it has met its database
            made.dialect = made.pool._dialect = dialect
            made._compiled_cache = compiled
        else:
            self._first[made.dialect.name] = made.dialect, made._compiled_cache
        return made


def _tuned(tune: Callable[[Engine], None]) -> Callable[[Engine], None]:
    """Only a power cut tells whether a commit waited for the disk."""

    def tuned(engine: Engine) -> None:
        tune(engine)
        event.listen(engine, "connect", lambda raw, _record: raw.execute("PRAGMA synchronous=OFF"))

    return tuned


class Compiled(BytecodeCache):
    """Templates by their name and source."""

    def __init__(self) -> None:
        self._code: dict[tuple[str, str], Any] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._code.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._code[bucket.key, bucket.checksum] = bucket.code


def _kept(compile_builder: Callable[[Rule, bool], Any]) -> Callable[[Rule, bool], Any]:
    """Werkzeug writes two functions for each of the 130 routes of an application. They name nothing of the rule that
    they were made for but what is asked for here."""
    made: dict[Any, Any] = {}

    def kept(self: Rule, append_unknown: bool = True) -> Any:
        if self.defaults:
            return compile_builder(self, append_unknown)
        asked = (self.rule, tuple(self._trace), append_unknown)
        if asked not in made:
            made[asked] = compile_builder(self, append_unknown)
        return made[asked]

    return kept


def _read_once(load: Callable[[str, Any], Mapping]) -> Callable[[str, Any], Mapping]:
    """Mappings by their text and value tables. They never change; reading one takes 3 to 7 ms."""
    read: dict[tuple[str, str], Mapping] = {}

    def known(text: str, tables: Any = None) -> Mapping:
        asked = (text, repr(tables))
        if asked not in read:
            read[asked] = load(text, tables)
        return read[asked]

    return known


@cache
def _tables() -> Path:
    """The files of a hub of the present form with nothing in it; never opened again, only copied."""
    folder = Path(tempfile.mkdtemp(prefix="leadhub-tables-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    store = open_store(f"sqlite:///{folder}/hub.db", f"sqlite:///{folder}/inbox.db")
    migrate(store)
    store.close()
    return folder


def lay_tables(folder: Path) -> None:
    """Put both SQLite files of an empty hub into `folder`, as `open_hub` would make them there."""
    for file in _tables().iterdir():
        shutil.copy(file, folder / file.name)
