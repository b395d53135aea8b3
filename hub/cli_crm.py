"""`leadhub crm` and `leadhub sync`: set a CRM up, compare with it, undo a run, answer what the sync asks."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from connectors.errors import ConnectorError
from hub.config import load_config

if TYPE_CHECKING:
    from hub.app import Hub
    from hub.sync.account import Account

FOLDER = click.option(
    "--folder", type=click.Path(path_type=Path), envvar="LEADHUB_FOLDER", default="data", show_default=True,
    help="Where the hub keeps its files.",
)  # fmt: skip
STRATEGY = click.option("--strategy", default="", help="How leads are told from deals: two_blocks, ..., no_leads.")
ACTOR = "member:cli"


@contextmanager
def _opened(folder: Path) -> Iterator[Hub]:
    """The hub's parts; what the edge says becomes the command's own error."""
    from hub.app import open_hub

    hub = open_hub(load_config(folder.resolve()))
    try:
        yield hub
    except KeyError as error:
        raise click.ClickException(f"There is nothing called {error}") from None
    except ConnectorError as error:
        raise click.ClickException(str(error)) from None
    finally:
        hub.close()


def _account(hub: Hub, connection: str) -> Account:
    account = hub.accounts.get(connection)
    if account is None:
        raise click.ClickException("This connection is off, paused or not set up")
    return account


def _say(sentences: tuple[str, ...] | list[str], nothing: str) -> None:
    for sentence in sentences or [nothing]:
        click.echo(sentence)


# ── setting up ───────────────────────────────────────────────────────────────────────────────────


@click.group()
def crm() -> None:
    """Set a CRM account up (plan, apply, verify, undo) and compare with it."""


@crm.command("plan")
@click.argument("connection")
@STRATEGY
@FOLDER
def crm_plan(connection: str, strategy: str, folder: Path) -> None:
    """What would be changed in the CRM behind CONNECTION (its id)."""
    with _opened(folder) as hub:
        _say(hub.provision.plan(connection, strategy=strategy).sentences, "Nothing to do")


@crm.command("apply")
@click.argument("connection")
@STRATEGY
@FOLDER
def crm_apply(connection: str, strategy: str, folder: Path) -> None:
    """Change it."""
    with _opened(folder) as hub:
        plan = hub.provision.plan(connection, strategy=strategy)
        hub.provision.apply(connection, plan)
        _say(plan.sentences, "Nothing to do")


@crm.command("verify")
@click.argument("connection")
@FOLDER
def crm_verify(connection: str, folder: Path) -> None:
    """What is missing over there; exits 1 when something is."""
    with _opened(folder) as hub:
        missing = hub.provision.verify(connection)
    _say(missing, "Everything is as it should be")
    sys.exit(1 if missing else 0)


@crm.command("undo")
@click.argument("connection")
@FOLDER
def crm_undo(connection: str, folder: Path) -> None:
    """Take the last set-up back."""
    with _opened(folder) as hub:
        _say(hub.provision.undo(connection), "Nothing to undo")


@crm.command("audit")
@click.argument("connection")
@FOLDER
def crm_audit(connection: str, folder: Path) -> None:
    """Compare every record with the CRM now and repair what differs."""
    with _opened(folder) as hub:
        click.echo(hub.auditor.run(connection))


# ── keeping in step ──────────────────────────────────────────────────────────────────────────────


@click.group()
def sync() -> None:
    """Look at what the sync did, undo it, and answer what it asks."""


@sync.command("runs")
@click.argument("connection")
@FOLDER
def sync_runs(connection: str, folder: Path) -> None:
    """The newest runs of CONNECTION that changed something."""
    from hub.clock import instant
    from hub.sync.undo import runs

    with _opened(folder) as hub, hub.store.read() as conn:
        told = [
            f"{one.id}  {instant(one.at):%Y-%m-%d %H:%M:%S}Z  here {one.here}, there {one.there}, made {one.made}"
            for one in runs(conn, connection)
        ]
    _say(told, "No run has changed anything")


@sync.command("undo")
@click.argument("run")
@FOLDER
def sync_undo(run: str, folder: Path) -> None:
    """Restore what RUN changed and nobody touched since; list the rest. Exits 1 when something is left."""
    from hub.sync.undo import Undo

    with _opened(folder) as hub:
        told = Undo(hub.store, hub.clock, hub.accounts).undo(run, ACTOR)
        hub.ring("push")
    _say([f"restored: {one}" for one in told.done] + [f"left: {one}" for one in told.left], "Nothing to restore")
    sys.exit(1 if told.left else 0)


@sync.command("match")
@click.argument("connection")
@click.option("--apply", "really", is_flag=True, help="Do it: cards of the CRM get their records here.")
@FOLDER
def sync_match(connection: str, really: bool, folder: Path) -> None:
    """Count what the cards that are in the CRM already would become here."""
    from hub.sync.match import preview, welcome_all

    with _opened(folder) as hub:
        account = _account(hub, connection)
        _say(preview(hub.store, hub.clock, account).sentences, "The CRM has no cards")
        if really:
            welcome_all(hub.store, hub.clock, account, ACTOR)
            hub.connections.forget()
            hub.ring("pull")
            click.echo("They come with the next pull")


@sync.command("gone")
@click.argument("connection")
@FOLDER
def sync_gone(connection: str, folder: Path) -> None:
    """Confirm that records which vanished in a mass were deleted on purpose."""
    from hub.sync.decide import believe_gone

    with _opened(folder) as hub, hub.store.write() as conn:
        click.echo(f"{believe_gone(conn, hub.clock, ACTOR, connection)} records are gone for good over there")


@sync.command("cards")
@click.argument("connection")
@click.option("--merge", "link", help="Merge this second card into the contact's own, over there.")
@click.option("--leave", help="Leave this second card as it is, and do not ask again.")
@FOLDER
def sync_cards(connection: str, link: str | None, leave: str | None, folder: Path) -> None:
    """People who are one contact here and have two cards in the CRM."""
    from hub.identity.cards import seconds
    from hub.sync import joiner

    with _opened(folder) as hub, hub.store.write() as conn:
        if link or leave:
            act = joiner.merge_there if link else joiner.leave
            done = act(conn, hub.clock, ACTOR, link or leave or "")
            click.echo(
                "It is done with the next pull" if done and link else "Left as it is" if done else "Settled before"
            )
            return
        rows = [f"{row.id}: {row.remote_kind} {row.remote_id} – {row.why}" for row in seconds(conn, connection)]
    _say(rows, "Nobody has two cards")


@sync.command("owners")
@click.argument("connection")
@click.option("--is", "named", multiple=True, metavar="LOGIN=USER", help="This colleague is this user of the CRM.")
@click.option("--there", help="The user who stands in for colleagues without one (- for the CRM's own choice).")
@click.option("--here", metavar="LOGIN", help="Who stands in here for users who are nobody here (- for turns).")
@FOLDER
def sync_owners(connection: str, named: tuple[str, ...], there: str | None, here: str | None, folder: Path) -> None:
    """Who is who in the CRM, and who is nobody on the other side."""
    from hub.sync import owners

    with _opened(folder) as hub:
        with hub.store.write() as conn:
            if named or there or here:
                news = {owners.by_login(conn, mine): user for mine, _is, user in (one.partition("=") for one in named)}
                stands = {"there": there, "here": owners.by_login(conn, here) if here and here != "-" else here}
                chosen = {word: "" if who == "-" else who for word, who in stands.items() if who}
                click.echo(f"{owners.say(conn, hub.clock, ACTOR, connection, news, **chosen)} cards follow")
            lines = owners.listed(conn, connection)
        hub.ring("push")
    _say(lines, "Everybody is known on both sides")


@sync.command("reconnect")
@click.argument("connection")
@click.option("--migrate", "how", flag_value="migrate", help="Our records moved to the new account: look for each.")
@click.option("--new", "how", flag_value="new", help="Begin anew: nothing over there is ours yet.")
@FOLDER
def sync_reconnect(connection: str, how: str | None, folder: Path) -> None:
    """Use an account other than the one CONNECTION was set up with."""
    from hub.sync.decide import begin_anew, migrate

    if how is None:
        raise click.UsageError("Say --migrate or --new")
    with _opened(folder) as hub, hub.store.write() as conn:
        count = (migrate if how == "migrate" else begin_anew)(conn, hub.clock, ACTOR, connection)
    click.echo(f"{count} records; set the account up now: leadhub crm plan {connection}")


@sync.command("health")
@FOLDER
def sync_health(folder: Path) -> None:
    """How every CRM connection is."""
    from hub.clock import instant
    from hub.sync.health import health

    with _opened(folder) as hub, hub.store.read() as conn:
        found, now = health(conn), hub.clock.now()
    for one in found:
        click.echo(f"{one.name}: {one.in_sync} in step, {one.moving} on their way, {one.excluded} left out")
        if one.read.at is not None:
            late = "; that is late" if one.read.is_late(now) else ""
            click.echo(f"  read up to {instant(one.read.at):%Y-%m-%d %H:%M:%S}Z{late}")
        for trouble in one.troubles:
            click.echo(f"  {trouble.count} × {trouble.code}: {trouble.why} ({trouble.action})")
