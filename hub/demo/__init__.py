"""The main job on a stage: a real hub, a CRM without leads, a mailbox and a bot, and everybody writing at once.

Nothing here is simulated inside the hub: it runs as `leadhub serve` would, messages come over HTTP, IMAP and
the bot's API, and the stand-ins beside it are the strict ones of the contract tests.
"""

from __future__ import annotations

import json
import signal
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import click

from hub.clock import Clock
from hub.demo.messages import Message, captured, fixtures
from hub.demo.scene import PASSWORD, Scene
from hub.demo.tally import Tally, calm, count
from hub.ports import Taken, claim

PATIENCE_S = 120.0


def play(*, once: bool, as_json: bool, samples: Path | None, port: int, folder: Path | None) -> int:
    """Send everything, let people act, count. Exit code 0 only if nothing was lost, doubled or left lying."""
    say: Callable[[str], object] = (lambda _text: None) if as_json else click.echo
    try:
        claim("127.0.0.1", port, 0)
    except Taken as error:
        raise click.ClickException(str(error)) from None
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # all processes of a demo end with it
    with ExitStack() as stack:
        place = folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="leadhub-demo-")))
        say("Starting the hub, a CRM without leads, a mailbox and a bot …")
        scene = stack.enter_context(Scene.built(place, port, demo_rate=not once))
        started = Clock().monotonic()
        tally = _act(scene, captured(samples) if samples else fixtures(), say)
        tally.seconds = round(Clock().monotonic() - started, 1)
        if as_json:
            click.echo(json.dumps(tally.as_json()))
        else:
            _report(tally, scene)
        if not once:
            _stay(scene)
    return 0 if tally.good else 1


def _act(scene: Scene, messages: list[Message], say: Callable[[str], object]) -> Tally:
    sent = scene.send_all(messages)
    say(f"Sent {sent.received} messages; waiting until each has found its place …")
    calm(scene, sent, PATIENCE_S)
    scene.people_work()
    calm(scene, sent, PATIENCE_S)
    return count(scene, sent)


def _report(tally: Tally, scene: Scene) -> None:
    click.echo("")
    for name, value in tally.as_json().items():
        click.echo(f"  {name:12} {value}")
    for sentence in tally.complaints:
        click.echo(f"  ! {sentence}")
    click.echo(f"\n  Lead desk   {scene.address}/desk      log in as anna@demo.test, password {PASSWORD}")
    click.echo(f"  CRM board   {scene.crm_address}/")


def _stay(scene: Scene) -> None:
    """Keep the stage lit; somebody new writes now and then, so that the inbox is seen living."""
    click.echo("\n  Somebody new writes every 20 seconds. Drag a card over the border in the CRM. Ctrl-C ends it.\n")
    try:
        while not threading.Event().wait(20):
            scene.somebody_writes()
    except KeyboardInterrupt:
        click.echo("Ended.")
