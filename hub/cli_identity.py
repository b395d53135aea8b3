"""`leadhub identity`: run a stream or a table through the resolver, and ask why."""

from __future__ import annotations

import csv
import json
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from hub.clock import instant
from hub.identity.merging import CannotMerge
from hub.identity.review import ANSWERS
from hub.identity.rules import BadRules, Rules, configured
from hub.identity.stream import Stream
from hub.identity.survivorship import BadPolicy
from hub.identity.table import THRESHOLD, Kind, groups_of

FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.group()
def identity() -> None:
    """Who is whom: one person, one contact."""


@identity.command()
@click.option("--in", "source", type=FILE, required=True, help="Events, one JSON object a line, in order of time.")
@click.option("--out", "target", type=click.Path(path_type=Path, dir_okay=False), required=True)
@click.option("--config", type=FILE, help="TOML with rules that differ from the defaults.")
@click.option("--time", "timed", is_flag=True, help="Add CPU milliseconds to each decision.")
def resolve(source: Path, target: Path, config: Path | None, timed: bool) -> None:
    """Resolve a stream of events on a fresh base and write one decision a line."""
    stream = Stream(_rules(config), time.process_time if timed else None)
    with target.open("w", encoding="utf-8") as file:
        for row in stream.run(_events(source)):
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


@identity.command()
@click.option("--csv", "source", type=FILE, required=True)
@click.option("--fields", required=True, help=f"column=kind,...; kinds: {', '.join(Kind)}")
@click.option("--id", "key", default="", help="Column that names a row; without it rows are counted from 0.")
@click.option("--threshold", default=THRESHOLD, show_default=True, help="Bits from which two rows are one person.")
def table(source: Path, fields: str, key: str, threshold: float) -> None:
    """Group the rows of a CSV file by person; prints row and group, one a line."""
    with source.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file, skipinitialspace=True))
    wanted = _fields(fields, rows[0] if rows else {})
    for number, group in enumerate(groups_of(rows, wanted, threshold)):
        click.echo(json.dumps({"row": rows[number].get(key) or str(number), "group": group}, ensure_ascii=False))


