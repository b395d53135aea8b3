"""What the web server loads: one application per process, configured by the environment."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from wsgiref.types import WSGIApplication

from hub.app import create_app, create_door, open_hub, silent
from hub.config import load_config
from workers.process import die_with_parent

SWITCH_S = 0.0005
"""The thread that writes to the disk waits for its turn after each call of the database: ten times shorter turns."""


def make() -> WSGIApplication:
    """The applications of this process. Rings Redis where there is one; else the sweeper listens to the database."""
    die_with_parent()
    sys.setswitchinterval(SWITCH_S)
    config = load_config(Path(os.environ["LEADHUB_FOLDER"]))
    ring: Callable[[str], None] = silent
    if config.redis_url:
        from workers.fleet import Doorbell

        ring = Doorbell(config.redis_url)
    hub = open_hub(config, ring=ring)
    return split(create_door(hub), create_app(hub))


def split(door: WSGIApplication, pages: WSGIApplication) -> WSGIApplication:
    """What is pushed to us goes to the door, people go to the pages."""

    def serve(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        return (door if environ["PATH_INFO"].startswith("/in/") else pages)(environ, start)

    return serve
