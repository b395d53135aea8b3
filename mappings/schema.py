"""The grammar of mapping files, checked with marshmallow. Finds every problem of a file at once.

A line names fields, a codec and plain values; nothing in a file is computed, and text that looks like a
template or an expression is text. Functions here take parsed TOML and answer problems without places;
`mappings.files` adds line and column.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields as arguments_of
from dataclasses import replace
from functools import cache
from typing import Any
from zoneinfo import available_timezones

import phonenumbers
from babel.numbers import is_currency
from marshmallow import Schema, ValidationError, fields, validate

from connectors.contract import Field, Value
from mappings.codecs import CODECS, Codec
from mappings.codecs.many import table_of
from mappings.engine import DIRECTIONS, HUB_FIELDS, POLICIES, Line
from mappings.problems import Problem, nearest

FORMAT = 1
OWN = "x_"  # hub fields an admin adds have this prefix and any type
KINDS = tuple(HUB_FIELDS)
_TOP = ("format", "crm", "table", *KINDS)
_MOST = 500  # problems told at once; nobody reads more, and each costs a search for the nearest name
_COMPILED = ("reads", "writes")

Parsed = Mapping[str, Any]
Table = Mapping[str, Value]


class LineSchema(Schema):
    """What every line has; the arguments of its codec come beside."""

    crm = fields.String(required=True, validate=validate.Length(min=1))
    codec = fields.String(required=True)
    direction = fields.String(validate=validate.OneOf(DIRECTIONS), load_default="both")
    policy = fields.String(validate=validate.OneOf(POLICIES))
    once = fields.Boolean(truthy={True}, falsy={False}, load_default=False)


_ARGUMENT: dict[str, Callable[[], fields.Field[Any]]] = {
    "str": fields.String,
    "int": lambda: fields.Integer(strict=True, validate=validate.Range(min=0)),
    "bool": lambda: fields.Boolean(truthy={True}, falsy={False}),
    "Choices": lambda: fields.List(fields.String(), validate=validate.Length(min=1)),
}


def arguments(codec: type[Codec]) -> dict[str, str]:
    """Arguments a line may give to a codec: name → type (str, int, bool, Choices)."""
    return {argument.name: str(argument.type) for argument in arguments_of(codec) if argument.name not in _COMPILED}


@cache
def line_schema(name: str) -> Schema:
    """The schema of lines with the codec of this name."""
    codec = CODECS[name]
    made = {argument: _ARGUMENT[kind]() for argument, kind in arguments(codec).items()}
    return LineSchema.from_dict(made, name=f"{codec.__name__}Line")()


def _one_of(known: Callable[[], tuple[str, ...]], what: str) -> Callable[[str], str]:
    return lambda word: "" if word in known() else f"unknown {what} {word!r}. {nearest(word, known())}".strip()


_WORDS: dict[str, Callable[[str], str]] = {
    "zone": _one_of(cache(lambda: tuple(available_timezones())), "time zone"),
    "region": _one_of(cache(lambda: tuple(sorted(phonenumbers.SUPPORTED_REGIONS))), "region"),
    "currency": lambda word: "" if is_currency(word) else f"unknown currency {word!r}, e.g. RUB",
}


def check_head(data: Parsed, top: tuple[str, ...]) -> Iterator[Problem]:
    """Problems of format and of the names of sections."""
    made = data.get("format")
    if made is None:
        yield Problem("format", f"is missing: write format = {FORMAT} in the first line.")
    elif not isinstance(made, int) or isinstance(made, bool) or made < 1:
        yield Problem("format", f"must be a number: format = {FORMAT}.")
    elif made > FORMAT:
        yield Problem(
            "format", f"was made by a newer lead hub (format {made}); this one reads format {FORMAT}. Update first."
        )
    for name in data:
        if name not in top:
            yield Problem(name, "unknown section or setting.", nearest(name, top))


def compile_lines(data: Parsed, extra: Mapping[str, Table]) -> tuple[tuple[Line, ...], list[Problem]]:
    """The lines of a CRM mapping, and everything that is wrong with it. `extra` are value tables of the connection."""
    problems = list(check_head(data, _TOP))
    if not isinstance(data.get("crm"), str):
        problems.append(Problem("crm", 'is missing: name the CRM, e.g. crm = "amocrm".'))
    tables = _tables(data.get("table", {}), extra, problems)
    lines = [
        line
        for kind, section in _sections(data, problems)
        for hub, written in section.items()
        if len(problems) < _MOST and (line := _line(kind, hub, written, tables, problems))
    ]
    problems += _doubles(lines)
    return tuple(lines), _told_once(data, problems)


def _told_once(data: Parsed, problems: list[Problem]) -> list[Problem]:
    """Without what a section only took over from another one, where it is told already."""
    likes = {kind: data[kind]["like"] for kind in KINDS if isinstance(data.get(kind), dict) and "like" in data[kind]}
    said = {(problem.path, problem.message) for problem in problems}
    return [problem for problem in problems if (_origin(problem.path, data, likes), problem.message) not in said]


def _origin(path: str, data: Parsed, likes: Mapping[str, Any]) -> str:
    """Where a taken-over line is written, "" for a line of the section itself."""
    kind, _, rest = path.partition(".")
    return f"{likes[kind]}.{rest}" if rest and kind in likes and rest.split(".")[0] not in data[kind] else ""


def _sections(data: Parsed, problems: list[Problem]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Lines of each kind; `like` takes over the lines of another kind."""
    for kind in KINDS:
        section = data.get(kind, {})
        if not isinstance(section, dict):
            problems.append(Problem(kind, f"must be a section: [{kind}]"))
            continue
        like = section.get("like")
        base = data.get(like) if isinstance(like, str) and like in KINDS and like != kind else {}
        if like is not None and (not isinstance(base, dict) or not base or "like" in base):
            problems.append(Problem(f"{kind}.like", "must name another section that has its own lines."))
            base = {}
        yield kind, {hub: line for hub, line in {**(base or {}), **section}.items() if hub != "like"}


