"""Tilda: forms and carts of Tilda sites, posted to a webhook.

Tilda signs nothing and tries three times within three minutes, then the lead is lost: the address is its own proof, a
secret parameter an extra one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from connectors.contract import Consent, Draft, Evidence, Person, Raw, Reply, Setting, Source, Touch, Value
from connectors.errors import Unreadable, Unverified
from connectors.reading import BadBody, flatten, is_mark, read, refusal, require, same, text, touch
from connectors.sources.tilda.cookies import counters, first_touch, read_cookies

_OK = Reply(b"ok", content_type="text/plain")
_ROLES = {"name": "name", "phone": "phone", "email": "email", "comments": "text", "textarea": "text"}
_AROUND = frozenset({"tranid", "formid", "formname", "cookies", "password"})  # `password` of a sign-up form is not ours


class Tilda(Source):
    """All forms of one Tilda project that use this address."""

    name = "tilda"
    title = "Tilda"
    evidence = Evidence.RECORDED
    source = "https://help.tilda.cc/forms/webhook"
    unsigned = True
    form = (
        Setting("secret_name", "Name of the API key parameter", default="secret", help="As entered at Tilda"),
        Setting("secret", "API key", secret=True, help="Empty: the address alone is the proof"),
        Setting("consent_field", "Consent checkbox", help="Variable name of the consent box, e.g. Checkbox"),
    )

    def verify(self, raw: Raw) -> None:
        if not self.secrets.get("secret"):
            return
        try:
            given = text(read(raw).fields.get(self._secret_name))
        except BadBody:
            given = ""
        if not same(given, require(self.secrets, "secret", self.title)):
            raise Unverified(f"{self.title}: parameter {self._secret_name} is missing or is not the API key set here")

    @property
    def _secret_name(self) -> str:
        return self.settings.get("secret_name") or "secret"

    def reply(self, raw: Raw) -> Reply | None:
        """Tilda posts `test=test` when the address is entered and wants 200."""
        test = re.fullmatch(rb"test=test(&[^&]*)?", raw.body.strip())
        return _OK if test or raw.method in ("HEAD", "OPTIONS") else None

    def accepted(self, raw: Raw, receipt: str) -> Reply:
        return _OK

    def refuse(self, raw: Raw) -> str:
        return refusal(raw)

    def parse(self, raw: Raw) -> Sequence[Draft]:
        body = read(raw)
        sent = {name: value for name, value in body.fields.items() if name != self._secret_name}
        if not sent:
            raise Unreadable("the message has no fields")
        around = {name.lower(): text(value) for name, value in sent.items() if name.lower() in _AROUND}
        roles = _roles(sent)
        known = {role: (text(sent[name]),) for name, role in roles.items() if sent[name]}
        cookies = read_cookies(around.get("cookies", ""))
        first = first_touch(cookies)
        left = [name for name in sent if name.lower() not in _AROUND and name not in roles and not is_mark(name)]
        draft = Draft(
            key=around.get("tranid") or None,
            person=Person("".join(known.get("name", ())), phones=known.get("phone", ()), emails=known.get("email", ())),
            subject=around.get("formname", ""),
            text="".join(known.get("text", ())),
            form=around.get("formid", ""),
            first_touch=first,
            touch=touch(sent) if any(map(is_mark, sent)) else first or Touch(),
            consent=self._consent(sent),
            files=body.files,
            fields=flatten({**counters(cookies), **{name: sent[name] for name in left}}),
            flags=body.flags,
        )
        return [draft]

    def _consent(self, sent: dict[str, Value]) -> Consent | None:
        name = self.settings.get("consent_field", "")
        return Consent(text(sent.get(name)).strip().lower() in ("yes", "on", "1")) if name else None


def _roles(sent: dict[str, Value]) -> dict[str, str]:
    """Field name → role, for the names Tilda gives by itself; the first field of a role wins."""
    roles: dict[str, str] = {}
    for name in sent:
        role = _ROLES.get(name.lower())
        if role and role not in roles.values() and isinstance(sent[name], str):
            roles[name] = role
    return roles