def _rules(config: Path | None) -> Rules:
    if config is None:
        return Rules()
    try:
        return configured(tomllib.loads(config.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, BadRules) as error:
        raise click.ClickException(f"{config}: {error}") from None


def _events(source: Path) -> Iterator[Mapping[str, Any]]:
    with source.open(encoding="utf-8", errors="surrogatepass") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                event = json.loads(line)
                yield {**event, "event_id": event["event_id"], "ts": event["ts"]}
            except (ValueError, KeyError, TypeError) as error:
                raise click.ClickException(
                    f"{source}, line {number}: not an event ({type(error).__name__}: {error}); needs event_id and ts"
                ) from None


def _fields(text: str, first: Mapping[str, Any]) -> dict[str, Kind]:
    fields = {}
    for part in filter(None, text.split(",")):
        name, _, kind = part.strip().partition("=")
        if kind not in set(Kind) or (first and name not in first):
            raise click.ClickException(
                f"{part!r}: wanted is column=kind; columns are {', '.join(first)}; kinds are {', '.join(Kind)}"
            )
        fields[name] = Kind(kind)
    return fields


# ── on a hub's own contacts ──────────────────────────────────────────────────────────────────────

FOLDER = click.option(
    "--folder", type=click.Path(path_type=Path), envvar="LEADHUB_FOLDER", default="data", show_default=True,
    help="Where the hub keeps its files.",
)  # fmt: skip
TONGUE = click.option("--language", type=click.Choice(["en", "ru"]), default="en", show_default=True)


@contextmanager
def _hub(folder: Path) -> Iterator[Any]:
    from hub.app import open_hub
    from hub.config import load_config

    made = open_hub(load_config(folder.resolve()))
    try:
        yield made
    except (CannotMerge, BadPolicy, BadRules) as error:
        raise click.ClickException(str(error)) from None
    finally:
        made.close()


def _tell(facts: Sequence[Mapping[str, Any]], language: str) -> None:
    for fact in facts:
        click.echo(f"{fact.get('bits', ''):>6}  {fact.get(language, fact.get('result', ''))}")


@identity.command()
@click.argument("contact")
@click.argument("other", required=False)
@FOLDER
@TONGUE
def explain(contact: str, other: str | None, folder: Path, language: str) -> None:
    """Why CONTACT and OTHER are one or two, and what would have to differ; or how CONTACT was recognised."""
    from hub.identity.review import explain as told
    from hub.identity.review import history

    with _hub(folder) as hub, hub.store.read() as conn:
        if other:
            _tell(told(conn, contact, other), language)
            return
        for at, facts in history(conn, contact):
            click.echo(instant(at).isoformat(timespec="seconds"))
            _tell(facts, language)


@identity.command()
@FOLDER
@TONGUE
def review(folder: Path, language: str) -> None:
    """Pairs that may be one person, the most likely first."""
    from hub.identity.review import waiting

    with _hub(folder) as hub, hub.store.read() as conn:
        for row in waiting(conn):
            click.echo(f"{row.id}  {row.first_id}  {row.second_id}")
            _tell(row.why, language)


@identity.command()
@click.argument("question")
@click.argument("said", type=click.Choice(ANSWERS))
@FOLDER
def answer(question: str, said: str, folder: Path) -> None:
    """Answer a QUESTION of the review: same, different, or never (their common contacts are shared by several)."""
    from hub.identity.review import answer as act

    with _hub(folder) as hub, hub.store.write() as conn:
        act(conn, question, said, "admin", hub.clock.new_id(), hub.clock.now())


@identity.command()
@click.argument("merge")
@FOLDER
def undo(merge: str, folder: Path) -> None:
    """Take a MERGE back: everybody has again what is theirs, also what came later."""
    from hub.identity.merging import undo as back

    with _hub(folder) as hub, hub.store.write() as conn:
        winner, loser = back(conn, merge, "admin", hub.clock.now())
        click.echo(f"{winner} and {loser} are two contacts again")


@identity.command()
@click.option("--dry", is_flag=True, help="Only tell what would change.")
@FOLDER
def redecide(dry: bool, folder: Path) -> None:
    """Decide anew what contacts show, after the setting `survivorship` changed: the raw facts are all there."""
    from hub.identity.shown import everybody
    from hub.identity.shown import redecide as decide

    changed = 0
    with _hub(folder) as hub:
        with hub.store.read() as conn:
            portions = list(everybody(conn))
        for ids in portions:
            with (hub.store.read if dry else hub.store.write)() as conn:
                for one in decide(conn, ids, hub.clock.now(), dry=dry):
                    changed += 1
                    told = (f"{field}: {one.before[field]!r} -> {value!r}" for field, value in one.after.items())
                    click.echo(f"{one.contact_id}  {', '.join(told)}")
    click.echo(f"{changed} contacts {'would show' if dry else 'show'} something else")


@identity.command()
@click.option("--out", "target", type=click.Path(path_type=Path, dir_okay=False), help="Write the weights as TOML.")
@FOLDER
def estimate(target: Path | None, folder: Path) -> None:
    """Weights that the answers of the review speak for: shown, not used. `use` uses them."""
    from hub.identity.estimate import LEAST, propose
    from hub.identity.review import answered
    from hub.identity.stored import read_rules_of_identity

    with _hub(folder) as hub, hub.store.read() as conn:
        found = propose(answered(conn), read_rules_of_identity(conn))
    click.echo(f"Answered pairs: {found.same} the same person, {found.different} two people")
    if not found.lines:
        click.echo(f"Too few to learn from: at least {LEAST} of each are wanted. Nothing is proposed.")
        return
    click.echo(f"{'weight':<18}{'now':>7}{'new':>7}{'same':>7}{'two':>7}")
    for line in found.lines:
        click.echo(f"{line.name:<18}{line.old:>+7.1f}{line.new:>+7.1f}{line.same:>7}{line.different:>7}")
    click.echo("Answered pairs that would attach by their score, same / two people:")
    click.echo(f"  now {found.before[0]} / {found.before[1]}, then {found.after[0]} / {found.after[1]}")
    if target is not None:
        target.write_text("".join(f"{name} = {value}\n" for name, value in found.values.items()), encoding="utf-8")
        click.echo(f"Written to {target}; leadhub identity use {target} uses them")


@identity.command()
@click.argument("config", type=FILE)
@FOLDER
def use(config: Path, folder: Path) -> None:
    """Use the weights of a TOML file from now on, beside those that were replaced before."""
    from hub.identity.stored import replace_rules

    _rules(config)
    values = tomllib.loads(config.read_text(encoding="utf-8"))
    with _hub(folder) as hub, hub.store.write() as conn:
        replace_rules(conn, values)
    click.echo(f"In use: {', '.join(f'{name} = {value}' for name, value in values.items()) or 'nothing new'}")


@identity.command()
@click.argument("contact")
@click.option("--not", "wrong", is_flag=True, help="Say that the contact is not of this company.")
@click.option("--shared", is_flag=True, help="With --not: several firms write from the contact's mail domain.")
@FOLDER
def company(contact: str, wrong: bool, shared: bool, folder: Path) -> None:
    """Whose CONTACT is, and by which keys its company is found; or put it right."""
    from hub.identity.employers import employer, not_there

    with _hub(folder) as hub, hub.store.write() as conn:
        if wrong or shared:
            name = not_there(conn, contact, "admin", hub.clock.new_id(), hub.clock.now(), shared)
            click.echo(f"{contact} is not of {name}")
            return
        row, keys = employer(conn, contact)
        click.echo(f"{row.id}  {row.name}" if row else "No company is known")
        for kind, value in keys:
            click.echo(f"  {kind}: {value}")
