"""What every carrier must keep, as a class of tests: inherit `CarrierContract` and give it a `rig` fixture.

A source that answers (a bot) carries letters as well and inherits it too. What a far side cannot do is left out by
setting that test to None, with the reason beside it.
"""

from __future__ import annotations

import inspect
import json as js
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Protocol

import pytest

from connectors.contract import Evidence, Letter, Setting
from connectors.errors import ConnectorError, Pause, Refuse, Retry
from connectors.http import Received

AT = datetime(2026, 2, 1, 9, 30, tzinfo=UTC)
CHANNELS = ("email", "sms", "messenger", "webhook", "audience")
FAULTS = ("away", "lost", "busy", "html", "500")
INSIDE = (
    "http://127.0.0.1:6379/", "http://169.254.169.254/latest/meta-data", "https://[::1]/", "http://localhost/",
    "https://[::ffff:10.0.0.1]/", "ftp://far.test/", "https://user:pw@far.test/", "file:///etc/passwd",
    "http://10.1.2.3/",
)  # fmt: skip
_OURS = ("connectors", "requests", "urllib3")


def letter(n: int, channel: str, **body: Any) -> Letter:
    """The n-th letter."""
    return Letter(f"0CHD2JPT1S01234567{n:08}", channel, body, AT)


class Carries(Protocol):
    """A `Carrier`, or a source with a channel."""

    name: Any
    title: Any
    evidence: Any
    carries: Any
    form: Any
    secrets: Mapping[str, str]

    def send(self, letter: Letter) -> str:
        """As in the contract."""

    def find(self, letter: Letter) -> str | None:
        """As in the contract."""

    def check(self) -> str:
        """As in the contract."""


@dataclass(slots=True)
class Far:
    """The `Http` of a carrier, answered by `answer(address, body)` as (status, body).

    `fault` goes wrong with every call while it is set: "away" (not reached), "lost" (effect, but no answer), "busy"
    (429, `Retry-After: 30`), "html" and "500" (effect, but an answer that says nothing).
    """

    answer: Callable[[str, Any], tuple[int, Any]]
    fault: str = ""
    calls: list[tuple[str, Any, Mapping[str, str]]] = field(default_factory=list)

    def send(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None,
        params: Sequence[tuple[str, str]] | None = None, json: Any = None, data: bytes | None = None,
        timeout: float = 30.0,
    ) -> Received:  # fmt: skip
        """The answer, or what the edge's own client raises without one."""
        told = json if json is not None else data
        self.calls.append((url, told, dict(headers or {})))
        if self.fault == "away":
            raise Retry("far.test cannot be reached", effect=False)
        if self.fault == "busy":
            return Received(429, {"retry-after": "30"}, b"{}")
        status, said = self.answer(url, told)
        if self.fault == "lost":
            raise Retry("far.test broke off", effect=True)
        if self.fault:
            status, said = (500, b"") if self.fault == "500" else (200, b"<!doctype html><title>Log in</title>")
        return Received(status, {}, said if isinstance(said, bytes) else js.dumps(said).encode())


@dataclass(slots=True)
class CarrierRig:
    """A carrier and the far side of it.

    `letter(n)` is the n-th letter to somebody who is there, `nobody` one that is refused for good, `stranger` the same
    carrier with secrets nobody knows over there. `taken()` counts letters that had an effect. `fail(what)` makes calls
    go wrong from now on: one of `FAULTS`, or "" for an end of it. `inside(address)` is a carrier and a letter that
    would make it call this address. `waits` are the seconds the far side asks for when it is busy, None where it
    cannot say.
    """

    carrier: Carries
    letter: Callable[[int], Letter]
    nobody: Letter
    stranger: Carries
    taken: Callable[[], int]
    fail: Callable[[str], None]
    inside: Callable[[str], tuple[Carries, Letter]] | None = None
    waits: float | None = 30.0


