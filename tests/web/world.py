"""A hub with people and leads in a folder, and hands that use its pages like a browser without scripts.

Everything is fictional. The clock stands still and ids repeat, so two worlds made alike are alike to the byte.
"""

from __future__ import annotations

import html
import json
import random
import re
import shutil
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from connectors import registry
from connectors.contract import Raw
from hub import setup
from hub.app import Hub, create_app, open_hub
from hub.clock import Clock, FixedClock, instant
from hub.config import load_config
from hub.model import connection, lead, member

PASSWORD = "correct horse"
PEOPLE = {
    "ada": ("Ada Admin", "admin", 0),
    "dora": ("Dora Desk", "lead_desk", 1),
    "dan": ("Dan Desk", "lead_desk", 1),
    "sam": ("Sam Seller", "sales", 0),
    "sue": ("Sue Seller", "sales", 0),
}
INQUIRIES = (
    {"name": "Ivan Petrov", "phone": "+7 912 345-67-89", "email": "ivan@example.com", "message": "Windows for a house"},
    {"name": "Maria Schmidt", "phone": "+49 151 23456789", "email": "maria@gmial.com", "message": "Forty chairs"},
    {"name": "Ольга Соколова", "phone": "8 (495) 123-45-67", "message": "Нужна консультация"},
    {"name": "John Smith", "email": "john@example.org", "message": "Pricing?", "budget": "100-200"},
)


@dataclass
class World:
    """One hub, its application and the ids of what was put into it."""

    hub: Hub
    app: Flask
    members: dict[str, str]
    form: str
    leads: dict[str, str] = field(default_factory=dict)

    def send(self, **fields: Any) -> None:
        """An inquiry through the site's form."""
        live = self.hub.connections.by_id(self.form)
        assert live is not None
        body = json.dumps({"page": "https://shop.example.com/?utm_source=mail", "form": "Contact", **fields}).encode()
        raw = Raw(body, instant(self.hub.clock.now()), {"content-type": "application/json"}, "POST", "/in/x")
        self.hub.intake.accept(live, raw)

    def process(self) -> None:
        """Let what arrived become leads."""
        self.hub.flow.drain()
        self.read_leads()

    def read_leads(self) -> None:
        """Know the leads by the person's name."""
        with self.hub.store.read() as conn:
            self.leads = {row.title.partition(" · ")[0]: row.id for row in conn.execute(select(lead))}

    def visitor(self, login: str = "", address: str = "127.0.0.1") -> FlaskClient:
        """A browser, logged in if a login is given."""
        client = self.app.test_client()
        client.environ_base["REMOTE_ADDR"] = address
        if login:
            assert log_in(client, login).status_code == 303
        return client

    @cached_property
    def admin(self) -> FlaskClient:
        """One browser of the admin for the whole test: a login costs a quarter of a second."""
        return self.visitor("ada")

    def close(self) -> None:
        self.hub.close()


def build(folder: Path, clock: FixedClock | None = None, apart: float = 0) -> None:
    """A hub with five people and four leads, as files; the leads came `apart` seconds after each other."""
    fill(open_hub(load_config(folder, env={}), clock or FixedClock()), apart).close()


def fill(hub: Hub, apart: float = 0) -> World:
    """Put the people and the leads into an empty hub."""
    with hub.store.write() as conn:
        setup.first_setup(conn, hub.clock, "Sales", "en")
        for login, (name, role, weight) in PEOPLE.items():
            setup.add_member(conn, hub.clock, login, name, PASSWORD, role, weight=weight)
        source = registry.source("webform")
        setup.add_connection(conn, hub.clock, hub.vault, source, "Site form", {"least_ms": "0"}, region="RU")
    world = _world(hub)
    for number, fields in enumerate(INQUIRIES):
        world.send(**fields, submission_id=f"first-{number}")
        if isinstance(hub.clock, FixedClock):
            hub.clock.advance(apart)
    world.process()
    return world


def open_world(built: Path, folder: Path, clock: Clock | None = None, **config: Any) -> World:
    """A copy of what `build` made, opened. Copies live on alike: same clock, same new ids."""
    shutil.copytree(built, folder, dirs_exist_ok=True)
    clock = clock or FixedClock(randomness=random.Random(8))
    world = _world(open_hub(load_config(folder, env={}, **config), clock))
    world.read_leads()
    return world


def _world(hub: Hub) -> World:
    with hub.store.read() as conn:
        members = {row.login: row.id for row in conn.execute(select(member))}
        form = conn.execute(select(connection.c.id)).scalar_one()
    return World(hub, create_app(hub), members, form)


def token(page: str) -> str:
    """The CSRF token of a page's first form."""
    found = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert found, page[:500]
    return html.unescape(found[1])


def log_in(client: FlaskClient, login: str, password: str = PASSWORD) -> Any:
    """Fill in the login page."""
    page = client.get("/login").get_data(as_text=True)
    return client.post("/login", data={"csrf_token": token(page), "login": login, "password": password})


def press(client: FlaskClient, address: str, **data: str) -> Any:
    """Submit a form of ours from the board, which every member may open."""
    page = client.get("/board").get_data(as_text=True)
    return client.post(address, data={"csrf_token": token(page), **data})
