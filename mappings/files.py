"""Mapping files as text: read, check, rewrite. TOML only.

Guarantees: a file is taken as a whole or refused as a whole, with all its problems; a rewrite keeps comments,
order and spacing of everything it does not change, and refuses when the text is not the one the person saw.
"""

from __future__ import annotations

import codecs
import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from connectors.contract import Field, Value, digest
from mappings import engine, laws
from mappings.engine import Line
from mappings.inbound import Inbound, compile_inbound
from mappings.problems import BadMapping, Problem, Stale, placed
from mappings.schema import Table, compile_lines, fit

LARGEST = 8 * 1024 * 1024
Samples = Mapping[str, Sequence[Mapping[str, Value]]]

_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_PLACE = re.compile(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)")
_SECRET = re.compile(
    r"""(?ix) eyJ[\w-]{10,}\.eyJ[\w-]+ | \bBearer\s+[\w.~+/-]{16,} | -----BEGIN\s
    | \b(?:password|passwd|secret|token|api_?key|client_secret)["']?\s*[=:]\s*["'][^"']+["']"""
)


def decode(data: bytes | str) -> str:
    """The text of a file: UTF-8, or UTF-16 as Windows editors save it; a byte order mark is no part of it."""
    if isinstance(data, str):
        return data.removeprefix("\ufeff")
    mark, charset = next((known for known in _MARKS if data.startswith(known[0])), (b"", _guessed(data)))
    data = data[len(mark) :]
    try:
        return data.decode(charset)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise BadMapping([Problem("", "is not UTF-8 text; save it as UTF-8.", line=line, column=1)]) from error


def _guessed(data: bytes) -> str:
    if data[:1] == b"\x00":
        return "utf-16-be"
    return "utf-16-le" if data[1:2] == b"\x00" else "utf-8"


def parse(text: str) -> dict[str, Any]:
    """The TOML in a text; raises `BadMapping` for syntax, duplicate keys, secrets and size."""
    if len(text) > LARGEST:
        raise BadMapping([Problem("", f"is larger than {LARGEST // 1024 // 1024} MB.")])
    if secrets := list(_secrets(text)):
        raise BadMapping(secrets)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadMapping([_syntax(text, str(error))]) from error
    except RecursionError as error:
        raise BadMapping([Problem("", "is nested too deeply.")]) from error


def _syntax(text: str, message: str) -> Problem:
    place = _PLACE.search(message)
    line, column = (int(place[1]), int(place[2])) if place and place[1] else (text.count("\n") + 1, 1)
    said = _PLACE.sub("", message)
    if "overwrite" in said or "uplicate" in said or "twice" in said:
        key = text.splitlines()[line - 1].partition("=")[0].strip(" []\t")
        return Problem(key, "this key or section stands twice.", "Keep one of them.", line, 1)
    return Problem("", f"is not TOML: {said}.", "Texts stand in quotes, a line is name = value.", line, column)


def _secrets(text: str) -> Iterator[Problem]:
    for found in _SECRET.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        column = found.start() - text.rfind("\n", 0, found.start())
        yield Problem(
            "", "looks like a secret.", "Secrets belong to the connection, where they are encrypted.", line, column
        )


def load(data: bytes | str, tables: Mapping[str, Table] | None = None) -> engine.Mapping:
    """The compiled mapping. `tables` are value tables of the connection (hub value → CRM value): users, reasons.

    Raises `BadMapping`. The lens laws are not tried here: `check` does, when a file is saved.
    """
    return _compiled(decode(data), json.dumps(tables or {}, ensure_ascii=False))


@lru_cache(maxsize=64)  # connections to one CRM mostly share its shipped file
def _compiled(text: str, tables: str) -> engine.Mapping:
    parsed, known = parse(text), json.loads(tables)
    lines, problems = compile_lines(parsed, known)
    if problems:
        raise BadMapping(placed(text, problems))
    return engine.Mapping(parsed["crm"], _version(parsed, known), lines)


def load_inbound(data: bytes | str, base: Inbound | None = None) -> Inbound:
    """The compiled inbound mapping of a connection; its lines win over those of `base`. Raises `BadMapping`."""
    text = decode(data)
    return compile_inbound(parse(text), text, base)


@cache
def default_inbound() -> Inbound:
    """The synonyms every connection starts with (mappings/inbound.toml)."""
    return load_inbound(shipped("inbound"))


