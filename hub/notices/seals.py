"""Tokens in mails: who may do what with which lead, until when. Signed with a key of their own, stored nowhere.

A token opens one act for one member and one lead; with another act, member or lead it is no token at all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import sha256

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from itsdangerous import BadData, URLSafeSerializer

from connectors.contract import Letter
from hub.clock import DAY, millis
from hub.notices.words import say

WEEK = 7 * DAY
MAIL = "mail"
"""The act of showing that an address is one's own; its subject is the address."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a token stands for. `subject` is a lead's id, or the address that is to be shown as one's own."""

    member_id: str
    subject: str
    act: str


class BadToken(Exception):
    """It is none of ours, or its time is over (`stale`)."""

    def __init__(self, stale: bool = False) -> None:
        super().__init__("This link is too old" if stale else "This link is not one of ours")
        self.stale = stale


class Seals:
    """Makes and opens tokens; puts links into letters as they leave."""

    def __init__(self, key: bytes, public_url: str) -> None:
        made = HKDF(SHA256(), 32, salt=None, info=b"leadhub answers 1").derive(key)
        self._signed = URLSafeSerializer(made, salt="answer", signer_kwargs={"digest_method": sha256})
        self._public_url = public_url

    def seal(self, asked: Asked, until: int) -> str:
        """A token; `until` in milliseconds."""
        return str(self._signed.dumps([asked.member_id, asked.subject, asked.act, until]))

    def open(self, token: str, now: int) -> Asked:
        """What it stands for; raises `BadToken`."""
        try:
            member_id, subject, act, until = self._signed.loads(token)
        except (BadData, ValueError, TypeError):
            raise BadToken from None
        if now > until:
            raise BadToken(stale=True)
        return Asked(str(member_id), str(subject), str(act))

    def compose(self, letter: Letter) -> Letter:
        """A letter to a colleague gets its links: the card, and in a mail one for every answer."""
        told = letter.body
        if not told.get("member"):
            return letter
        locale, until = str(told.get("locale") or "en"), millis(letter.at) + WEEK
        lines = [str(told.get("text") or "")]
        if told.get("lead"):
            lines.append(f"{say(locale, 'card')}: {self._public_url}/leads/{told['lead']}")
        for act in told.get("acts") or ():
            asked = Asked(str(told["member"]), str(told.get("lead") or told["to"]), str(act))
            label = f"{say(locale, act)}: " if act != MAIL else ""
            lines.append(f"{label}{self._public_url}/answer/{self.seal(asked, until)}")
        return replace(letter, body={**told, "text": "\n\n".join(filter(None, lines))})
