"""A stand-in for the Telegram Bot API with a memory: updates wait until they are confirmed, as the real one keeps them.

Copied from the behaviour of the real server (https://github.com/tdlib/telegram-bot-api): an offset confirms what is
below it, an offset from the future is answered from the head of the queue, a webhook and getUpdates exclude each
other, and of two programs that poll the elder gets 409. One bot, in memory, for tests and the demo.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Condition
from typing import Any, cast

from flask import Flask, Response, jsonify, request

Deliver = Callable[[str, bytes, Mapping[str, str]], int]
"""(address, body, headers) → HTTP status of whoever got the webhook call."""

TOKEN = "123456:sandbox-token"
FUTURE = (
    10  # an offset further ahead than this is taken for a mistake: TQueue.cpp, "Specified from_id is in the future"
)


@dataclass
class Bot:
    """What the server knows of the bot."""

    token: str = TOKEN
    deliver: Deliver | None = None
    updates: list[dict[str, Any]] = field(default_factory=list)
    next_id: int = 700001
    messages: int = 0
    webhook: dict[str, str] = field(default_factory=dict)
    last_error: str = ""
    pollers: int = 0
    rival: bool = False  # another program polls with this token all the time
    limited: int = 0  # answer the next call with 429 and this retry_after
    chats: dict[int, list[dict[str, Any]]] = field(default_factory=dict)  # what the bot wrote, by person
    queries: int = 0
    told: list[str] = field(default_factory=list)  # what pressing a button answered
    blocked_by: set[int] = field(default_factory=set)
    news: Condition = field(default_factory=Condition)


class Refusal(Exception):
    """An answer that is not ok: error code, description, parameters."""

    def __init__(self, code: int, description: str, **parameters: int) -> None:
        super().__init__(description)
        self.code, self.description, self.parameters = code, description, parameters


def create_sandbox(token: str = TOKEN, deliver: Deliver | None = None) -> Flask:
    """The server as a Flask app: POST /bot<token>/<method>. `deliver` makes the webhook calls."""
    app = Flask("telegram-sandbox")
    app.extensions["bot"] = Bot(token=token, deliver=deliver)

    @app.route("/bot<token>/<method>", methods=["GET", "POST"])
    def call(token: str, method: str) -> tuple[Response, int]:
        body = request.get_json(silent=True) or request.values.to_dict()
        try:
            return jsonify(ok=True, result=_answer(bot_of(app), token, method, body)), 200
        except Refusal as no:
            told: dict[str, Any] = {"ok": False, "error_code": no.code, "description": no.description}
            return jsonify({**told, **({"parameters": no.parameters} if no.parameters else {})}), no.code

    return app


def bot_of(app: Flask) -> Bot:
    """State of a sandbox, for tests that look at it or turn it."""
    return cast(Bot, app.extensions["bot"])


# ── what people do ───────────────────────────────────────────────────────────────────────────────


def send(app: Flask, text: str = "", *, who: int = 5001, name: str = "Anna", at: int = 0, **content: Any) -> int:
    """A person writes to the bot; `content` are further fields of the message. Returns the update's id.

    `at` is the date in seconds since 1970; without it every message is a minute after the one before.
    """
    bot = bot_of(app)
    bot.messages += 1
    message = {
        "message_id": bot.messages,
        "from": {"id": who, "is_bot": False, "first_name": name},
        "chat": {"id": who, "type": "private", "first_name": name},
        "date": at or 1760000000 + 60 * bot.messages,
        **({"text": text} if text else {}),
        **content,
    }
    bot.chats.setdefault(who, [])
    return push(app, {"message": message})


def press(app: Flask, data: str, message: Mapping[str, Any], *, who: int = 5001, name: str = "Anna") -> int:
    """A person presses a button under a message of the bot. Returns the update's id."""
    bot = bot_of(app)
    bot.queries += 1
    person = {"id": who, "is_bot": False, "first_name": name}
    query = {"id": f"q{bot.queries}", "from": person, "message": dict(message), "chat_instance": "1", "data": data}
    return push(app, {"callback_query": query})


def push(app: Flask, update: Mapping[str, Any]) -> int:
    """Any update, given without its id."""
    bot = bot_of(app)
    with bot.news:
        number, bot.next_id = bot.next_id, bot.next_id + 1
        bot.updates.append({"update_id": number, **update})
        bot.news.notify_all()
    redeliver(app)
    return number


def redeliver(app: Flask) -> int:
    """Call the webhook for everything that waits; a chat waits for its oldest. Returns how many were taken."""
    bot = bot_of(app)
    if not bot.webhook or bot.deliver is None:
        return 0
    stuck: set[object] = set()
    taken = 0
    for update in list(bot.updates):
        if _chat(update) not in stuck and _delivered(bot, update):
            bot.updates.remove(update)
            taken += 1
        else:
            stuck.add(_chat(update))
    return taken


def _delivered(bot: Bot, update: Mapping[str, Any]) -> bool:
    headers = {"Content-Type": "application/json"}
    if bot.webhook["secret_token"]:
        headers["X-Telegram-Bot-Api-Secret-Token"] = bot.webhook["secret_token"]
    status = bot.deliver(bot.webhook["url"], json.dumps(update).encode(), headers) if bot.deliver else 503
    if not 200 <= status < 300:
        bot.last_error = f"Wrong response from the webhook: {status}"
    return 200 <= status < 300


def _chat(update: Mapping[str, Any]) -> object:
    return next((c["chat"]["id"] for c in update.values() if isinstance(c, dict) and "chat" in c), None)


