"""The yardstick: a Flask endpoint that parses the same message and stores nothing, on the hub's web server.

python -m hub.bench.bare FOLDER PORT
"""

from __future__ import annotations

import sys
from pathlib import Path

from flask import Flask, request

from hub.config import load_config


def make() -> Flask:
    """The smallest honest endpoint: read, parse, answer JSON."""
    app = Flask(__name__)

    @app.post("/in/<token>")
    def receive(token: str) -> dict[str, str]:
        return {"receipt": token, "type": str(request.get_json()["type"])}

    return app


def main() -> None:
    """Serve it by the same server in the same number of processes and threads."""
    from granian import Granian
    from granian.constants import Interfaces

    config = load_config(Path(sys.argv[1]), port=int(sys.argv[2]))
    Granian(
        "hub.bench.bare:make", factory=True, address=config.host, port=config.port, interface=Interfaces.WSGI,
        workers=1, blocking_threads=config.threads, backpressure=config.threads * 4, websockets=False,
        log_access=False,
    ).serve()  # fmt: skip


if __name__ == "__main__":
    main()
