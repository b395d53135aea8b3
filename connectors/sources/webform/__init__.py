"""Our own form: the hosted page, the embed script and any plain HTML form that posts to us.

The field names are ours and stand in the README. What a robot filled in is kept in quarantine, never refused: password
managers fill honeypots too.
"""

from __future__ import annotations

from collections.abc import Sequence

from connectors.contract import Draft, DraftKind, Evidence, Raw, Reply, Setting, Source, Value
from connectors.errors import Unreadable
from connectors.reading import flatten, is_mark, read, refusal, text, touch
from connectors.sources.webform.names import AROUND, FILLED, consent, first_touch, opened, person


class WebForm(Source):
    """One form, or all forms of one site under one address: `form` tells them apart."""

    name = "webform"
    title = "Web form"
    evidence = Evidence.RECORDED
    source = "https://html.spec.whatwg.org/multipage/form-control-infrastructure.html"
    browser = True
    unsigned = True
    form = (
        Setting("charset", "Charset of old pages", help="windows-1251 for pages that do not name theirs; else empty"),
        Setting("honeypot", "Honeypot field", default="lh_confirm", help="An invisible field that people leave empty"),
        Setting("least_ms", "Shortest filling time, ms", default="1000", help="Faster forms go to quarantine"),
    )

    def reply(self, raw: Raw) -> Reply | None:
        return Reply() if raw.method in ("HEAD", "OPTIONS") else None

    def refuse(self, raw: Raw) -> str:
        return refusal(raw)

    def parse(self, raw: Raw) -> Sequence[Draft]:
        body = read(raw, self.settings.get("charset", ""))
        sent = opened(body.fields)
        why = self._robot(
            text(sent.pop(self.settings.get("honeypot") or "lh_confirm", "")), text(sent.get("elapsed_ms"))
        )
        rest = {name: value for name, value in sent.items() if not _is_ours(name, value)}
        sent = {name: value for name, value in sent.items() if name not in rest}
        typed = [*rest.values(), *(value for name, value in sent.items() if name in FILLED)]
        if not any(text(value).strip() for value in typed):
            raise Unreadable("the form came without a single filled field")
        draft = Draft(
            key=text(sent.get("submission_id")) or None,
            kind=DraftKind.QUARANTINE if why else DraftKind.INQUIRY,
            person=person(sent),
            text=text(sent.get("message")),
            form=text(sent.get("form")),
            first_touch=first_touch(sent.get("first_touch")),
            touch=touch(sent, text(sent.get("page")) or raw.header("referer"), text(sent.get("referrer"))),
            consent=consent(sent),
            files=body.files,
            fields=flatten(rest),
            flags=body.flags,
            why=why,
        )
        return [draft]

    def _robot(self, trap: str, elapsed: str) -> str:
        """Why this looks like a robot, "" for a person. No filling time says nothing: no script, or a cached page."""
        if trap:
            return "the invisible field was filled in"
        least = self.settings.get("least_ms") or "1000"
        fast = elapsed.isdecimal() and len(elapsed) < 10 and int(elapsed) < int(least)
        return f"the form was filled in within {elapsed} ms" if fast else ""


def _is_ours(name: str, value: Value) -> bool:
    """An object under one of our names is somebody else's idea of it: kept as it is, not half understood."""
    known = name in FILLED or name in AROUND or is_mark(name)
    return known and (name == "first_touch" or not isinstance(value, dict))
