"""A connection's form: what was typed, what is kept secret meanwhile, and a try before anything is saved.

Guarantees: nothing is stored before the last button; a secret typed once is not asked for again in the same form
and yet never stands in a page: it travels sealed, for one admin and one connector.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidTag
from flask_babel import gettext as _

from connectors import registry
from connectors.contract import Setting
from connectors.errors import ConnectorError
from connectors.oauth import Granting
from connectors.registry import Connector
from hub.intake.connections import place_of_secrets
from hub.setup import split_form
from hub.store.secrets import KeyUnfit
from hub.told import Unusable


@dataclass
class Filled:
    """A form as typed. `values` are plain settings, `secrets` those typed now or before, `known` those stored."""

    values: dict[str, str]
    secrets: dict[str, str]
    known: Mapping[str, str] = field(default_factory=dict)

    @property
    def all(self) -> dict[str, str]:
        """Everything, as `hub.setup` takes it."""
        return {**self.values, **self.secrets}

    def has(self, name: str) -> bool:
        """Whether a secret is set already."""
        return bool(self.secrets.get(name) or self.known.get(name))


def connector_of(kind: str, name: str) -> type[Connector] | None:
    """The connector's class, None where there is none of this name."""
    if kind not in registry.KINDS or name not in registry.names(f"{kind}s"):
        return None
    return registry.of_kind(kind, name)


def stored_secrets(hub: Any, row: Any) -> dict[str, str]:
    """The opened secrets of a connection; {} when this key does not open them (they are entered anew)."""
    try:
        opened: dict[str, str] = hub.vault.open(row.secrets, place_of_secrets(row.id))
    except KeyUnfit:
        return {}
    return opened


def read(hub: Any, whose: str, form: Sequence[Setting], posted: Mapping[str, str], known: Mapping[str, str]) -> Filled:
    """What was typed now, with the secrets that were typed in this form before."""
    values = {one.name: posted.get(f"s-{one.name}", "") for one in form if not one.secret}
    secrets = {one.name: posted.get(f"s-{one.name}", "").strip() for one in form if one.secret}
    before = _unsealed(hub, whose, posted.get("sealed", ""))
    return Filled(values, {**before, **{name: value for name, value in secrets.items() if value}}, known)


def sealed(hub: Any, whose: str, filled: Filled) -> str:
    """The typed secrets for the page, sealed; "" when there are none."""
    if not filled.secrets:
        return ""
    return base64.b64encode(hub.vault.seal(filled.secrets, f"form/{whose}")).decode()


def _unsealed(hub: Any, whose: str, text: str) -> dict[str, str]:
    try:
        opened: dict[str, str] = hub.vault.open(base64.b64decode(text, validate=True), f"form/{whose}")
    except (KeyUnfit, InvalidTag, binascii.Error, ValueError):
        return {}
    return opened


def complaints(hub: Any, form: Sequence[Setting], filled: Filled) -> dict[str, str]:
    """What is wrong with single fields, by name: missing ones, and the hub's own address as somebody else's."""
    wrong = {}
    try:
        split_form(form, filled.all, filled.known)
    except Unusable as error:
        wrong = {name: _(why) for name, why in error.fields.items()}
    ours = urlsplit(hub.config.public_url).netloc
    for name, value in filled.values.items():
        if "://" in value and urlsplit(value.strip()).netloc == ours:
            wrong[name] = _("is the address of this hub itself: enter that of the other system")
    return wrong


def attempt(hub: Any, kind: str, connector: type[Connector], filled: Filled) -> tuple[bool, str]:
    """Try the settings on the real system: whether it answered as hoped, and a sentence for the admin."""
    settings, secrets = split_form(connector.form, filled.all, filled.known)
    try:
        made = hub.connections.trial(kind, connector.name, settings, secrets)
        if isinstance(made, Granting) and made.grant(hub.redirect_uri) is not None:
            return True, _("Now press Connect: the account is asked for its consent there")
        found = made.check()
    except ConnectorError as error:
        return False, str(error)
    except (ValueError, KeyError, OSError) as error:
        return False, _("These settings cannot be used: %(why)s", why=type(error).__name__)
    return True, found if isinstance(found, str) else _("Connected to %(name)s", name=found.name)
