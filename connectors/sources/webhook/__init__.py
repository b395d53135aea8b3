"""Any form that can post to an address: urlencoded, multipart or JSON, signed or not.

Every field arrives flat and under the sender's own name; what a field means is decided by the mapping, not here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from connectors.contract import Draft, DraftKind, Evidence, Raw, Reply, Setting, Source, Value
from connectors.errors import Unreadable, Unverified
from connectors.reading import BadBody, flatten, loads, read, refusal, require, same, sign_base64, sign_hex, text


class Webhook(Source):
    """One sender. Without `check` the unguessable address is its only proof."""

    name = "webhook"
    title = "Webhook of any form"
    evidence = Evidence.RECORDED
    source = "https://url.spec.whatwg.org/#application/x-www-form-urlencoded"
    unsigned = True
    form = (
        Setting("id_field", "Field with the sender's id", help="submissionID, entry.id ...; empty: told by content"),
        Setting("form_field", "Field with the form's name", help="formTitle, form.name ...; empty: none"),
        Setting("charset", "Charset", help="windows-1251 for senders that do not name theirs; else empty"),
        Setting("check", "Check of the sender", help="empty, token (header equals secret) or hmac (header signs body)"),
        Setting("header", "Header of the check", default="X-Webhook-Secret", help="X-Hub-Signature-256 for hmac"),
        Setting("algorithm", "Algorithm of hmac", default="sha256", help="sha1, sha256 or sha512"),
        Setting("secret", "Secret", secret=True, help="For token and hmac"),
        Setting("answer", "Answer", help="Text the sender wants to read; empty: our receipt"),
    )

    def verify(self, raw: Raw) -> None:
        check = self.settings.get("check", "")
        if not check:
            return
        secret = require(self.secrets, "secret", self.title)
        header = self.settings.get("header") or "X-Webhook-Secret"
        given = raw.header(header)
        if not any(same(given, one) for one in self._expected(check, secret, raw.body)):
            raise Unverified(f"{self.title}: header {header} is missing or does not fit the secret of this connection")

    def _expected(self, check: str, secret: str, body: bytes) -> list[str]:
        """What the header may hold; senders write HMACs in hex or base64, with or without `sha256=`."""
        if check == "token":
            return [secret, f"Bearer {secret}"]
        algorithm = self.settings.get("algorithm") or "sha256"
        if check != "hmac" or algorithm not in ("sha1", "sha256", "sha512"):
            raise Unverified(f"{self.title}: check must be empty, token or hmac, algorithm sha1, sha256 or sha512")
        written = [sign_hex(secret, body, algorithm), sign_base64(secret, body, algorithm)]
        return [*written, *(f"{algorithm}={one}" for one in written)]

    def reply(self, raw: Raw) -> Reply | None:
        """A look at the address, or the `test=test` that Tilda and its like send before they save it."""
        empty = not raw.body.strip()
        if raw.method in ("HEAD", "OPTIONS") or (raw.method == "GET" and empty and not raw.query):
            return Reply()
        return Reply(b"ok", content_type="text/plain") if raw.body.strip() == b"test=test" else None

    def accepted(self, raw: Raw, receipt: str) -> Reply:
        answer = self.settings.get("answer", "")
        return Reply(answer.encode(), content_type="text/plain") if answer else super().accepted(raw, receipt)

    def refuse(self, raw: Raw) -> str:
        return "" if self.settings.get("check") else refusal(raw)

    def delivery(self, raw: Raw) -> str | None:
        """Only what a sender repeats on purpose: the header of the IETF draft `Idempotency-Key`."""
        return raw.header("idempotency-key") or None

    def parse(self, raw: Raw) -> Sequence[Draft]:
        body = read(raw, self.settings.get("charset", ""))
        if isinstance(body.value, list) and body.value:
            return [self._draft(one, Draft(flags=body.flags)) for one in body.value]
        if not body.fields:
            raise Unreadable("the message has no fields")
        return [self._draft(body.fields, Draft(files=body.files, flags=body.flags))]

    def _draft(self, sent: Value, draft: Draft) -> Draft:
        if not isinstance(sent, dict) or not sent:
            why = "one of the listed leads is not an object with fields"
            return replace(draft, kind=DraftKind.QUARANTINE, fields={"value": sent}, why=why)
        fields = flatten({name: _unpacked(value) for name, value in sent.items()})
        key, form = (text(fields.get(self.settings.get(name) or "")) for name in ("id_field", "form_field"))
        return replace(draft, key=key or None, form=form, fields=fields)


def _unpacked(value: Value) -> Value:
    """Jotform's `rawRequest` and its like are JSON objects written into one field of a form."""
    try:
        found = loads(value) if isinstance(value, str) and value.lstrip().startswith("{") else value
    except BadBody:
        return value
    return found if isinstance(found, dict) and found else value
