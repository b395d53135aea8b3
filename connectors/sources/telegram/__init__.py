"""Telegram bots: messages people write to your bot, by long polling or by webhook.

Guarantees: an update is confirmed to Telegram only by the poll after the one whose cursor was saved, so a crash
repeats updates and never skips them. The bot's token never appears in an error, although every address contains it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from connectors.contract import Draft, Evidence, Letter, Polled, Raw, Reply, Setting, Source
from connectors.errors import Unverified
from connectors.reading import as_json, require, same
from connectors.sources.telegram import letters
from connectors.sources.telegram.api import BASE, Bot, as_raw, named, sent
from connectors.sources.telegram.updates import ASKED, read

BATCH, LONGEST_POLL = 100, 50.0  # https://core.telegram.org/bots/api#getupdates


class Telegram(Source):
    """One bot. `receive` decides between getUpdates and the webhook: Telegram allows one of them at a time."""

    name = "telegram"
    title = "Telegram bot"
    evidence = Evidence.RECORDED
    source = "https://core.telegram.org/bots/api#getting-updates"
    pull = True
    carries = "messenger"
    form = (
        Setting("token", "Bot token", secret=True, required=True, help="From @BotFather, like 123456:ABC-DEF"),
        Setting("receive", "Receive by", default="poll", help="poll (needs no public address) or webhook"),
        Setting("secret_token", "Webhook secret", secret=True, help="1-256 of A-Z a-z 0-9 _ -; only for webhook"),
        Setting("base", "Bot API address", default=BASE, help="your own Bot API server or relay"),
    )

    def verify(self, raw: Raw) -> None:
        secret = require(self.secrets, "secret_token", self.title)
        if not same(raw.header("x-telegram-bot-api-secret-token"), secret):
            raise Unverified(f"{self.title}: X-Telegram-Bot-Api-Secret-Token is not the secret of this connection")

    def accepted(self, raw: Raw, receipt: str) -> Reply:
        """Empty: Telegram would carry out a `method` named in the answer."""
        return Reply()

    def delivery(self, raw: Raw) -> str | None:
        """The update's id and date: after a silent week Telegram starts the ids anew at random."""
        update = as_json(raw.body).fields
        number = update.get("update_id")
        return None if number is None else f"{number}@{sent(update)}"

    def parse(self, raw: Raw) -> Sequence[Draft]:
        body = as_json(raw.body)
        return [replace(draft, flags=(*draft.flags, *body.flags)) for draft in read(body.fields)]

    def asks(self) -> bool:
        return self.settings.get("receive") != "webhook"

    def poll(self, cursor: str) -> Polled:
        if self._by_webhook:
            return Polled((), cursor)
        answer = self._bot.call("getUpdates", limit=BATCH, timeout=0, **_from(cursor))
        updates = answer.json()["result"]
        # Not the highest id: when ids have started anew, Telegram answers from its queue's head, below our cursor.
        last = str(updates[-1]["update_id"] + 1) if updates else cursor
        return Polled(tuple(as_raw(update, answer) for update in updates), last, more=len(updates) == BATCH)

    def wait(self, cursor: str, seconds: float) -> bool:
        if self._by_webhook:
            return False
        timeout = int(min(seconds, LONGEST_POLL))
        self._bot.call("getUpdates", timeout + 10.0, limit=1, timeout=timeout, **_from(cursor))
        return True

    def check(self) -> str:
        return named(self._bot, self._by_webhook)

    def invite(self, code: str) -> str:
        return letters.invite(self._bot, code)

    def send(self, letter: Letter) -> str:
        return letters.send(self._bot, letter)

    def find(self, letter: Letter) -> str | None:
        return letters.find(letter)

    @property
    def _by_webhook(self) -> bool:
        return not self.asks()

    @property
    def _bot(self) -> Bot:
        return Bot(self.secrets.get("token", ""), self.settings.get("base", ""), self.http)


def _from(cursor: str) -> Mapping[str, Any]:
    return {"allowed_updates": list(ASKED), **({"offset": int(cursor)} if cursor else {})}
