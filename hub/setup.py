"""What a hub needs before the first inquiry: people, a direction, a default rule, connections.

The guided first page, the admin pages, the command line and the demo all use these.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from argon2 import PasswordHasher
from sqlalchemy import Connection, delete, func, select, update

from connectors.contract import Setting
from connectors.registry import Connector, kind_of
from hub.clock import Clock
from hub.funnel.defaults import add_direction
from hub.intake.connections import place_of_secrets
from hub.model import connection, direction, member, rotation, rule, setting
from hub.model.access import ROLES
from hub.routing.rotation import POOL
from hub.store.engine import Store
from hub.store.notes import note
from hub.store.secrets import Vault
from hub.told import Unusable

FIRST_TOKEN = "first_token"  # noqa: S105 - the name of a row
SHORTEST_PASSWORD = 8


def is_fresh(conn: Connection) -> bool:
    """Nobody can log in yet."""
    return not conn.execute(select(func.count()).select_from(member)).scalar()


def first_token(store: Store, clock: Clock) -> str | None:
    """A new one-time token for the first page, None once somebody can log in. Only its digest is kept; a token that
    was given out before stops working."""
    with store.write() as conn:
        if not is_fresh(conn):
            return None
        token = secrets.token_urlsafe(18)
        conn.execute(delete(setting).where(setting.c.name == FIRST_TOKEN))
        conn.execute(setting.insert().values(name=FIRST_TOKEN, value={"digest": _digest(token), "at": clock.now()}))
    return token


def use_first_token(conn: Connection, token: str) -> bool:
    """Whether this is the token of the first page, which it is once: the row goes, and who deletes it has won."""
    row = conn.execute(select(setting.c.value).where(setting.c.name == FIRST_TOKEN)).one_or_none()
    if row is None or not hmac.compare_digest(_digest(token.strip()), str(row.value["digest"])):
        return False
    return bool(conn.execute(delete(setting).where(setting.c.name == FIRST_TOKEN)).rowcount)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def first_setup(conn: Connection, clock: Clock, direction_name: str, locale: str) -> str:
    """A main direction with the default stages and one rule that gives everything to the desk; answers its id."""
    direction_id = add_direction(conn, clock, direction_name, locale, main=True)
    conn.execute(
        rule.insert().values(
            id=clock.new_id(), position=1000, name="Everything else", conditions=[], direction_id=direction_id,
            pool=POOL, active=True,
        )
    )  # fmt: skip
    return direction_id


def add_member(
    conn: Connection, clock: Clock, login: str, name: str, password: str, role: str, locale: str = "en", weight: int = 1
) -> str:
    """A person who can log in; a weight above 0 gives them a share of new leads. Answers the id."""
    login = login.strip().lower()
    wrong = {}
    if not login:
        wrong["login"] = "is missing"
    elif conn.execute(select(member.c.id).where(member.c.login == login)).first():
        wrong["login"] = "is taken"
    if len(password) < SHORTEST_PASSWORD:
        wrong["password"] = "needs at least 8 characters"  # noqa: S105 - a message
    if role not in ROLES:
        wrong["role"] = f"is none of {', '.join(ROLES)}"
    if wrong:
        raise Unusable(wrong)
    member_id = clock.new_id()
    conn.execute(
        member.insert().values(
            id=member_id, login=login, name=name.strip() or login, password_hash=PasswordHasher().hash(password),
            role=role, locale=locale, active=True, created_at=clock.now(),
        )
    )  # fmt: skip
    if weight > 0:
        conn.execute(rotation.insert().values(pool=POOL, member_id=member_id, weight=weight, credit=0, given=0))
    note(conn, clock, "member", member_id, "added", "hub", {"role": role})
    return member_id


def set_password(conn: Connection, clock: Clock, actor: str, member_id: str, password: str) -> None:
    """A new password; raises `Unusable` when it is too short."""
    if len(password) < SHORTEST_PASSWORD:
        raise Unusable({"password": "needs at least 8 characters"})
    conn.execute(update(member).where(member.c.id == member_id).values(password_hash=PasswordHasher().hash(password)))
    note(conn, clock, "member", member_id, "password", actor)


def add_connection(
    conn: Connection,
    clock: Clock,
    vault: Vault,
    connector: type[Connector],
    name: str,
    values: Mapping[str, str],
    region: str = "",
    config: Mapping[str, Any] | None = None,
) -> str:
    """A configured connector from a filled form; secrets are sealed. Answers the id; raises `Unusable`."""
    settings, hidden = split_form(connector.form, values)
    connection_id = clock.new_id()
    conn.execute(
        connection.insert().values(
            id=connection_id,
            kind=kind_of(connector),
            connector=connector.name,
            name=name.strip() or connector.title,
            token=secrets.token_urlsafe(18),
            settings=settings,
            secrets=vault.seal(hidden, place_of_secrets(connection_id)) if hidden else b"",
            config=dict(config or {}),
            mapping="",
            region=region.strip().upper(),
            state="active",
            why="",
            fingerprint="",
            generation=1,
            created_at=clock.now(),
        )
    )
    note(conn, clock, "connection", connection_id, "added", "hub", {"connector": connector.name, "name": name})
    return connection_id


def change_connection(
    conn: Connection, vault: Vault, row: Any, form: Sequence[Setting], values: Mapping[str, str]
) -> None:
    """New settings; a secret left empty keeps its value."""
    settings, hidden = split_form(form, values, known=vault.open(row.secrets, place_of_secrets(row.id)))
    conn.execute(
        update(connection)
        .where(connection.c.id == row.id)
        .values(
            settings={**row.settings, **settings},
            secrets=vault.seal(hidden, place_of_secrets(row.id)) if hidden else b"",
            generation=connection.c.generation + 1,
            state="active",
            why="",
        )
    )


def change_state(conn: Connection, clock: Clock, actor: str, connection_id: str, state: str) -> None:
    """`state` is active, paused or off. Off refuses what comes in; paused keeps it and sends nothing out."""
    conn.execute(update(connection).where(connection.c.id == connection_id).values(state=state, why=""))
    note(conn, clock, "connection", connection_id, state, actor)


def rotate_token(conn: Connection, clock: Clock, actor: str, connection_id: str) -> str:
    """A new inbound address; the old one stops at once. Answers the new token."""
    token = secrets.token_urlsafe(18)
    conn.execute(update(connection).where(connection.c.id == connection_id).values(token=token))
    note(conn, clock, "connection", connection_id, "new_address", actor)
    return token


def split_form(
    form: Sequence[Setting], values: Mapping[str, str], known: Mapping[str, str] | None = None
) -> tuple[dict[str, str], dict[str, str]]:
    """(settings, secrets) of a filled connection form. Spaces and quotes around pasted values are dropped."""
    settings: dict[str, str] = {}
    hidden: dict[str, str] = dict(known or {})
    wrong: dict[str, str] = {}
    for one in form:
        value = values.get(one.name, "").strip().strip("\"'").strip() or ("" if one.secret else one.default)
        if one.secret:
            if value:
                hidden[one.name] = value
        elif value:
            settings[one.name] = value
        if one.required and not (settings.get(one.name) or hidden.get(one.name)):
            wrong[one.name] = "is missing"
    if wrong:
        raise Unusable(wrong)
    return settings, hidden


def main_direction(conn: Connection) -> str:
    """Id of the main direction, "" before the first set-up."""
    order = (direction.c.main.desc(), direction.c.position)
    return str(conn.execute(select(direction.c.id).order_by(*order).limit(1)).scalar() or "")
