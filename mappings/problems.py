"""What is wrong with a mapping file, and where: all of it at once, each with the nearest right name."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to correct. `path` is like "contact.phones.codec"; `line` and `column` count from 1, 0 = whole file."""

    path: str
    message: str
    hint: str = ""
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        place = f"line {self.line}, column {self.column}: " if self.line else ""
        path = f"{self.path}: " if self.path else ""
        return f"{place}{path}{self.message}{f' {self.hint}' if self.hint else ''}"


class BadMapping(ValueError):
    """The file is refused and nothing changed; `problems` says everything that is wrong, in file order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: (problem.line, problem.column, problem.path)))
        super().__init__("\n".join(map(str, self.problems)))


class Stale(ValueError):
    """Somebody else saved the file meanwhile; nothing was changed. The caller shows both texts."""

    def __init__(self) -> None:
        super().__init__(
            "The mapping was saved by somebody else meanwhile: look at the difference, then repeat the change."
        )


def nearest(word: str, known: Iterable[str]) -> str:
    """A sentence that names the closest known words, or all of them when they are few, or nothing."""
    names = sorted(set(known))
    close = difflib.get_close_matches(word, names, n=3, cutoff=0.6)
    if close:
        return f"Did you mean {' or '.join(close)}?"
    return f"Known: {', '.join(names)}." if 0 < len(names) <= 30 else ""


_HEADER = re.compile(r"\s*\[\s*([^\[\]]+?)\s*\]")
_KEY = re.compile(r"""\s*("[^"]*"|'[^']*'|[^\s=#"'\[]+)\s*=""")
_PART = re.compile(r""""([^"]*)"|'([^']*)'|([^\s."']+)""")


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple("".join(found) for found in _PART.findall(dotted))


def placed(text: str, problems: Iterable[Problem]) -> list[Problem]:
    """The problems with line and column of the longest part of their path that stands in the text."""
    lines = text.splitlines()
    places = _places(lines)
    return [problem if problem.line else _place(problem, lines, places) for problem in problems]


def _places(lines: Sequence[str]) -> dict[tuple[str, ...], tuple[int, int]]:
    places: dict[tuple[str, ...], tuple[int, int]] = {}
    table: tuple[str, ...] = ()
    for number, line in enumerate(lines, 1):
        if header := _HEADER.match(line):
            table = _parts(header[1])
            places.setdefault(table, (number, header.start(1) + 1))
        elif key := _KEY.match(line):
            parts = _parts(key[1])
            for length in range(1, len(parts) + 1):
                places.setdefault(table + parts[:length], (number, key.start(1) + 1))
    return places


def _place(problem: Problem, lines: Sequence[str], places: dict[tuple[str, ...], tuple[int, int]]) -> Problem:
    path = _parts(problem.path)
    for length in range(len(path), 0, -1):
        if found := places.get(path[:length]):
            line, column = found
            if length < len(path) and (inner := re.search(rf"\b{re.escape(path[length])}\s*=", lines[line - 1])):
                column = inner.start() + 1
            return replace(problem, line=line, column=column)
    return problem
