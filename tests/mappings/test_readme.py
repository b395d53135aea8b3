"""The README says what the code does. Its examples are run by tests/test_docs.py."""

from __future__ import annotations

from pathlib import Path

from mappings import HUB_FIELDS, POLICIES
from mappings.engine import DIRECTIONS
from mappings.grammar import codec_table
from mappings.schema import LineSchema

README = (Path(__file__).parents[2] / "mappings" / "README.md").read_text(encoding="utf-8")


def test_the_table_of_codecs_is_that_of_the_code() -> None:
    assert codec_table() in README


def test_every_setting_of_a_line_is_explained() -> None:
    for setting in LineSchema().fields:
        assert f"| `{setting}` |" in README
    for word in (*POLICIES, *DIRECTIONS):
        assert f"`{word}`" in README
    for kind in HUB_FIELDS:
        assert f"`[{kind}]`" in README