# ── the methods ──────────────────────────────────────────────────────────────────────────────────


def _answer(bot: Bot, token: str, method: str, body: Mapping[str, Any]) -> Any:
    if token != bot.token:
        raise Refusal(401, "Unauthorized")
    if bot.limited:
        wait, bot.limited = bot.limited, 0
        raise Refusal(429, f"Too Many Requests: retry after {wait}", retry_after=wait)
    if method not in METHODS:
        raise Refusal(404, "Not Found: method not found")
    return METHODS[method](bot, body)


def _get_me(bot: Bot, _: Mapping[str, Any]) -> dict[str, Any]:
    return {"id": int(bot.token.partition(":")[0]), "is_bot": True, "first_name": "Sandbox", "username": "sandbox_bot"}


def _get_updates(bot: Bot, body: Mapping[str, Any]) -> list[dict[str, Any]]:
    if bot.webhook:
        raise Refusal(409, "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook first")
    with bot.news:
        _confirm(bot, int(body.get("offset", 0)))
        bot.pollers += 1
        mine = bot.pollers
        bot.news.notify_all()
        bot.news.wait_for(lambda: bot.updates or bot.pollers != mine, timeout=float(body.get("timeout", 0)))
        if bot.rival or bot.pollers != mine:
            raise Refusal(
                409, "Conflict: terminated by other getUpdates request; make sure only one instance is running"
            )
        return bot.updates[: min(int(body.get("limit", 100)), 100)]


def _confirm(bot: Bot, offset: int) -> None:
    if offset < 0:
        bot.updates = bot.updates[offset:]
    elif offset <= bot.next_id + FUTURE:
        bot.updates = [update for update in bot.updates if update["update_id"] >= offset]


def _set_webhook(bot: Bot, body: Mapping[str, Any]) -> bool:
    url = str(body.get("url", ""))
    if url and not url.startswith("https://"):
        raise Refusal(400, "Bad Request: bad webhook: An HTTPS URL must be provided for webhook")
    bot.webhook = {"url": url, "secret_token": str(body.get("secret_token", ""))} if url else {}
    if body.get("drop_pending_updates"):
        bot.updates.clear()
    return True


def _delete_webhook(bot: Bot, body: Mapping[str, Any]) -> bool:
    return _set_webhook(bot, {**body, "url": ""})


def _get_webhook_info(bot: Bot, _: Mapping[str, Any]) -> dict[str, Any]:
    info = {"url": bot.webhook.get("url", ""), "pending_update_count": len(bot.updates)}
    return {**info, **({"last_error_message": bot.last_error} if bot.last_error else {})}


def _send_message(bot: Bot, body: Mapping[str, Any]) -> dict[str, Any]:
    who = _partner(bot, body)
    _check_buttons(body)
    bot.messages += 1
    me = {"id": int(bot.token.partition(":")[0]), "is_bot": True, "first_name": "Sandbox"}
    chat = {"id": who, "type": "private"}
    made = {"message_id": bot.messages, "from": me, "chat": chat, "date": 1760000000 + 60 * bot.messages,
            "text": str(body["text"]), "reply_markup": body.get("reply_markup")}  # fmt: skip
    bot.chats[who].append(made)
    return made


def _edit_message_text(bot: Bot, body: Mapping[str, Any]) -> dict[str, Any]:
    held = next((one for one in bot.chats[_partner(bot, body)] if one["message_id"] == body.get("message_id")), None)
    if held is None:
        raise Refusal(400, "Bad Request: message to edit not found")
    _check_buttons(body)
    news = {"text": str(body["text"]), "reply_markup": body.get("reply_markup")}
    if all(held[name] == value for name, value in news.items()):
        raise Refusal(400, "Bad Request: message is not modified: specified new message content is the same")
    held.update(news)
    return held


def _partner(bot: Bot, body: Mapping[str, Any]) -> int:
    """Nobody is written to who did not write first."""
    who = int(body.get("chat_id", 0))
    if who in bot.blocked_by:
        raise Refusal(403, "Forbidden: bot was blocked by the user")
    if who not in bot.chats:
        raise Refusal(400, "Bad Request: chat not found")
    if not 1 <= len(str(body.get("text", ""))) <= 4096:
        raise Refusal(400, "Bad Request: message text is empty or too long")
    return who


def _check_buttons(body: Mapping[str, Any]) -> None:
    rows = (body.get("reply_markup") or {}).get("inline_keyboard", [])
    if not all(1 <= len(one["callback_data"].encode()) <= 64 and one["text"] for row in rows for one in row):
        raise Refusal(400, "Bad Request: BUTTON_DATA_INVALID")


def _answer_callback_query(bot: Bot, body: Mapping[str, Any]) -> bool:
    if str(body.get("callback_query_id", "")) not in {f"q{n + 1}" for n in range(bot.queries)}:
        raise Refusal(400, "Bad Request: query is too old and response timeout expired or query ID is invalid")
    bot.told.append(str(body.get("text", "")))
    return True


METHODS: Mapping[str, Callable[[Bot, Mapping[str, Any]], Any]] = {
    "getMe": _get_me,
    "getUpdates": _get_updates,
    "setWebhook": _set_webhook,
    "deleteWebhook": _delete_webhook,
    "getWebhookInfo": _get_webhook_info,
    "sendMessage": _send_message,
    "editMessageText": _edit_message_text,
    "answerCallbackQuery": _answer_callback_query,
}
