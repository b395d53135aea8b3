"""The set-up pages beside the stand-in of every CRM and in every placement: what is in place is said to be."""

from __future__ import annotations

import html
import re

import pytest
from flask.testing import FlaskClient

from connectors import registry
from hub.app import create_app
from hub.cli_sandbox import rehearsable
from hub.setup import add_member
from tests.flow.far import far
from tests.servers import Stack
from tests.web.world import PASSWORD, log_in, press

BY_HAND = {("zoho", "two_pipelines")}
"""People have to make the pipelines there first."""


@pytest.mark.parametrize("name", rehearsable())
def test_what_was_applied_is_in_place(name: str, embedded: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    with far(embedded, name, monkeypatch) as there:
        hub = there.made.hub
        with hub.store.write() as conn:
            add_member(conn, hub.clock, "ada", "Ada Admin", PASSWORD, "admin")
        admin = create_app(hub).test_client()
        assert log_in(admin, "ada").status_code == 303
        place = f"/admin/connections/{there.made.crm_id}"
        for strategy in registry.crm(name).facts.strategies:
            assert applied(admin, f"{place}/setup", strategy) is ((name, strategy) not in BY_HAND), strategy
        text = admin.get(f"{place}/mapping").get_data(as_text=True)
        shown = re.search(r'<textarea[^>]*name="text"[^>]*>(.*?)</textarea>', text, re.DOTALL)
        seen = re.search(r'name="seen" value="([^"]*)"', text)
        assert shown
        assert seen
        saved = press(admin, f"{place}/mapping", text=html.unescape(shown[1]), seen=seen[1])
        assert saved.status_code == 303, "what it starts with can be saved"


def applied(admin: FlaskClient, place: str, strategy: str) -> bool:
    """Carry out the plan that the page shows; answers whether there was one."""
    page = admin.get(f"{place}?strategy={strategy}").get_data(as_text=True)
    stamp = re.search(r'name="stamp" value="([^"]*)"', page)
    if stamp is None:
        return False
    assert press(admin, f"{place}/apply", stamp=html.unescape(stamp[1]), strategy=strategy).status_code == 303
    page = admin.get(f"{place}?strategy={strategy}").get_data(as_text=True)
    assert "Everything is in place." in page, strategy
    assert ("Deals go to the CRM now." if strategy == "held" else "Leads go to the CRM now.") in page
    return True
