"""The commands of `leadhub crm` and `leadhub sync`, as the guide has them, on a hub that works beside a CRM."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

import pytest
from click.testing import CliRunner, Result

from hub.cli import main
from hub.clock import HOUR, FixedClock
from hub.model import connection, member
from hub.sync.undo import runs
from tests.flow.scene import REAL, Scene, scene
from tests.servers import Stack

COMMANDS = """
leadhub crm plan CONNECTION --strategy two_pipelines   # what would be changed
leadhub crm audit CONNECTION                           # "0 differences on 12345 records"
leadhub sync match CONNECTION                          # what the cards that are there would become here
leadhub sync runs CONNECTION                           # what changed, by run
leadhub sync undo RUN                                  # take one back
leadhub sync cards CONNECTION                          # people with two cards over there: --merge, --leave
leadhub sync owners CONNECTION                         # who is nobody on the other side: --is, --there, --here
leadhub sync health                                    # in step, on their way, left out, in trouble
"""
"""As hub/sync/README.md has them."""


@pytest.fixture
def calm(embedded: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """A lead that arrived an hour ago and was renamed over there; commands look at the clock on the wall."""
    with scene(embedded, FixedClock(at=REAL.now() - HOUR)) as made:
        made.post(name="Anna Peters", phone="+79161234567")
        made.settle()
        made.crm.edit("leads", made.card()["id"], name="Renamed there")
        made.settle()
        monkeypatch.setenv("LEADHUB_ALLOWED_HOSTS", made.address.removeprefix("http://"))
        monkeypatch.setenv("LEADHUB_FOLDER", str(embedded.folder))
        yield made


def run(made: Scene, command: str) -> Result:
    with made.hub.store.read() as conn:
        edit = [one.id for one in runs(conn, made.crm_id) if one.here][-1]
    words = shlex.split(command.replace("CONNECTION", made.crm_id).replace("RUN", edit), comments=True)
    return CliRunner().invoke(main, words[1:], catch_exceptions=False)


def test_every_command_of_the_guide(calm: Scene) -> None:
    told = {}
    for command in COMMANDS.strip().splitlines():
        done = run(calm, command)
        assert done.exit_code == 0, f"{command}: {done.output}"
        told[" ".join(command.split()[1:3])] = done.output
    assert "Windows · leads" in told["crm plan"]
    assert told["crm audit"] == "0 differences on 2 records\n"
    assert "1 known already" in told["sync match"]
    assert "here 1" in told["sync runs"]
    assert "restored: lead" in told["sync undo"]
    assert told["sync cards"] == "Nobody has two cards\n"
    assert told["sync owners"] == "Everybody is known on both sides\n"
    assert "2 in step" in told["sync health"]
    assert calm.lead().title != "Renamed there"


def test_owners_and_their_stand_ins_are_named_by_login(calm: Scene) -> None:
    vera, oleg = (calm.row(member, id=calm.members[name]).login for name in ("vera", "oleg"))
    done = run(calm, f"leadhub sync owners CONNECTION --is {vera}=77 --there 77 --here {oleg}")
    assert "cards follow" in done.output
    config = calm.row(connection, id=calm.crm_id).config
    assert config["tables"]["owners"][calm.members["vera"]] == "77"
    assert (config["owner_there"], config["owner_here"]) == ("77", calm.members["oleg"])
    assert run(calm, "leadhub sync owners CONNECTION --there - --here -").exit_code == 0
    config = calm.row(connection, id=calm.crm_id).config
    assert (config["owner_there"], config["owner_here"]) == ("", "")


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        ("leadhub sync owners CONNECTION --is nobody=1", "nobody"),
        ("leadhub crm plan nobody", "nobody"),
        ("leadhub crm plan CONNECTION --strategy native", "cannot carry"),
        ("leadhub sync undo nothing", "nothing"),
        ("leadhub sync reconnect CONNECTION", "--migrate or --new"),
    ],
)
def test_a_mistake_is_told_in_one_sentence(calm: Scene, command: str, complaint: str) -> None:
    done = run(calm, command)
    assert done.exit_code
    assert complaint in done.output
    assert "Traceback" not in done.output
