"""`leadhub bench`: what one hub can do on this machine, as ratios to yardsticks of the same run.

Every bench starts the real processes in a temporary folder, prints one JSON object
`{"bench", "ratios", "figures", "yardsticks"}` and leaves nothing behind.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

BENCHES = ("intake", "flow", "idle", "route", "sync", "identity")
README = Path(__file__).parent.parent.parent / "README.md"


def run(names: Sequence[str], *, every: bool, as_json: bool, readme: bool) -> int:
    """Run the benches named (all of them with `every`) and tell; the exit code is 2 for a name that is none."""
    from hub.bench import table  # the generator and the yardstick live in this package and shall stay small
    from hub.bench.scale import size_of

    wanted = list(BENCHES) if every else list(names)
    unknown = [name for name in wanted if name not in BENCHES]
    if unknown or not wanted:
        print(f"Name a bench: {', '.join(BENCHES)}, or --all", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # all processes of a bench end with it
    size = size_of(os.environ.get("LEADHUB_BENCH", ""))
    results = []
    for name in wanted:
        with tempfile.TemporaryDirectory(prefix="leadhub-bench-", ignore_cleanup_errors=True) as folder:
            results.append(import_module(f"hub.bench.{name}").measure(Path(folder), size))
        print(json.dumps(results[-1]) if as_json else table.lines(results[-1]), flush=True)
    if readme:
        table.write(README, results)
    return 0
