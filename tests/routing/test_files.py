"""Rules from files: all of them or none, and whatever is wrong names its line and rule."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from hub.cli import main
from hub.model import rule, rule_set
from hub.routing.files import UnusableFile, read_file
from hub.routing.rotation import POOL
from hub.routing.rules import RuleBook, read_rule
from tests.funnel.desk import Desk, open_desk

HEAD = "name,direction,pool,conditions\n"
PLACES = {"Sales": "s", "Service": "v"}
GOOD_CSV = (
    HEAD + 'Germans,,seniors,"region is DE; field.Square metres at_least 50"\nRepairs,service,,"text contains repair"\n'
)
GOOD_TOML = """
[[rule]]
name = "Germans"
pool = "seniors"
conditions = ["region is DE", "field.Square metres at_least 50"]

[[rule]]
name = "Repairs"
direction = "Service"
conditions = ["text contains repair"]
"""


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with open_desk(tmp_path) as made:
        yield made


def read(text: str, toml: bool = False) -> list[dict[str, object]]:
    return read_file(text, toml, PLACES, "s", POOL)


@pytest.mark.parametrize(("text", "toml"), [(GOOD_CSV, False), ("\ufeff" + GOOD_CSV, False), (GOOD_TOML, True)])
def test_both_kinds_say_the_same(text: str, toml: bool) -> None:
    first, second = read(text, toml)
    assert first == {
        "name": "Germans", "direction_id": "s", "pool": "seniors",
        "conditions": [
            {"field": "region", "op": "is", "value": "DE"},
            {"field": "field.Square metres", "op": "at_least", "value": "50"},
        ],
    }  # fmt: skip
    assert (second["direction_id"], second["pool"]) == ("v", POOL)


@pytest.mark.parametrize(
    ("text", "toml", "told"),
    [
        (GOOD_CSV + "Odd,,,colour is red\n", False, "line 4: Rule “Odd”: there is no field “colour”; known: source"),
        (GOOD_CSV + "Odd,,,region like DE\n", False, "line 4: Rule “Odd”: “region like DE” is no condition"),
        (GOOD_CSV + "Odd,Nowhere,,region is DE\n", False, "line 4: Rule “Odd”: there is no direction “Nowhere”"),
        (GOOD_CSV + ",,,region is DE\n", False, "line 4: This rule has no name"),
        (
            GOOD_TOML + '[[rule]]\nname = "Odd"\nconditions = ["x is y"]\n',
            True,
            "line 11: Rule “Odd”: there is",
        ),
        ("[[rule]\n", True, "This is no TOML: "),
        ('rule = "x"', True, "line 1: write each rule as a table"),
        ("who,what\n", False, "line 1: no column name and conditions"),
        (HEAD, False, "line 1: there is no rule in this file"),
    ],
)
def test_what_is_wrong_names_its_line(text: str, toml: bool, told: str) -> None:
    with pytest.raises(UnusableFile) as caught:
        read(text, toml)
    assert str(caught.value).startswith(told)


def test_many_complaints_are_counted() -> None:
    with pytest.raises(UnusableFile) as caught:
        read(HEAD + "Odd,,,x is y\n" * 60)
    assert len(caught.value.complaints) == 60
    assert str(caught.value).endswith("… and 10 more")


def test_ten_thousand_lines_are_read_and_asked_quickly() -> None:
    begin = time.process_time()
    rows = read(HEAD + "".join(f"Rule {n},,,utm.campaign is c{n}; region is DE\n" for n in range(10_000)))
    book = RuleBook([read_rule({**row, "id": str(n)}) for n, row in enumerate(rows)])
    assert book.choose({"utm.campaign": "C9999", "region": "de"}, "").why["rule"] == "Rule 9999"
    assert time.process_time() - begin < 10


def test_a_file_becomes_a_draft_and_goes_live(desk: Desk, tmp_path: Path) -> None:
    file = tmp_path / "rules.csv"
    told = ["rules", "import", str(file), "--folder", str(tmp_path)]
    file.write_text(HEAD + 'Never,,,"region is DE; region is RU"\n', encoding="utf-8")
    done = CliRunner().invoke(main, told)
    assert (done.exit_code, len(desk.rows(rule)), len(desk.rows(rule_set))) == (0, 1, 1), done.output
    assert "Rule “Never”: never holds: region cannot be “DE” while the rule also asks: is “RU”" in done.output
    assert "1 rules wait as draft" in done.output
    file.write_text(HEAD + "Germans,,,region is DE\n", encoding="utf-8")
    assert "1 rules are live" in CliRunner().invoke(main, [*told, "--publish"]).output
    assert [row.name for row in sorted(desk.rows(rule), key=lambda row: row.position)] == ["Germans", "Everything else"]


def test_a_broken_file_changes_nothing(desk: Desk, tmp_path: Path) -> None:
    file = tmp_path / "rules.csv"
    file.write_text(HEAD + "Fine,,,region is DE\nOdd,,,x is y\n", encoding="utf-8")
    done = CliRunner().invoke(main, ["rules", "import", str(file), "--folder", str(tmp_path)])
    assert done.exit_code == 1
    assert "rules.csv was not imported:\nline 3: Rule “Odd”" in done.output
    assert (len(desk.rows(rule)), len(desk.rows(rule_set))) == (1, 0)
