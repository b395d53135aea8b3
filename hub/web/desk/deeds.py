"""Sentences for what time and robots do to leads, and for touches; `story` shows them with the rest of a timeline."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hub.web.desk import words
from hub.web.desk.shown import when
from hub.web.desk.tongue import _, retold

Tell = Callable[[Any, Mapping[str, Any]], str]
"""From the page's names (`hub.web.desk.story.Names`) and a line's facts to a sentence; "" shows nothing."""


def _clock(kind: Any) -> str:
    return str(words.NEXT_STEPS.get(str(kind), words.CLOCKS.get(str(kind), kind)))


def _touch(ours: Callable[[], str], theirs: Callable[[], str]) -> Tell:
    return lambda _names, facts: theirs() if facts.get("way") == "in" else ours()


def _warmth(_names: Any, facts: Mapping[str, Any]) -> str:
    return _("The client is %(state)s now.", state=words.WARMTH.get(str(facts.get("to")), facts.get("to")))


def _answered(_names: Any, facts: Mapping[str, Any]) -> str:
    return _("Answer to “%(question)s”: %(value)s", question=facts.get("question", ""), value=facts.get("to") or "–")


def _robot(_names: Any, facts: Mapping[str, Any]) -> str:
    done, left = ", ".join(facts.get("done") or ()), "; ".join(retold(str(one)) for one in facts.get("left") or ())
    told = _("Robot “%(name)s”: %(done)s.", name=facts.get("robot", ""), done=done or _("nothing"))
    return f"{told} {_('Left undone: %(left)s', left=left)}" if left else told


def _missing(facts: Mapping[str, Any]) -> str:
    return ", ".join(str(one) for one in facts.get("missing") or ())


def _forced(names: Any, facts: Mapping[str, Any]) -> str:
    """People who see no deals are not told that there was a border to cross."""
    if not names.scope.sees_deals:
        return ""
    return _("Crossed the border by force; missing: %(missing)s. %(reason)s", missing=_missing(facts),
             reason=facts.get("reason", "")).strip()  # fmt: skip


def _sent_back(names: Any, facts: Mapping[str, Any]) -> str:
    return (
        _("Sent back over the border; missing: %(missing)s.", missing=_missing(facts)) if names.scope.sees_deals else ""
    )


def _target(_names: Any, facts: Mapping[str, Any]) -> str:
    what, how = str(facts.get("action")), str(facts.get("phase"))
    return _("%(what)s: %(how)s.", what=words.TARGETS.get(what, what), how=words.PHASES.get(how, how))


def _target_waits(names: Any, facts: Mapping[str, Any]) -> str:
    told = _("It becomes a deal once this is known: %(missing)s.", missing=_missing(facts))
    return told if names.scope.sees_deals else ""


def _put_off(_names: Any, facts: Mapping[str, Any]) -> str:
    return _("Put off until %(day)s: %(why)s", day=when(facts.get("until")), why=facts.get("why", ""))


def _planned(_names: Any, facts: Mapping[str, Any]) -> str:
    return _("Next step until %(day)s: %(text)s", day=when(facts.get("at")), text=facts.get("text", ""))


def _returned(names: Any, facts: Mapping[str, Any]) -> str:
    owner = names.members.get(str(facts.get("owner")), _("somebody"))
    if facts.get("why") == "day":
        return _("The day has come: open again, with %(owner)s.", owner=owner)
    return _("A sign of life: open again, with %(owner)s.", owner=owner)


def _accepted(_names: Any, facts: Mapping[str, Any]) -> str:
    return " ".join(filter(None, (_("Accepted as a deal."), str(facts.get("reason") or ""))))


DEEDS: Mapping[tuple[str, str], Tell] = {
    ("", "call"): _touch(lambda: _("Called the client."), lambda: _("The client called.")),
    ("", "message"): _touch(lambda: _("Wrote to the client."), lambda: _("The client wrote.")),
    ("", "mail"): _touch(lambda: _("Wrote a mail to the client."), lambda: _("The client wrote a mail.")),
    ("", "meeting"): _touch(lambda: _("Met the client."), lambda: _("Met the client.")),
    ("", "warned"): lambda _n, f: _("%(clock)s: the time is nearly over.", clock=_clock(f.get("kind"))),
    ("", "overdue"): lambda _n, f: _("%(clock)s: not in time.", clock=_clock(f.get("kind"))),
    ("", "escalated"): lambda _n, f: _("%(clock)s: the head was told.", clock=_clock(f.get("kind"))),
    ("", "recovered"): lambda _n, f: _("%(clock)s: done after all.", clock=_clock(f.get("kind"))),
    ("", "warmth"): _warmth,
    ("", "answered"): _answered,
    ("", "robot"): _robot,
    ("", "declined"): lambda _n, _f: _("Declined: somebody else shall have it."),
    ("", "postponed"): lambda _n, _f: _("Postponed."),
    ("", "planned"): _planned,
    ("", "task_done"): lambda _n, f: _("Done: %(text)s", text=f.get("text", "")),
    ("", "remark"): lambda _n, f: _("Note: %(text)s", text=f.get("text", "")),
    ("", "tagged"): lambda _n, f: _("Tags: %(tags)s", tags=", ".join(f.get("to") or ()) or "–"),
    ("", "forced"): _forced,
    ("", "sent_back"): _sent_back,
    ("deal", "accepted"): _accepted,
    ("", "contact_only"): lambda _n, f: _("Closed: the contact only. %(reason)s", reason=f.get("reason", "")).strip(),
    ("", "put_off"): _put_off,
    ("", "returned"): _returned,
    ("", "visited"): lambda _n, _f: _("The client was on the site again."),
    ("", "target"): _target,
    ("", "target_waits"): _target_waits,
}
