"""The yardstick: a Flask endpoint that parses the same message and stores nothing, on the hub's own web server.

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
    """Serve it with the settings of `leadhub serve`."""
    from workers.process import web_server

    config = load_config(Path(sys.argv[1]), port=int(sys.argv[2]))
    web_server(config, "hub.bench.bare:make").serve()


if __name__ == "__main__":
    main()
