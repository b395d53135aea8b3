"""The pages read the same from PostgreSQL as from SQLite."""

from __future__ import annotations

from flask.testing import FlaskClient

from hub.app import open_hub
from hub.clock import FixedClock
from hub.config import load_config
from tests.servers import Stack
from tests.web.world import World, fill, press

ODD = ("\0", "'; DROP TABLE lead;--", "x" * 10_000, "%_\\", "🙂", b"\xed\xa0\x80")


def test_pages_answer_on_both_stacks(stack: Stack) -> None:
    urls = {"database_url": stack.database_url, "inbox_url": stack.inbox_url}
    world = fill(open_hub(load_config(stack.folder, env={}, **urls), FixedClock()))
    for login in ("ada", "dora", "sam"):
        look_around(world.visitor(login))
    work(world, world.visitor("ada"))
    world.close()


def look_around(client: FlaskClient) -> None:
    for address in ("/desk", "/desk?show=mine", "/desk?show=rejected", "/desk?after=1.x", "/board"):
        assert client.get(address).status_code == 200, address
    for odd in ODD:
        tag = b"#" + (odd if isinstance(odd, bytes) else odd.encode())
        for asked in (odd, tag):
            assert client.get("/desk", query_string={"q": asked, "after": odd}).status_code == 200
            assert client.get("/deals", query_string={"q": asked, "after": odd}).status_code in (200, 404)


def work(world: World, ada: FlaskClient) -> None:
    lead_id = world.leads["Ivan Petrov"]
    for odd in ODD[:-1]:
        assert press(ada, f"/leads/{lead_id}/stage", stage=odd).status_code == 409  # type: ignore[arg-type]
    assert press(ada, f"/leads/{lead_id}/stage", stage="warm").status_code == 303
    assert press(ada, f"/leads/{lead_id}/tags", tags=f"VIP, Окна, {QUOTED}, 50%", shown="").status_code == 303
    found(ada, "/desk", "Ivan Petrov")
    assert press(ada, f"/leads/{lead_id}/convert", owner=world.members["sam"]).status_code == 303
    found(ada, "/deals", "Ivan Petrov")
    found(world.visitor("sam"), "/deals", "Ivan Petrov")
    assert "Ольга" in ada.get("/desk", query_string={"q": "соколова"}).get_data(as_text=True)
    assert "Ivan Petrov" in world.visitor("sam").get("/deals").get_data(as_text=True)
    assert ada.get("/board").get_data(as_text=True).count("Ivan Petrov") == 1


QUOTED = 'Say "yes" \\o/'


def found(client: FlaskClient, page: str, name: str) -> None:
    """By whole tags in any spelling, by a part of the person, and by nothing else."""
    for asked in ("#vip", "VIP", "#окна", "ОКНА", "# окна", f"#{QUOTED}", "#50%", "petro", "912 345"):
        assert name in client.get(page, query_string={"q": asked}).get_data(as_text=True), asked
    for asked in ("#vi", "#ip", '#"', "#", "#50", "#5_%", "#petro", "#%", '#VIP", "Окна'):
        assert name not in client.get(page, query_string={"q": asked}).get_data(as_text=True), asked
