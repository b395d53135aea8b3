"""Every bench runs and tells what it promised to tell; how fast this machine is, is none of a test's business."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hub import bench
from hub.bench import table
from hub.bench.load import Order, lead, message
from hub.bench.scale import FULL, TINY, size_of

NAMES = {
    "intake": {
        "ratios": {"vs_bare_endpoint"},
        "figures": {"acks_per_s", "p99_ms_at_500", "events_behind_after_rounds", "refused"},
        "yardsticks": {"bare_per_s", "fsync_per_s"},
    },
    "flow": {
        "ratios": {"cpu_per_lead_vs_bare_request"},
        "figures": {
            "leads_per_s_per_core", "redis_commands_per_lead", "share_of_64_in_flight", "p95_s_to_crm_at_5_per_s",
            "p95_s_to_crm_at_1_per_s",
        },
        "yardsticks": {"bare_cpu_ms_per_request", "fsync_per_s"},
    },
    "idle": {
        "ratios": set(),
        "figures": {"pss_mib", "cpu_percent", "start_to_first_lead_s"},
        "yardsticks": {"processes"},
    },
    "route": {
        "ratios": set(),
        "figures": {
            "decisions_per_s_per_core", "p99_ms", "deadline_lateness_p99_s", "replay_10k_s", "replay_deviations",
        },
        "yardsticks": {"rules", "people"},
    },
    "sync": {
        "ratios": {
            "calls_create.amocrm", "calls_create.bitrix24", "calls_create.hubspot", "calls_create.odoo",
            "calls_create.pipedrive", "calls_pull.amocrm",
        },
        "figures": {"idle_calls_per_kind.amocrm", "fresh_p99_s_during_backfill", "reconcile_per_s"},
        "yardsticks": {"leads", "not_measured"},
    },
    "identity": {
        "ratios": {"p50_growth_10k_to_100k", "mean_growth_10k_to_100k"},
        "figures": {
            "cpu_ms_mean_at_10k", "cpu_ms_p99_at_10k", "bytes_per_contact", "bulk_events_per_s",
            "pg_round_trips_per_event",
        },
        "yardsticks": {"contacts", "splink_lookup_ms"},
    },
}  # fmt: skip


COMMANDS = """
leadhub bench intake --json
leadhub bench flow --json
leadhub bench idle --json
leadhub bench route --json
leadhub bench sync --json
leadhub bench identity --json
"""
"""As the README has them; what the command does with them is `bench.run`."""


def test_the_readme_names_every_bench() -> None:
    assert COMMANDS.split() == [word for name in bench.BENCHES for word in ("leadhub", "bench", name, "--json")]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", bench.BENCHES)
def test_shape(name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("LEADHUB_BENCH", "tiny")
    assert bench.run([name], every=False, as_json=True, readme=False) == 0
    told = json.loads(capsys.readouterr().out)
    assert told.keys() == {"bench", "ratios", "figures", "yardsticks"}
    assert told["bench"] == name
    for group, names in NAMES[name].items():
        assert names <= told[group].keys()
    assert told["figures"].get("refused", 0) == 0


@pytest.mark.parametrize("names", [[], ["nothing"]])
def test_unknown_names(names: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.run(names, every=False, as_json=True, readme=False) == 2
    assert "intake" in capsys.readouterr().err


def test_table_replaces_only_itself(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("# Hub\n\nbefore\n\n<!-- bench -->\nold\n<!-- /bench -->\n\nafter\n")
    result = {"bench": "idle", "ratios": {}, "figures": {"pss_mib": 151.4, "cpu_percent": 0.1}, "yardsticks": {}}
    table.write(readme, [result])
    once = readme.read_text()
    table.write(readme, [result])
    assert readme.read_text() == once
    assert once.startswith("# Hub\n\nbefore\n\n<!-- bench -->\n| What |")
    assert once.endswith("<!-- /bench -->\n\nafter\n")
    assert "| 151.4 | ≤ 200 |" in once
    assert "old" not in once


def test_table_adds_its_place(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("# Hub\n")
    table.write(readme, [])
    assert readme.read_text().startswith("# Hub\n\n## Measured\n\n<!-- bench -->\n")


def test_aims_are_measured() -> None:
    nightly = {"p50_growth_10k_to_1m"}  # a million people take ten minutes: with LEADHUB_CAMPAIGN=full
    for bench_name, group, name in table.AIMS:
        assert name in {*NAMES[bench_name][group], *nightly}


def test_leads_are_different_people() -> None:
    leads = [lead(number) for number in range(2000)]
    assert len({one["phone"] for one in leads}) == len({one["email"] for one in leads}) == len(leads)
    assert all(len(one) == 15 for one in leads)
    assert 500 <= len(message(Order(80, "/in/x"), 1, 0).partition(b"\r\n\r\n")[2]) <= 700


def test_sizes() -> None:
    assert size_of("tiny") is TINY
    assert size_of("") is FULL
