"""What every table shares: the two sets of tables and the column shapes."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, Column, Integer, MetaData, Text

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
hub = MetaData(naming_convention=NAMES)
inbox = MetaData(naming_convention=NAMES)


def key() -> Column[str]:
    """Primary key: an id of hub.clock."""
    return Column("id", Text, primary_key=True)


def ref(name: str, *args: Any, **kwargs: Any) -> Column[str]:
    """Id of a row elsewhere."""
    return Column(name, Text, *args, **kwargs)


def text(name: str, **kwargs: Any) -> Column[str]:
    """Text that is never null; "" when there is none."""
    kwargs.setdefault("nullable", False)
    kwargs.setdefault("default", "")
    return Column(name, Text, **kwargs)


def at(name: str, *, nullable: bool = True, **kwargs: Any) -> Column[int]:
    """An instant in milliseconds since 1970 UTC."""
    return Column(name, BigInteger, nullable=nullable, **kwargs)


def number(name: str, default: int = 0) -> Column[int]:
    """A whole number that is never null."""
    return Column(name, Integer, nullable=False, default=default)


def json(name: str, default: type = dict) -> Column[Any]:
    """A JSON value, {} or [] when there is nothing."""
    return Column(name, JSON, nullable=False, default=default)
