"""Two hubs never share an address: what the kernel would allow, half of the inquiries would not survive."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from connectors.testing.ports import free_port
from hub.ports import Taken, claim


def test_a_free_address_is_free_afterwards_too() -> None:
    port = free_port()
    for _ in range(2):
        claim("127.0.0.1", port, 0)


def test_an_address_that_another_server_would_share_is_taken() -> None:
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind(("127.0.0.1", 0))
        held.listen()
        with pytest.raises(Taken, match="choose another --port"):
            claim("127.0.0.1", held.getsockname()[1], 0)


@pytest.mark.parametrize("command", ["serve", "demo"])
def test_a_second_hub_says_that_the_port_is_taken(tmp_path: Path, command: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = str(held.getsockname()[1])
        told = subprocess.run(
            [sys.executable, "-m", "hub.cli", command, "--folder", str(tmp_path), "--port", port],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert told.returncode == 1
    assert f"127.0.0.1:{port} cannot be used" in told.stderr