class CarrierContract:
    """Tests of the promises in `connectors.contract.Carrying`. `of` is the class it is about."""

    of: ClassVar[type[Any]]

    @pytest.fixture
    def rig(self) -> CarrierRig:
        """Override: an account of its own, nothing sent yet."""
        raise NotImplementedError

    def test_it_declares_itself(self, rig: CarrierRig) -> None:
        carrier, folder = rig.carrier, Path(inspect.getfile(type(rig.carrier))).parent
        assert carrier.name == folder.name, "name is the folder's name"
        assert carrier.carries in CHANNELS
        assert isinstance(carrier.evidence, Evidence)
        guide = (folder / "README.md").read_text("utf-8")
        assert f"**Evidence: {carrier.evidence}" in guide or "How we know" in guide
        form: Sequence[Setting] = carrier.form
        assert not [one.name for one in form if one.secret and one.default]
        assert carrier.check()

    # ── once per id ──────────────────────────────────────────────────────────────────────────────

    def test_a_letter_arrives_once(self, rig: CarrierRig) -> None:
        assert not rig.carrier.find(rig.letter(1)), "nothing was sent so far"
        first, second = rig.carrier.send(rig.letter(1)), rig.carrier.send(rig.letter(2))
        assert first
        assert rig.taken() == 2
        assert rig.carrier.find(rig.letter(1)) in ("", None, first)
        assert rig.carrier.find(rig.letter(2)) in ("", None, second)

    def test_what_perhaps_left_is_found_or_harmless_or_stays_unknown(self, rig: CarrierRig) -> None:
        rig.fail("lost")
        with pytest.raises(Retry) as met:
            rig.carrier.send(rig.letter(1))
        assert met.value.effect, "nobody knows whether it left"
        rig.fail("")
        if rig.carrier.find(rig.letter(1)) == "":
            rig.carrier.send(rig.letter(1))
        assert rig.taken() == 1

    def test_what_certainly_did_not_leave_is_sent_again(self, rig: CarrierRig) -> None:
        rig.fail("away")
        with pytest.raises(Retry) as met:
            rig.carrier.send(rig.letter(1))
        assert not met.value.effect
        rig.fail("")
        rig.carrier.send(rig.letter(1))
        assert rig.taken() == 1

    def test_an_answer_that_says_nothing_is_no_certain_failure(self, rig: CarrierRig) -> None:
        for n, fault in enumerate(("html", "500")):
            rig.fail(fault)
            try:
                rig.carrier.send(rig.letter(n))
            except Retry as error:
                harmless = rig.carrier.find(rig.letter(n)) == "" if not error.effect else True
                assert harmless, f"{fault}: it may have left, and a second one would do harm"

    # ── what a person must know ──────────────────────────────────────────────────────────────────

    def test_who_cannot_be_reached_is_refused_and_named(self, rig: CarrierRig) -> None:
        with pytest.raises(Refuse) as met:
            rig.carrier.send(rig.nobody)
        assert "to" in met.value.fields
        assert str(met.value)
        assert rig.taken() == 0

    def test_a_wrong_secret_pauses(self, rig: CarrierRig) -> None:
        with pytest.raises(Pause) as met:
            rig.stranger.check()
        assert str(met.value)
        with pytest.raises(Pause):
            rig.stranger.send(rig.letter(1))
        assert rig.taken() == 0

    def test_a_far_side_that_is_busy_is_waited_for(self, rig: CarrierRig) -> None:
        rig.fail("busy")
        with pytest.raises(Retry) as met:
            rig.carrier.send(rig.letter(1))
        assert not met.value.effect
        assert met.value.after == rig.waits
        assert rig.taken() == 0

    def test_no_secret_and_no_reader_stands_in_an_error_or_a_log(
        self, rig: CarrierRig, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("DEBUG")
        told: list[str] = []
        for carrier, one in ((rig.carrier, rig.letter(1)), (rig.carrier, rig.nobody), (rig.stranger, rig.letter(2))):
            for fault in ("", *FAULTS):
                rig.fail(fault)
                for step in (lambda: carrier.send(one), lambda: carrier.find(one), carrier.check):  # noqa: B023
                    told += _said(step)
        rig.fail("")
        assert told, "nothing went wrong"
        hidden = [value for made in (rig.carrier, rig.stranger) for value in made.secrets.values() if value]
        logged = [one.getMessage() for one in caplog.records if one.name.partition(".")[0] in _OURS]
        for text in (*told, *logged):
            assert not [value for value in hidden if value in text], text
            assert str(rig.letter(1).body["to"]) not in text or rig.carrier.carries == "audience", text

    # ── where a letter may go ────────────────────────────────────────────────────────────────────

    @pytest.mark.parametrize("address", INSIDE)
    def test_nothing_reaches_inside(self, rig: CarrierRig, address: str) -> None:
        assert rig.inside is not None
        carrier, told = rig.inside(address)
        with pytest.raises((Refuse, Pause)) as met:
            carrier.send(told)
        assert not [one for one in carrier.secrets.values() if one and one in str(met.value)]


def _said(step: Callable[[], object]) -> list[str]:
    """What an error says, with everything that led to it."""
    try:
        step()
    except ConnectorError as error:
        causes = (error, error.__cause__, None if error.__suppress_context__ else error.__context__)
        return [f"{one!s} {one!r} {getattr(one, 'fields', '')}" for one in causes if one is not None]
    return []
