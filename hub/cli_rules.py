"""`leadhub rules`: routing rules from a file, as a draft that is looked at, tried and published like any other."""

from __future__ import annotations

from pathlib import Path

import click

from hub.cli_crm import ACTOR, FOLDER
from hub.config import load_config


@click.group()
def rules() -> None:
    """Routing rules."""


@rules.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--publish", is_flag=True, help="Go live at once instead of leaving a draft.")
@FOLDER
def rules_import(file: Path, publish: bool, folder: Path) -> None:
    """Read rules from FILE (.csv or .toml); rules that take everything stay behind them."""
    from hub.app import open_hub
    from hub.funnel.directions import directions
    from hub.insight import drafts
    from hub.routing.files import UnusableFile, read_file
    from hub.routing.rotation import POOL
    from hub.setup import main_direction

    hub = open_hub(load_config(folder.resolve()))
    try:
        with hub.store.write() as conn:
            known = {str(one.name): str(one.id) for one, _stages in directions(conn)}
            text = file.read_text(encoding="utf-8")
            rows = read_file(text, file.suffix.lower() == ".toml", known, main_direction(conn), POOL)
            body = drafts.read_body(conn)
            last = [one for one in body["rules"] if not one["conditions"]]
            new = [{**one, "id": hub.clock.new_id(), "active": True} for one in rows]
            body = {**body, "rules": [*new, *last]}
            complaints = drafts.complaints_of(conn, body, hub.clock.now())
            number = drafts.draft(conn, hub.clock, body, ACTOR, file.name)
            if publish:
                drafts.publish(conn, hub.clock, number, ACTOR)
    except (UnusableFile, drafts.NotPublished, UnicodeDecodeError) as error:
        raise click.ClickException(f"{file.name} was not imported:\n{error}") from None
    finally:
        hub.close()
    for one in complaints:
        click.echo(f"  {one}")
    click.echo(f"{len(rows)} rules {'are live' if publish else f'wait as draft {number}'}")
