"""`leadhub sandbox`: stand-ins of CRMs, for an admin to rehearse a set-up on before the real account is touched."""

from __future__ import annotations

import runpy
import sys
from importlib.util import find_spec

import click


@click.group()
def sandbox() -> None:
    """Stand-ins of CRMs to rehearse on."""


@sandbox.command("list")
def sandbox_list() -> None:
    """The CRMs that have a stand-in."""
    for name in rehearsable():
        click.echo(name)


@sandbox.command("run", context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("crm")
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def sandbox_run(crm: str, options: tuple[str, ...]) -> None:
    """Serve the stand-in of CRM on this machine, with its board at /. `--demo` fills it, `--help` tells the rest."""
    if crm not in rehearsable():
        raise click.UsageError(f"There is no stand-in of {crm!r}; there are: {', '.join(rehearsable())}")
    sys.argv = [f"leadhub sandbox run {crm}", *options]
    runpy.run_module(f"connectors.crms.{crm}.sandbox", run_name="__main__")


def rehearsable() -> list[str]:
    """Names of the CRMs with a stand-in."""
    from connectors import registry

    return [name for name in registry.names("crms") if find_spec(f"connectors.crms.{name}.sandbox")]
