"""Bodies of HTML forms: urlencoded and multipart, in the charset of whatever page they came from.

Browsers escape in the charset of the page and do not name it; PHP senders nest with brackets (`a[b][]=1`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from connectors.contract import File, Value
from connectors.reading.body import MAX_KEYS, MAX_PARTS, BadBody, Body, codec, decode

_MAX_NESTING = 8
_BAD_PERCENT = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_NESTED = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])+)")
_CHARSET_FIELD = "_charset_"  # a hidden input of this name is filled in by the browser (HTML standard, 4.10.21.5)


def options(header: str) -> tuple[str, dict[str, str]]:
    """A Content-Type header as (kind in lower case, options)."""
    kind, given = parse_options_header(header)
    return kind.strip().lower(), given


def urlencoded(body: bytes, charset: str = "") -> Body:
    """`a=1&a=2&b[c]=3` as {"a": ["1", "2"], "b": {"c": "3"}}."""
    if body.count(b"&") >= MAX_KEYS:
        raise BadBody(f"more than {MAX_KEYS} fields in one form", "too_many_keys")
    flags: set[str] = set()
    if _BAD_PERCENT.search(body):
        flags.add("bad_percent")
    pieces: list[bytes] = []
    for pair in body.removeprefix(b"\xef\xbb\xbf").strip().split(b"&"):
        if pair:
            name, _, value = pair.replace(b"+", b" ").partition(b"=")
            pieces += (unquote_to_bytes(name), unquote_to_bytes(value))
    return Body(_fields(pieces, charset, flags), flags=tuple(sorted(flags)))


@dataclass(slots=True)
class _Part:
    """One part of a multipart body; `filename` None for a plain field."""

    name: bytes
    filename: bytes | None
    content_type: str
    charset: str
    content: bytes = b""
    size: int = 0


def multipart(body: bytes, boundary: str, charset: str = "") -> Body:
    """Fields and files of a multipart form. A file stands under its field by name; its bytes stay raw."""
    flags: set[str] = set()
    if not boundary:
        raise BadBody("multipart without a boundary in its Content-Type", "no_boundary")
    if body.count(b"--" + boundary.encode("latin-1", "replace")) > MAX_PARTS + 1:
        raise BadBody(f"more than {MAX_PARTS} parts in one form", "too_many_parts")
    parts = _parts(_with_crlf(body, flags), boundary, flags)
    pieces = [piece for part in parts for piece in (part.name, _value(part))]
    fields = _fields(pieces, charset, flags)
    files = tuple(_file(part, charset, flags) for part in parts if part.filename)
    return Body(fields, files, tuple(sorted(flags)))


def _with_crlf(body: bytes, flags: set[str]) -> bytes:
    """Hand-made clients separate lines with a bare LF; RFC 2046 wants CRLF."""
    first = body.lstrip().partition(b"\n")[0]
    if first.startswith(b"--") and not first.endswith(b"\r") and b"\n" in body:
        flags.add("line_breaks")
        return body.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    return body


def _parts(body: bytes, boundary: str, flags: set[str]) -> list[_Part]:
    parts: list[_Part] = []
    try:
        parser = PushMultipartParser(boundary.encode("latin-1", "replace"), header_charset="latin-1")
        parts.extend(_collect(parser, body))
        parser.close()
    except MultipartError as error:
        if not parts:
            raise BadBody(f"not the multipart form it says it is: {error}", "bad_multipart") from None
        flags.add("truncated")
    return parts


def _collect(parser: PushMultipartParser, body: bytes) -> Iterator[_Part]:
    """Complete parts only; the last one of a cut body is not given out."""
    chunks: list[bytes] = []
    part = _Part(b"", None, "", "")
    for event in parser.parse(body):
        if isinstance(event, MultipartSegment):
            chunks, part = [], _part(event)
        elif event is not None:
            chunks.append(bytes(event))
        else:
            part.size = sum(map(len, chunks))
            part.content = b"" if part.filename else b"".join(chunks)
            yield part


def _part(segment: MultipartSegment) -> _Part:
    filename = None if segment.filename is None else _raw(segment.filename)
    return _Part(_raw(segment.name or ""), filename, segment.content_type or "", segment.charset or "")


def _raw(text: str) -> bytes:
    """Header text was read as latin-1, which keeps the bytes; `filename*=` is decoded already."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


def _value(part: _Part) -> bytes:
    if part.filename is not None:
        return _base_name(part.filename)
    declared = codec(part.charset)
    return part.content.decode(declared, "replace").encode() if declared else part.content


def _file(part: _Part, charset: str, flags: set[str]) -> File:
    [name] = decode([_base_name(part.filename or b"")], charset, flags)
    return File(name or "file", part.content_type, part.size, "" if part.size else "the file is empty")


def _base_name(path: bytes) -> bytes:
    """Old IE sent the whole Windows path, attackers send `../../etc/passwd`; browsers write `"` as %22."""
    return re.split(rb"[/\\]", path)[-1].replace(b"%22", b'"')


def _fields(pieces: list[bytes], charset: str, flags: set[str]) -> dict[str, Value]:
    """Names and values in turn, as fields; the browser's own `_charset_` outranks a charset the connection assumes."""
    by_name = dict(zip(pieces[::2], pieces[1::2], strict=True))
    named = by_name.get(_CHARSET_FIELD.encode(), b"").decode("latin-1")
    texts = decode(pieces, named or charset, flags)
    return _nest((name, value) for name, value in zip(texts[::2], texts[1::2], strict=True) if name != _CHARSET_FIELD)


class _Values(list[str]):
    """The values of one field name in order; `many` when the name says that it is a list."""

    many = False


def _nest(pairs: Iterable[tuple[str, str]]) -> dict[str, Value]:
    tree: dict[str, Value] = {}
    for name, value in pairs:
        if not _put(tree, _path(name), value):
            _put(tree, [f"{name}[]"], value)  # `a=1&a[b]=2`: both are kept, the second under its full name
    return _settle(tree)


def _path(name: str) -> list[str]:
    found = _NESTED.fullmatch(name)
    if not found or found[2].count("[") > _MAX_NESTING:
        return [name]
    return [found[1], *found[2][1:-1].split("][")]


def _put(tree: dict[str, Value], path: list[str], value: str) -> bool:
    many = len(path) > 1 and path[-1] == ""
    *way, last = path[:-1] if many else path
    for step in way:
        tree = tree.setdefault(step or str(len(tree)), {})
        if not isinstance(tree, dict):
            return False
    values = tree.setdefault(last, _Values())
    if not isinstance(values, _Values):
        return False
    values.append(value)
    values.many = values.many or many
    return True


def _settle(tree: dict[str, Value]) -> dict[str, Value]:
    return {name: _settled(node) for name, node in tree.items()}


def _settled(node: Value) -> Value:
    if isinstance(node, dict):
        return _settle(node)
    return list(node) if node.many or len(node) > 1 else node[0]
