"""`python -m connectors.crms.amocrm.sandbox --port 5081 --demo`"""

from __future__ import annotations

import argparse
import threading

from connectors.crms.amocrm.sandbox import create_sandbox, serving
from connectors.crms.amocrm.sandbox.demo import furnish


def main() -> None:
    """Serve on loopback until interrupted."""
    ask = argparse.ArgumentParser(description="A stand-in for an amoCRM account, with its board at /")
    ask.add_argument("--port", type=int, default=5081)
    ask.add_argument("--rate", type=int, default=7, help="calls a second, 0 for any number")
    ask.add_argument("--lag", type=float, default=0.0, help="seconds the search index is behind")
    ask.add_argument("--latency", type=float, default=0.0, help="seconds every call takes")
    ask.add_argument("--token", default="sandbox-token")
    ask.add_argument("--demo", action="store_true", help="with two blocks of stages and some cards")
    told = ask.parse_args()
    app = create_sandbox(rate=told.rate or None, lag=told.lag, latency=told.latency, token=told.token)
    if told.demo:
        furnish(app.state)
    with serving(app, told.port) as address:
        print(f"amoCRM stand-in: {address}  token: {told.token}", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print("bye")


if __name__ == "__main__":
    main()
