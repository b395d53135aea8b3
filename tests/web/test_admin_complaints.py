"""What rooms complain of stands in the catalogue: what nobody translated would reach an admin in English."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.web.admin.complaints import COMPLAINTS

HUB = Path(__file__).parents[2] / "hub"
ROOMS = sorted(path for path in HUB.rglob("*.py") if "raise Unusable(" in path.read_text(encoding="utf-8"))


def complaints(module: ast.Module) -> Iterator[str]:
    """Texts given to `Told`, written into `wrong[...]`, and in the mappings given to `Unusable`."""
    known = {
        node.targets[0].id: node.value.value
        for node in module.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    }
    for node in ast.walk(module):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Told" and node.args:
            text = node.args[0]
            yield text.value if isinstance(text, ast.Constant) else known[ast.unparse(text)]
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]).startswith("wrong["):
            yield from _plain(node.value)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "Unusable" and isinstance(node.args[0], ast.Dict):
            for value in node.args[0].values:
                yield from _plain(value)


def _plain(value: ast.expr) -> Iterator[str]:
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        yield value.value


@pytest.mark.parametrize("path", ROOMS, ids=lambda path: path.name)
def test_every_complaint_of_a_room_is_in_the_catalogue(path: Path) -> None:
    said = set(complaints(ast.parse(path.read_text(encoding="utf-8"))))
    assert said, f"{path.name} complains of nothing: is it still read right?"
    assert said - set(COMPLAINTS) == set()