def _version(parsed: Mapping[str, Any], tables: Mapping[str, Table] | None) -> str:
    return digest(json.dumps([parsed, tables or {}], sort_keys=True, ensure_ascii=False, default=str))


def check(
    data: bytes | str,
    tables: Mapping[str, Table] | None = None,
    samples: Samples | None = None,
    remote: Mapping[str, tuple[Field, ...]] | None = None,
) -> engine.Mapping:
    """What saving asks for: `load`, the fields the account has (`remote`, by hub kind), and the lens laws over
    generated values and `samples` (live raw records, by hub kind). Raises `BadMapping` with counter-examples."""
    text = decode(data)
    mapping = load(text, tables)
    lines, problems = fit(mapping.lines, remote or {})
    stated = _stated(parse(text))
    tried = tuple(_tried(line, samples or {}, stated, problems) for line in lines)
    if problems:
        raise BadMapping(placed(text, problems))
    return replace(mapping, lines=tried)


def _stated(parsed: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Lines whose policy stands in the file."""
    found: set[tuple[str, str]] = set()
    for kind, section in parsed.items():
        if isinstance(section, dict):
            every = {**parsed.get(section.get("like", ""), {}), **section}
            found |= {(kind, hub) for hub, line in every.items() if isinstance(line, dict) and "policy" in line}
    return found


def _tried(line: Line, samples: Samples, stated: set[tuple[str, str]], problems: list[Problem]) -> Line:
    live = [record[line.crm] for record in samples.get(line.kind, ()) if line.crm in record]
    path = f"{line.kind}.{line.hub}"
    if line.direction == "both" and (example := laws.unstable(line.codec, laws.raw_values(line.codec, live))):
        problems.append(Problem(path, f"would never come to rest: {example}", "Use another codec or one direction."))
    example = laws.lost(line.codec, laws.hub_values(line.codec, live)) if line.direction != "in" else ""
    if example and line.direction == "both" and (line.kind, line.hub) not in stated:
        problems.append(Problem(path, f"loses something: {example}", "State a policy, or one direction."))
    return replace(line, lossy=bool(example))


def stamp(text: str) -> str:
    """Fingerprint of a text as a person saw it, to notice that somebody else saved meanwhile."""
    return digest(text)


def rewrite(text: str, changes: Mapping[str, Value], seen: str | None = None) -> str:
    """The text with some values changed, everything else as it was: comments, order, spacing, line ends.

    `changes` maps dotted paths ("contact.phones.enum_code", "table.owners.7", "lead.page") to new values; a dict
    makes a line, None removes. `seen` is the `stamp` of the text the person saw: raises `Stale` when it differs.
    The result is not checked: give it to `check` before it is stored.
    """
    if seen is not None and stamp(text) != seen:
        raise Stale
    parse(text)
    document = tomlkit.parse(text)
    for path, value in changes.items():
        _change(document, path, value)
    written = tomlkit.dumps(document)
    return written.replace("\r\n", "\n").replace("\n", "\r\n") if "\r\n" in text else written


def _change(document: tomlkit.TOMLDocument, path: str, value: Value) -> None:
    *sections, name = [part.strip('"') for part in re.findall(r'"[^"]*"|[^.]+', path)]
    place: Any = document
    try:
        for section in sections:
            if section not in place:
                place[section] = tomlkit.table()
            place = place[section]
        if value is None:
            place.pop(name, None)
        elif isinstance(value, list) and (held := place.get(name, ())) and value[: len(held)] == list(held):
            held.extend(value[len(held) :])
        else:
            place[name] = _inline(value)
    except (TOMLKitError, TypeError, ValueError, AttributeError) as error:
        raise BadMapping([Problem(path, f"cannot be changed: {error}.")]) from error


def _inline(value: Value) -> Any:
    if not isinstance(value, dict):
        return value
    line = tomlkit.inline_table()
    line.update(value)
    return line


def shipped(name: str) -> str:
    """The default mapping file of a CRM, or "inbound"; raises `FileNotFoundError` for a CRM without one."""
    if not re.fullmatch(r"[a-z0-9_]+", name):
        raise FileNotFoundError(name)
    return (Path(__file__).parent / f"{name}.toml").read_text(encoding="utf-8")
