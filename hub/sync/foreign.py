"""Where foreign code and foreign values are touched: whatever breaks there concerns one record and nobody else."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from connectors.errors import ConnectorError, Unreadable

P = ParamSpec("P")
T = TypeVar("T")
BROKEN = (LookupError, ValueError, TypeError, AttributeError, ArithmeticError, RecursionError, AssertionError)
"""What a value nobody thought of makes of the code that reads it. Trouble of the machine (memory, disk) is not its."""


def guarded(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call it; what it raises that is no word of the edge becomes `Unreadable`, without the values in its text."""
    try:
        return call(*args, **kwargs)
    except ConnectorError:
        raise
    except BROKEN as error:
        raise Unreadable(f"This value broke its reader ({type(error).__name__})") from error
