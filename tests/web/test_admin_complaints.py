"""What rooms complain of stands in the catalogue: what nobody translated would reach an admin in English."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.web.admin.complaints import COMPLAINTS

HUB = Path(__file__).parents[2] / "hub"
ROOMS = sorted(path for path in HUB.rglob("*.py") if "from hub.told import" in path.read_text(encoding="utf-8"))


def complaints(module: ast.Module) -> Iterator[str]:
    """Texts given to `Told`, written into `wrong[...]`, and in the mappings given to `Unusable`."""
    known = _named(module)
    for node in ast.walk(module):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Told" and node.args:
            text = node.args[0]
            yield from [text.value] if isinstance(text, ast.Constant) else known[ast.unparse(text).partition("[")[0]]
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]).startswith("wrong["):
            yield from _plain(node.value)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "Unusable" and isinstance(node.args[0], ast.Dict):
            for value in node.args[0].values:
                yield from _plain(value)


def _named(module: ast.Module) -> dict[str, list[str]]:
    """Texts that have a name, one or a mapping or tuple of them, by what they are called where they are used."""
    found: dict[str, list[str]] = defaultdict(list)
    for node in ast.walk(module):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            several = {ast.Dict: "values", ast.Tuple: "elts"}.get(type(node.value), "")
            for text in getattr(node.value, several) if several else [node.value]:
                found[node.targets[0].id] += _plain(text)
    return found


def _plain(value: ast.expr) -> Iterator[str]:
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        yield value.value


@pytest.mark.parametrize("path", ROOMS, ids=lambda path: path.name)
def test_every_complaint_of_a_room_is_in_the_catalogue(path: Path) -> None:
    said = set(complaints(ast.parse(path.read_text(encoding="utf-8"))))
    assert said - set(COMPLAINTS) == set()
