"""What the web server loads: one hub per process, its door and its pages behind the front."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from hub.app import create_app, open_hub
from hub.config import load_config
from hub.memory import settle
from hub.web.door import Door
from workers.bell import Finger, ring_when_committed
from workers.front import Application, front
from workers.process import HEADROOM, die_with_parent

SWITCH_S = 0.0005
"""The thread that writes to the disk waits for its turn after each call of the database: ten times shorter turns."""


def make() -> Application:
    """The application of this process. Rings Redis where there is one, else the working process beside it."""
    die_with_parent()
    sys.setswitchinterval(SWITCH_S)
    config = load_config(Path(os.environ["LEADHUB_FOLDER"]))
    if config.redis_url:
        from workers.fleet import Doorbell, turns_in

        hub = open_hub(config, ring=Doorbell(config.redis_url), turns=turns_in(config.redis_url))
    else:
        hub = open_hub(config)
        ring_when_committed(hub.store, Finger(config.folder))
    pages = create_app(hub)
    settle()
    return front(
        Door(hub).ask, pages, threads=config.threads, largest=config.file_limit + HEADROOM,
        proxies=config.proxies,
    )  # fmt: skip
