"""`make demo` and its one-shot form: what the README promises on its first screen."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from connectors.testing.ports import free_port

KEYS = {
    "received", "inquiries", "contacts", "leads", "deals", "crm_records", "joined", "quarantined", "parked",
    "lost", "doubled", "seconds",
}  # fmt: skip
RUN = ["leadhub", "demo", "--once", "--json"]
MADE_BY = ("make demo", "make start", "make test", "make bench")
"""Longer commands of the README; `make demo` is this one without `--once`."""


def play(tmp_path: Path, *more: str) -> dict[str, float]:
    command = [sys.executable, "-m", "hub.cli", *RUN[1:], "--port", str(free_port()), "--folder", str(tmp_path), *more]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr + (tmp_path / "serve.log").read_text()
    told: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return told


def check(told: dict[str, float]) -> None:
    assert told.keys() >= KEYS
    assert told["lost"] == told["doubled"] == 0
    assert told["leads"] > 20
    assert told["deals"] == 2  # one converted at the desk, one dragged over the border in the CRM
    assert told["crm_records"] >= told["leads"] + told["contacts"] - 1
    assert told["joined"] > 0


@pytest.mark.timeout(300)
def test_the_fixtures_of_every_channel_find_their_place(tmp_path: Path) -> None:
    check(play(tmp_path))


@pytest.mark.timeout(300)
def test_captured_messages_find_their_place(tmp_path: Path, samples: Path) -> None:
    told = play(tmp_path, "--samples", str(samples / "channels/samples"))
    check(told)
    assert told["received"] >= 100