def _tables(written: Any, extra: Mapping[str, Table], problems: list[Problem]) -> dict[str, Table]:
    tables: dict[str, Table] = {}
    if not isinstance(written, dict) or not all(isinstance(table, dict) for table in written.values()):
        problems.append(Problem("table", "value tables are sections: [table.name]"))
        written = {}
    for name in {**written, **extra}:
        tables[name] = {**written.get(name, {}), **extra.get(name, {})}
        problems += _table_problems(name, tables[name])
    return tables


def _table_problems(name: str, table: Table) -> Iterator[Problem]:
    options = [(hub, option) for hub, raws in table.items() for option in (raws if isinstance(raws, list) else [raws])]
    for hub, raws in table.items():
        if raws == []:
            yield Problem(f"table.{name}.{hub}", "has no value of the CRM.")
    for hub, option in options:
        if not isinstance(option, str | int):
            yield Problem(f"table.{name}.{hub}", "must be a text, a number, or a list of them.")
    counted = Counter(str(option) for _, option in options)
    for hub, option in options:
        if counted[str(option)] > 1:
            yield Problem(f"table.{name}.{hub}", f"the CRM's value {option!r} stands twice in this table.")


def _line(kind: str, hub: str, written: Any, tables: Mapping[str, Table], problems: list[Problem]) -> Line | None:
    path, before = f"{kind}.{hub}", len(problems)
    if not _known(kind, hub):
        problems.append(Problem(path, "unknown hub field.", nearest(hub, HUB_FIELDS[kind])))
    values = _shaped(path, written, problems)
    if len(problems) == before:
        problems += _sense_problems(path, HUB_FIELDS[kind].get(hub, ""), CODECS[values["codec"]], values, tables)
    return _compiled(kind, hub, CODECS[values["codec"]], values, tables) if len(problems) == before else None


def _known(kind: str, hub: str) -> bool:
    return hub in HUB_FIELDS[kind] or hub.startswith(OWN)


def _shaped(path: str, written: Any, problems: list[Problem]) -> dict[str, Any]:
    """The line with its defaults; what is wrong with its shape goes to `problems`."""
    if not isinstance(written, dict):
        problems.append(Problem(path, 'a line looks like { crm = "NAME", codec = "text" }.'))
        return {}
    name = written.get("codec")
    if not isinstance(name, str) or name not in CODECS:
        said = f"unknown codec {name!r}." if isinstance(name, str) else "name the codec as text."
        problems.append(Problem(f"{path}.codec", said, nearest(str(name or ""), CODECS)))
        return {}
    schema = line_schema(name)
    try:
        return dict(schema.load(written))
    except ValidationError as wrong:
        problems += [_worded(path, key, said, schema) for key, said in wrong.messages_dict.items()]
        return {}


def _worded(path: str, key: str, messages: Any, schema: Schema) -> Problem:
    if key not in schema.fields:
        return Problem(f"{path}.{key}", "unknown argument.", nearest(key, schema.fields))
    return Problem(f"{path}.{key}", " ".join(_flat(messages)))


def _flat(messages: Any) -> Iterator[str]:
    if isinstance(messages, dict):
        messages = list(messages.values())
    if isinstance(messages, list):
        for message in messages:
            yield from _flat(message)
    else:
        yield str(messages)


