"""Telegram bots: messages people write to your bot, by long polling or by webhook.

Guarantees: an update is confirmed to Telegram only by the poll after the one whose cursor was saved, so a crash
repeats updates and never skips them. The bot's token never appears in an error, although every address contains it.
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from connectors.contract import Answer, Draft, Evidence, Polled, Raw, Reply, Setting, Source
from connectors.errors import Pause, Retry, Unreadable, Unverified
from connectors.sources.telegram.updates import ASKED, moment, read

BATCH, LONGEST_POLL = 100, 50.0  # https://core.telegram.org/bots/api#getupdates


class Telegram(Source):
    """One bot. `receive` decides between getUpdates and the webhook: Telegram allows one of them at a time."""

    name = "telegram"
    title = "Telegram bot"
    evidence = Evidence.RECORDED
    source = "https://core.telegram.org/bots/api#getting-updates"
    pull = True
    form = (
        Setting("token", "Bot token", secret=True, required=True, help="From @BotFather, like 123456:ABC-DEF"),
        Setting("receive", "Receive by", default="poll", help="poll (needs no public address) or webhook"),
        Setting("secret_token", "Webhook secret", secret=True, help="1-256 of A-Z a-z 0-9 _ -; only for webhook"),
        Setting("base", "Bot API address", default="https://api.telegram.org", help="Your own Bot API server or relay"),
    )

    def verify(self, raw: Raw) -> None:
        secret = self.secrets.get("secret_token", "")
        given = raw.header("x-telegram-bot-api-secret-token")
        if not secret:
            raise Unverified("Telegram: no webhook secret is set here; set the one you gave to setWebhook")
        if not hmac.compare_digest(given.encode("utf-8", "replace"), secret.encode()):
            raise Unverified("Telegram: X-Telegram-Bot-Api-Secret-Token is not the secret of this connection")

    def accepted(self, raw: Raw, receipt: str) -> Reply:
        """Empty: Telegram would carry out a `method` named in the answer."""
        return Reply()

    def delivery(self, raw: Raw) -> str | None:
        """The update's id and date: after a silent week Telegram starts the ids anew at random."""
        update = _update(raw)
        number = update.get("update_id")
        return None if number is None else f"{number}@{_sent(update)}"

    def parse(self, raw: Raw) -> Sequence[Draft]:
        return read(_update(raw))

    def poll(self, cursor: str) -> Polled:
        if self._by_webhook:
            return Polled((), cursor)
        answer = self._call("getUpdates", {"limit": BATCH, "timeout": 0, **self._from(cursor)})
        updates = answer.json()["result"]
        messages = tuple(_raw(update, answer) for update in updates)
        # Not the highest id: after ids started anew Telegram answers from its queue's head, below our cursor.
        last = str(updates[-1]["update_id"] + 1) if updates else cursor
        return Polled(messages, last, more=len(updates) == BATCH)

    def wait(self, cursor: str, seconds: float) -> bool:
        if self._by_webhook:
            return False
        timeout = int(min(seconds, LONGEST_POLL))
        self._call("getUpdates", {"limit": 1, "timeout": timeout, **self._from(cursor)}, timeout + 10.0)
        return True

    def check(self) -> str:
        me = self._call("getMe", {}).json()["result"]
        hook = self._call("getWebhookInfo", {}).json()["result"]
        if bool(hook.get("url")) != self._by_webhook:
            state = "has a webhook" if hook.get("url") else "has no webhook"
            raise Pause(f"Telegram: @{me.get('username')} {state}, but this connection receives by the other way")
        return f"@{me.get('username')} ({me.get('first_name')}), {hook.get('pending_update_count', 0)} updates waiting"

    @property
    def _by_webhook(self) -> bool:
        return self.settings.get("receive") == "webhook"

    def _from(self, cursor: str) -> dict[str, Any]:
        return {"allowed_updates": list(ASKED), **({"offset": int(cursor)} if cursor else {})}

    def _call(self, method: str, body: Mapping[str, Any], timeout: float = 30.0) -> Answer:
        """One Bot API call; anything but success is raised, without the token."""
        token = self.secrets.get("token", "")
        if self.http is None or not re.fullmatch(r"\d+:[\w-]+", token, re.ASCII):
            raise Pause("Telegram: the bot token does not look like 123456:ABC-DEF; copy it from @BotFather")
        base = (self.settings.get("base") or "https://api.telegram.org").rstrip("/")
        try:
            answer = self.http.send("POST", f"{base}/bot{token}/{method}", json=dict(body), timeout=timeout)
            return _successful(answer, method)
        except Retry as error:
            raise Retry(str(error).replace(token, "<token>"), after=error.after, effect=error.effect) from None


def _successful(answer: Answer, method: str) -> Answer:
    said = answer.json() if answer.status != 404 else {}
    text = str(said.get("description", ""))
    if answer.status == 200 and said.get("ok"):
        return answer
    if answer.status in (401, 403, 404):
        raise Pause("Telegram refuses the bot token: copy it from @BotFather again")
    if answer.status == 409 and "webhook" in text:
        raise Pause("Telegram: the bot has a webhook; call deleteWebhook, or let this connection receive by webhook")
    if answer.status == 409:
        raise Retry("Telegram: another program polls with this bot's token; stop it or use a bot of its own", after=5.0)
    wait = said.get("parameters", {}).get("retry_after")
    raise Retry(f"Telegram answered {answer.status} to {method}: {text}", after=float(wait) if wait else None)


def _update(raw: Raw) -> Mapping[str, Any]:
    try:
        update = json.loads(raw.body)
    except (ValueError, RecursionError):
        raise Unreadable("Telegram: the body is not JSON") from None
    if not isinstance(update, dict):
        raise Unreadable("Telegram: the body is not an update (a JSON object)")
    return update


def _sent(update: Mapping[str, Any]) -> str:
    return str(
        next((content["date"] for content in update.values() if isinstance(content, dict) and "date" in content), "")
    )


def _raw(update: Mapping[str, Any], answer: Answer) -> Raw:
    """One polled update as if it had been pushed. It was received when Telegram says it answered us."""
    body = json.dumps(update, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")
    try:
        at = parsedate_to_datetime(answer.headers.get("date", "")).astimezone(UTC)
    except ValueError:
        at = moment(_sent(update)) or datetime.fromtimestamp(0, UTC)
    return Raw(body=body, received_at=at, headers={"content-type": "application/json"}, method="POLL")
