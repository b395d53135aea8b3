"""Typeform: answered forms by webhook, signed over the raw body.

Answers are keyed by the question's `ref`, which survives an editor's rewording; the questions as they were asked stand
in the text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from connectors.contract import Draft, Evidence, Person, Raw, Setting, Source, Value
from connectors.errors import Unreadable, Unverified
from connectors.reading import flatten, instant, is_mark, read, require, same, sign_base64, text, touch
from connectors.sources.typeform.answers import Answers, as_object, as_objects


class Typeform(Source):
    """One webhook of one form. Answer 404 or 410 and Typeform switches it off."""

    name = "typeform"
    title = "Typeform"
    evidence = Evidence.RECORDED
    source = "https://www.typeform.com/developers/webhooks/"
    form = (Setting("secret", "Webhook secret", secret=True, required=True, help="As entered at Typeform"),)

    def verify(self, raw: Raw) -> None:
        secret = require(self.secrets, "secret", self.title)
        if not same(raw.header("typeform-signature"), f"sha256={sign_base64(secret, raw.body)}"):
            raise Unverified(
                f"{self.title}: Typeform-Signature is missing or does not fit the secret of this connection"
            )

    def delivery(self, raw: Raw) -> str | None:
        return text(read(raw).fields.get("event_id")) or None

    def parse(self, raw: Raw) -> Sequence[Draft]:
        body = read(raw)
        if body.fields.get("event_type") != "form_response":
            raise Unreadable("Typeform: an event other than form_response")
        response = as_object(body.fields.get("form_response"))
        definition = as_object(response.get("definition"))
        answers = Answers(as_objects(response.get("answers")), as_objects(definition.get("fields")))
        if not response.get("token"):
            raise Unreadable("Typeform: the response has no token")
        hidden = as_object(response.get("hidden"))
        draft = Draft(
            key=text(response["token"]),
            person=Person(phones=answers.of("phone_number"), emails=answers.of("email")),
            subject=text(definition.get("title")),
            text=answers.text(),
            form=text(response.get("form_id")),
            occurred_at=instant(response.get("submitted_at")),
            touch=touch(hidden, text(hidden.get("page"))),
            consent=answers.consent(),
            fields={**answers.fields(), **_rest(response, hidden)},
            flags=body.flags,
        )
        return [draft]


def _rest(response: dict[str, Any], hidden: dict[str, Any]) -> dict[str, Value]:
    left = {name: response[name] for name in ("landed_at", "calculated", "variables") if response.get(name)}
    unmarked = {name: value for name, value in hidden.items() if not is_mark(name) and name != "page"}
    return flatten({**left, **({"hidden": unmarked} if unmarked else {})}) if left or unmarked else {}
