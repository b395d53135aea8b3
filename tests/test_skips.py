"""CI does not pass by skipping: `LEADHUB_NO_SKIP=1` fails the run, names the test, and ends with pytest's line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
REASONS = {
    "browser": "no browser here",
    "samples": "captured samples (../shared/facts) are not in the repository",
    "python": "no Python 3.12 or newer on this machine: BottleCRM runs on nothing older",
}
CODE = """
import pytest
def test_one(): pass
@pytest.mark.skip(reason="{reason}")
def test_two(): pass
@pytest.mark.parametrize("case", [])
def test_none(case): pass
"""


def run(folder: Path, reason: str, no_skip: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_it.py").write_text(CODE.format(reason=reason), encoding="utf-8")
    options = ["-p", "tests.conftest", "-p", "no:cacheprovider", "--rootdir", str(folder), str(folder)]
    environment = {**os.environ, "LEADHUB_NO_SKIP": no_skip}
    command = [sys.executable, "-m", "pytest", *options]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("reason", "no_skip", "code"),
    [("browser", "1", 1), ("browser", "", 0), ("samples", "1", 0), ("python", "1", 0)],
    ids=str,
)
def test_a_skip_fails_the_run_only_where_nothing_may_be_skipped(
    reason: str, no_skip: str, code: int, tmp_path: Path
) -> None:
    done = run(tmp_path, REASONS[reason], no_skip)
    assert done.returncode == code, done.stdout + done.stderr
    assert ("test_two: Skipped: no browser here" in done.stdout) == bool(code)
    assert "1 passed, 1 skipped, 1 deselected" in done.stdout.splitlines()[-1]
