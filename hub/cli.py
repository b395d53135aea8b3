"""The `leadhub` command. Each command is a few lines; what it does lives in the rooms."""

from __future__ import annotations

import json
import logging
import sys
from importlib import import_module
from pathlib import Path

import click

import connectors
from hub.config import load_config

SOURCES = Path(connectors.__file__).parent / "sources"
ELSEWHERE = {
    "crm": "hub.cli_crm", "sync": "hub.cli_crm", "identity": "hub.cli_identity", "rules": "hub.cli_rules",
    "sandbox": "hub.cli_sandbox",
}  # fmt: skip
"""Commands and the modules they live in, which are read when somebody asks for them: a running hub stays small."""

FOLDER = click.option(
    "--folder", type=click.Path(path_type=Path), envvar="LEADHUB_FOLDER", default="data", show_default=True,
    help="Where the hub keeps its files.",
)  # fmt: skip


class _Rooms(click.Group):
    """The commands of this module, and those of others by name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *ELSEWHERE})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in ELSEWHERE:
            return super().get_command(ctx, cmd_name)
        found: click.Command = getattr(import_module(ELSEWHERE[cmd_name]), cmd_name)
        return found


@click.group(cls=_Rooms)
@click.version_option(package_name="leadhub")
def main() -> None:
    """Takes inquiries from every channel, opens leads, and keeps them in step with your CRM."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for talkative in ("alembic", "imapclient", "werkzeug"):
        logging.getLogger(talkative).setLevel(logging.WARNING)


# ── running ──────────────────────────────────────────────────────────────────────────────────────


@main.command()
@FOLDER
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8040, show_default=True, help="Port to listen on.")
@click.option("--workers", default=1, show_default=True, help="Threads (embedded) or processes (Redis) for the work.")
@click.option("--web-processes", default=1, show_default=True, help="Web processes; SQLite allows one.")
def serve(folder: Path, host: str, port: int, workers: int, web_processes: int) -> None:
    """Run the web server and the work beside it."""
    from hub.ports import Taken
    from workers.process import serve as run

    try:
        run(load_config(folder.resolve(), host=host, port=port), workers, web_processes)
    except Taken as error:
        raise click.ClickException(str(error)) from None


@main.command()
@FOLDER
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8040, show_default=True)
@click.pass_context
def start(context: click.Context, folder: Path, host: str, port: int) -> None:
    """Run the hub for real use; the first time it prints the address of the guided first page."""
    from hub.app import open_hub
    from hub.setup import first_token

    config = load_config(folder.resolve(), host=host, port=port)
    hub = open_hub(config)
    token = first_token(hub.store, hub.clock)
    hub.close()
    if token:
        click.echo(
            f"\n  First run. Open this address once, within a day:\n\n    {config.public_url}/start?token={token}\n"
        )
    else:
        click.echo(f"\n  The desk is at {config.public_url}/\n")
    context.invoke(serve, folder=folder, host=host, port=port, workers=1, web_processes=1)


@main.command()
@FOLDER
@click.option("--threads", default=1, show_default=True, help="Threads for intake and for pushing.")
def work(folder: Path, threads: int) -> None:
    """Run the work without a web server, on threads, until stopped."""
    from workers.process import work as run

    run(load_config(folder.resolve()), threads)


@main.command()
@click.argument("queue", type=click.Choice(["flow", "push", "pull", "poll"]))
@FOLDER
def worker(queue: str, folder: Path) -> None:
    """Be an RQ worker of one QUEUE (needs LEADHUB_REDIS_URL)."""
    from workers.process import be_worker

    config = load_config(folder.resolve())
    if not config.redis_url:
        raise click.ClickException("Set LEADHUB_REDIS_URL, or run `leadhub work`, which needs no Redis")
    be_worker(config, queue)


# ── showing and measuring ────────────────────────────────────────────────────────────────────────


@main.command()
@click.option("--once", is_flag=True, help="Send everything, tell what came of it, and end.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--samples", type=click.Path(path_type=Path, exists=True, file_okay=False), help="Captured messages to send."
)
@click.option("--port", default=8040, show_default=True)
@click.option("--folder", type=click.Path(path_type=Path), help="Keep the data here instead of a temporary folder.")
def demo(once: bool, as_json: bool, samples: Path | None, port: int, folder: Path | None) -> None:
    """Show the main job: every channel's messages, a CRM without leads, the desk."""
    from hub.demo import play

    sys.exit(play(once=once, as_json=as_json, samples=samples, port=port, folder=folder))


@main.command()
@click.argument("name", required=False)
@click.option("--all", "every", is_flag=True, help="Run all of them.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per bench.")
@click.option("--readme", is_flag=True, help="Write the measured table into README.md.")
def bench(name: str | None, every: bool, as_json: bool, readme: bool) -> None:
    """Measure NAME (intake, flow, idle, route) against a yardstick of the same run."""
    from hub.bench import run

    sys.exit(run([name] if name else [], every=every, as_json=as_json, readme=readme))


# ── connectors ───────────────────────────────────────────────────────────────────────────────────


@main.group()
def connector() -> None:
    """Channels and CRMs the hub can speak to."""


@connector.command("list")
@click.option("--json", "as_json", is_flag=True)
def connector_list(as_json: bool) -> None:
    """Name, kind and evidence of every connector."""
    from connectors.registry import listing

    found = listing()
    if as_json:
        click.echo(json.dumps([{key: one[key] for key in ("name", "kind", "evidence")} for one in found]))
        return
    for one in found:
        click.echo(f"{one['name']:20} {one['kind']:8} {one['evidence']:12} {one['title']}")


@connector.command("new")
@click.argument("name")
def connector_new(name: str) -> None:
    """Write the folder of a new source NAME with a fixture and a guide, ready to be filled in."""
    from connectors.testing.scaffold import new

    for path in new(name, SOURCES, Path("tests/contract") if Path("tests/contract").is_dir() else None):
        click.echo(path)


@connector.command("try")
@click.argument("name")
def connector_try(name: str) -> None:
    """Show what NAME makes of each of its fixtures, and which differ from what is expected."""
    from connectors import registry
    from connectors.testing.fixtures import cases, outcome

    source, differing = registry.source(name), 0
    for case in cases(SOURCES / name / "fixtures"):
        found = outcome(case, source)
        same = case.expectation.is_file() and found == json.loads(case.expectation.read_text("utf-8"))
        differing += not same
        click.echo(f"── {case.name}: {'as expected' if same else 'DIFFERS'}")
        if not same:
            click.echo(json.dumps(found, ensure_ascii=False, indent=2))
    sys.exit(1 if differing else 0)


@connector.command("accept")
@click.argument("name")
@click.option("--force", is_flag=True, help="Overwrite expectations that differ.")
def connector_accept(name: str, force: bool) -> None:
    """Write what NAME makes of its fixtures as the expectation; keeps those that are there."""
    from connectors import registry
    from connectors.testing.fixtures import accept

    for path in accept(registry.source(name), SOURCES / name / "fixtures", force=force):
        click.echo(path)


if __name__ == "__main__":
    main()
