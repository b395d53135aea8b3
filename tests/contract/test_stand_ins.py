"""Every stand-in can be rehearsed on: the command serves it, furnished, with its board."""

from __future__ import annotations

import re
import signal
import sys
import urllib.request
from pathlib import Path

import pytest
from click.testing import CliRunner

from connectors.testing.ports import free_port
from hub.cli import main
from hub.cli_sandbox import rehearsable
from tests.servers import running


def page(port: int, path: str = "/") -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
            return str(answer.read().decode())
    except OSError:
        return ""


@pytest.mark.parametrize("crm", rehearsable())
def test_the_command_serves_a_furnished_board(crm: str, tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "hub.cli", "sandbox", "run", crm, "--demo", "--port", str(port)]
    with running(command, tmp_path, lambda: page(port), signal.SIGTERM):
        told = page(port)
        dressed = [page(port, path) for path in re.findall(r'(?:href|src)="(/[^"]+\.(?:css|js))"', told)]
    assert len(dressed) == 2, "a style sheet and a script"
    assert all(dressed), "the board came without its style sheet or script"
    assert told.count("<article") >= 3, "no cards on the board"
    assert told.count('class="column') >= 3


def test_an_unknown_crm_is_answered_with_those_there_are() -> None:
    answer = CliRunner().invoke(main, ["sandbox", "run", "nope"])
    assert answer.exit_code == 2
    assert "amocrm" in answer.output
