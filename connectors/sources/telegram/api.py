"""Calls to the Bot API, and what its refusals mean to us. The token stands in every address and in no error."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from connectors.contract import Answer, Http, Raw
from connectors.errors import Pause, Refuse, Retry
from connectors.sources.telegram.updates import moment

BASE = "https://api.telegram.org"
SPEAKING = ("sendMessage", "editMessageText", "answerCallbackQuery")
"""Methods whose 400 and 403 are about the person: who blocked the bot, never wrote to it, or is gone."""


@dataclass(frozen=True, slots=True)
class Bot:
    """A bot's token and the way to its server."""

    token: str
    base: str
    http: Http | None

    def call(self, method: str, patience: float = 30.0, **body: Any) -> Answer:
        """One call; every answer but success is raised. `patience` is in seconds."""
        if self.http is None or not re.fullmatch(r"\d+:[\w-]+", self.token, re.ASCII):
            raise Pause("Telegram: the bot token does not look like 123456:ABC-DEF; copy it from @BotFather")
        url = f"{(self.base or BASE).rstrip('/')}/bot{self.token}/{method}"
        try:
            return _successful(self.http.send("POST", url, json=body, timeout=patience), method)
        except Retry as error:
            raise Retry(str(error).replace(self.token, "<token>"), after=error.after, effect=error.effect) from None


def _successful(answer: Answer, method: str) -> Answer:
    speaks = method in SPEAKING
    if answer.status in (401, 404) or (answer.status == 403 and not speaks):
        raise Pause("Telegram refuses the bot token: copy it from @BotFather again")
    said = answer.json()
    said = said if isinstance(said, dict) else {}
    if speaks and answer.status in (400, 403):
        why = str(said.get("description", answer.status))
        raise Refuse(f"Telegram does not deliver it: {why}", {"to": why})
    if answer.status == 200 and said.get("ok"):
        return answer
    text = str(said.get("description", ""))
    if answer.status == 409 and "webhook" in text:
        raise Pause("Telegram: the bot has a webhook; call deleteWebhook, or let this connection receive by webhook")
    if answer.status == 409:
        raise Retry("Telegram: another program polls with this bot's token; stop it or use a bot of its own", after=5.0)
    wait = (said.get("parameters") or {}).get("retry_after")
    effect = speaks and answer.status != 429
    raise Retry(
        f"Telegram answered {answer.status} to {method}: {text}", after=float(wait) if wait else None, effect=effect
    )


def named(bot: Bot, by_webhook: bool) -> str:
    """A sentence that names the bot; `Pause` when it receives by the other way than the connection says."""
    me = bot.call("getMe").json()["result"]
    hook = bot.call("getWebhookInfo").json()["result"]
    if bool(hook.get("url")) != by_webhook:
        state = "has a webhook" if hook.get("url") else "has no webhook"
        raise Pause(f"Telegram: @{me.get('username')} {state}, but this connection receives by the other way")
    return f"@{me.get('username')} ({me.get('first_name')}), {hook.get('pending_update_count', 0)} updates waiting"


def as_raw(update: Mapping[str, Any], answer: Answer) -> Raw:
    """One polled update as if it had been pushed. It was received when Telegram says that it answered us."""
    body = json.dumps(update, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")
    try:
        at = parsedate_to_datetime(answer.headers.get("date", "")).astimezone(UTC)
    except ValueError:
        at = moment(sent(update)) or datetime.fromtimestamp(0, UTC)
    return Raw(body=body, received_at=at, method="POLL")


def sent(update: Mapping[str, Any]) -> str:
    """The `date` of what an update carries, as text; "" where it has none."""
    dates = (content.get("date") for content in update.values() if isinstance(content, dict))
    return str(next((date for date in dates if date is not None), ""))
