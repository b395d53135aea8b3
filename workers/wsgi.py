"""What the web server loads: one application per process, configured by the environment."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from wsgiref.types import WSGIApplication

from hub.app import create_app, open_hub, silent
from hub.config import load_config
from workers.process import die_with_parent


def make() -> WSGIApplication:
    """The application of this process. Rings Redis where there is one; else the sweeper listens to the database."""
    die_with_parent()
    config = load_config(Path(os.environ["LEADHUB_FOLDER"]))
    ring: Callable[[str], None] = silent
    if config.redis_url:
        from workers.fleet import Doorbell

        ring = Doorbell(config.redis_url)
    return create_app(open_hub(config, ring=ring))