def _sense_problems(
    path: str, hub_type: str, codec: type[Codec], values: Parsed, tables: Mapping[str, Table]
) -> Iterator[Problem]:
    """What single values do not show: types, directions, policies, names of zones and tables."""
    if codec.makes and hub_type not in ("", codec.makes):
        fits = [name for name, known in CODECS.items() if known.makes == hub_type]
        yield Problem(
            f"{path}.codec",
            f"{codec.name} makes {codec.makes}, this hub field is {hub_type}.",
            f"Use {', '.join(fits)}.",
        )
    yield from _direction_problems(path, codec, values)
    for needed in codec.needs:
        if not values.get(needed):
            yield Problem(f"{path}.{needed}", f"the codec {codec.name} needs this argument.")
    for name, known in codec.choices.items():
        if values.get(name, known[0]) not in known:
            yield Problem(
                f"{path}.{name}", f"unknown {name} {values[name]!r}.", nearest(values[name], filter(None, known))
            )
    for name, check in _WORDS.items():
        if values.get(name) and (wrong := check(values[name])):
            yield Problem(f"{path}.{name}", wrong)
    if values.get("table") and values["table"] not in tables:
        yield Problem(f"{path}.table", f"there is no [table.{values['table']}].", nearest(values["table"], tables))


def _direction_problems(path: str, codec: type[Codec], values: Parsed) -> Iterator[Problem]:
    direction, policy = values["direction"], values.get("policy", "")
    if codec.one_way and direction != codec.one_way:
        yield Problem(f"{path}.direction", f'the codec {codec.name} goes one way: direction = "{codec.one_way}".')
    if policy == "union" and not codec.many:
        yield Problem(f"{path}.policy", "union is for lists.")
    if policy in ("max", "min") and not codec.ordered:
        yield Problem(f"{path}.policy", f"{policy} is for numbers and dates.")
    if values["once"] and direction == "in":
        yield Problem(f"{path}.once", "is for lines that write to the CRM.")


def _compiled(kind: str, hub: str, codec: type[Codec], values: Parsed, tables: Mapping[str, Table]) -> Line:
    given: dict[str, Any] = {name: _fixed(values[name]) for name in arguments(codec) if name in values}
    if "table" in given:
        given["reads"], given["writes"] = table_of(tables[values["table"]])
    direction = values["direction"]
    policy = values.get("policy") or ("hub" if direction == "out" else "crm")
    return Line(kind, hub, values["crm"], codec(**given), direction, policy, values["once"])


def _fixed(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _doubles(lines: list[Line]) -> Iterator[Problem]:
    writers: dict[tuple[str, str], str] = {}
    for line in lines:
        if line.direction != "in":
            first = writers.setdefault((line.kind, line.crm), line.hub)
            if first != line.hub:
                yield Problem(f"{line.kind}.{line.hub}.crm", f"{line.kind}.{first} writes {line.crm} already.")


def fit(lines: tuple[Line, ...], remote: Mapping[str, tuple[Field, ...]]) -> tuple[tuple[Line, ...], list[Problem]]:
    """The lines against the fields the account has now, keyed by hub kind.

    Read-only fields turn their line to `in`. Kinds that are not in `remote` are not checked.
    """
    problems: list[Problem] = []
    for kind, known in remote.items():
        mapped = {line.crm for line in lines if line.kind == kind and line.direction != "in"}
        missing = [there.name for there in known if there.required and not there.read_only and there.name not in mapped]
        problems += [Problem(kind, f"the CRM requires {name}, and no line writes it.") for name in missing]
    by_name = {(kind, there.name): there for kind, known in remote.items() for there in known}
    fitted = tuple(_fitted(line, by_name, remote, problems) for line in lines)
    return fitted, problems


def _fitted(
    line: Line,
    by_name: Mapping[tuple[str, str], Field],
    remote: Mapping[str, tuple[Field, ...]],
    problems: list[Problem],
) -> Line:
    path = f"{line.kind}.{line.hub}"
    if line.kind not in remote:
        return line
    there = by_name.get((line.kind, line.crm))
    if there is None:
        hint = nearest(line.crm, (known.name for known in remote[line.kind]))
        problems.append(Problem(f"{path}.crm", f"the CRM has no field {line.crm}.", hint))
        return line
    if line.codec.takes and there.type not in line.codec.takes:
        fits = [name for name, codec in CODECS.items() if there.type in codec.takes]
        problems.append(Problem(f"{path}.codec", f"{line.crm} is a {there.type} field.", f"Use {', '.join(fits)}."))
    problems.extend(_option_problems(path, line.codec, there))
    return replace(line, direction="in") if there.read_only else line


def _option_problems(path: str, codec: Codec, there: Field) -> Iterator[Problem]:
    options = {word for option in there.options for word in option}
    for written in getattr(codec, "reads", {}) if options else ():
        if written not in options:
            yield Problem(f"{path}.table", f"{there.name} has no option {written!r}.", nearest(written, options))
