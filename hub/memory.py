"""What the garbage collector looks at in a process that works for long; benches settle down as workers do."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

SELDOM = (50_000, 20, 50)
"""Objects made before a young collection; young ones before a middle one; middle ones before a full one."""


def settle() -> None:
    """What is loaded now stays: the collector looks at it never again, and seldom at the rest. Leads make few rings
    of objects, but hundreds of thousands of short-lived ones: an eighth of their cost was looking through those, and
    whom a full look met (some 100 ms) waited for it."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*SELDOM)


@contextmanager
def settled() -> Iterator[None]:
    """For a while, as in a process of its own."""
    before = gc.get_threshold()
    settle()
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
