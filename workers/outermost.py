"""The outermost loop of every worker, the one place that outlives any fault.

Whatever goes wrong inside a task, what it had leased comes back by itself when the lease ends; the fault is
logged with its trace and the worker goes on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

log = logging.getLogger("leadhub.work")


def survive(task: str, work: Callable[[], object]) -> bool:
    """Run one round of work; False when it failed with something nobody expected."""
    try:
        work()
    except Exception:
        log.exception("task failed task=%s", task)
        return False
    return True
