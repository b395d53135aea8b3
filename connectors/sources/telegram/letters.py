"""Messages of the bot: a text with or without buttons, and what follows a pressed button.

Guarantees: a message is sent once – Telegram knows no ids of ours, so after a lost answer nobody can tell, and there is
no second one. Answering a button and changing a message may be repeated without harm.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from connectors.contract import Letter
from connectors.errors import Refuse
from connectors.sources.telegram.api import Bot

LONGEST = 4096  # https://core.telegram.org/bots/api#sendmessage
LONGEST_TOLD = 200  # https://core.telegram.org/bots/api#answercallbackquery
UNCHANGED = "message is not modified"


def send(bot: Bot, letter: Letter) -> str:
    """Chat and number of the message. `answer` names a pressed button's query, `edit` the message it stood under."""
    told = letter.body
    if told.get("answer"):
        _answer(bot, told)
    if told.get("edit"):
        return _edit(bot, told)
    if told.get("answer"):
        return str(told["answer"])
    sent = bot.call("sendMessage", **_message(told)).json()["result"]
    return f"{told['to']}:{sent['message_id']}"


def invite(bot: Bot, code: str) -> str:
    """A deep link (https://core.telegram.org/bots/features#deep-linking)."""
    return f"https://t.me/{bot.call('getMe').json()['result']['username']}?start={code}"


def find(letter: Letter) -> str | None:
    """As in the contract: only a message of its own may not come twice."""
    return "" if letter.body.get("answer") or letter.body.get("edit") else None


def _answer(bot: Bot, told: Mapping[str, Any]) -> None:
    """The little wheel on the button stops; a query older than some minutes is gone, and nothing is lost by it."""
    try:
        bot.call(
            "answerCallbackQuery", callback_query_id=told["answer"], text=str(told.get("told") or "")[:LONGEST_TOLD]
        )
    except Refuse:
        return


def _edit(bot: Bot, told: Mapping[str, Any]) -> str:
    number = int(str(told["edit"]).rpartition(":")[2])
    try:
        bot.call("editMessageText", **_message(told), message_id=number)
    except Refuse as error:
        if UNCHANGED not in str(error):
            raise
    return str(told["edit"])


def _message(told: Mapping[str, Any]) -> dict[str, Any]:
    markup = {"reply_markup": {"inline_keyboard": _keyboard(told["buttons"])}} if told.get("buttons") else {}
    text = "\n\n".join(filter(None, (str(told.get("subject") or ""), str(told.get("text") or ""))))
    return {"chat_id": int(told["to"]), "text": text[:LONGEST], **markup}


def _keyboard(rows: Sequence[Sequence[Sequence[str]]]) -> list[list[dict[str, str]]]:
    return [[{"text": label, "callback_data": data} for label, data in row] for row in rows]
