"""What each kind of Telegram update is to the desk: one table from the name of the update to a function.

Pure: the same update always gives the same drafts. Only what a person writes to the bot in a private chat
becomes an inquiry; edits and blocked bots are notes; groups, channels and other bots are none of our business.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from connectors.contract import Draft, DraftKind, File, Handle, Person, Touch
from connectors.errors import Unreadable

Update = Mapping[str, Any]
Message = Mapping[str, Any]


def read(update: Update) -> tuple[Draft, ...]:
    """Drafts of one update. `Unreadable` for a kind this table does not know."""
    for kind, reader in KINDS.items():
        if isinstance(update.get(kind), dict):
            return reader(update[kind])
    kinds = sorted(set(update) - {"update_id"})
    raise Unreadable(f"Telegram sent an update of an unknown kind ({', '.join(kinds) or 'empty'}): tell the developers")


def moment(seconds: object) -> datetime | None:
    """Telegram's `date` (whole seconds since 1970, UTC) as an instant; None when it is something else."""
    try:
        return datetime.fromtimestamp(int(str(seconds)), UTC)
    except (ValueError, OverflowError, OSError):
        return None


# ── kinds of updates ─────────────────────────────────────────────────────────────────────────────


def _written(message: Message) -> tuple[Draft, ...]:
    """A message: an inquiry when the other side of a private chat wrote it."""
    if not _private(message):
        return ()
    if not _by_partner(message):
        return (replace(_note(message, "answer", _text(message)), ours="message"),)
    known = any(name in message for name in ("text", "caption", *CONTENT))
    return (_inquiry(message) if known else _note(message, "event", ""),)


def _edited(message: Message) -> tuple[Draft, ...]:
    if not _private(message):
        return ()
    return (_note(message, f"edit:{message.get('edit_date', '')}", _text(message)),)


def _membership(change: Message) -> tuple[Draft, ...]:
    """The person blocked the bot, or let it in again."""
    if not _private(change):
        return ()
    status = str(_dict(change, "new_chat_member").get("status", ""))
    text = "blocked the bot" if status == "kicked" else f"bot is now: {status}"
    return (_note({**change, "message_id": "member"}, str(change.get("date", "")), text),)


def _pressed(query: Message) -> tuple[Draft, ...]:
    """A button under one of our messages."""
    message = {**_dict(query, "message"), "from": _dict(query, "from")}
    if not _private(message):
        return ()
    pressed, number = str(query.get("id", "")), f"{_chat(message)}:{message.get('message_id')}"
    found = _note(message, f"button:{pressed}", str(query.get("data", "")))
    return (replace(found, fields={"button": found.text, "query": pressed, "under": number}),)


def _nothing(_: Message) -> tuple[Draft, ...]:
    return ()


KINDS: Mapping[str, Callable[[Message], tuple[Draft, ...]]] = {
    "message": _written,
    "business_message": _written,
    "edited_message": _edited,
    "edited_business_message": _edited,
    "my_chat_member": _membership,
    "callback_query": _pressed,
    "channel_post": _nothing,
    "edited_channel_post": _nothing,
    "chat_member": _nothing,
    "message_reaction": _nothing,
    "message_reaction_count": _nothing,
    "business_connection": _nothing,
    "deleted_business_messages": _nothing,
    "poll": _nothing,
    "poll_answer": _nothing,
}

ASKED = tuple(kind for kind, reader in KINDS.items() if reader is not _nothing)


# ── drafts ───────────────────────────────────────────────────────────────────────────────────────


def _inquiry(message: Message) -> Draft:
    chat, album = _chat(message), message.get("media_group_id")
    start = _start(message)
    return Draft(
        key=f"{chat}:album:{album}" if album else f"{chat}:{message.get('message_id')}",
        person=_person(message),
        text=_text(message),
        occurred_at=moment(message.get("date")),
        touch=Touch(utm={"source": "telegram", "campaign": start}) if start else Touch(),
        thread=(f"telegram:{chat}",),
        files=_files(message),
        fields={**_rest(message), **({"start": start} if start else {})},
    )


def _note(message: Message, what: str, text: str) -> Draft:
    chat = _chat(message)
    return Draft(
        key=f"{chat}:{message.get('message_id')}:{what}",
        kind=DraftKind.NOTE,
        person=_person(message) if _by_partner(message) else Person(),
        text=text,
        occurred_at=moment(message.get("edit_date") or message.get("date")),
        thread=(f"telegram:{chat}",),
        fields=_rest(message),
    )


def _person(message: Message) -> Person:
    """Who wrote. The id lasts, the user name may belong to somebody else tomorrow.

    A phone is vouched for only when the card is the writer's own, which Telegram shows by `user_id`
    (https://core.telegram.org/bots/api#contact).
    """
    who, card = _dict(message, "from"), _dict(message, "contact")
    own = card.get("user_id") is not None and card.get("user_id") == who.get("id")
    # An account's own number is always international, and comes with or without its plus.
    phones = (f"+{str(card['phone_number']).lstrip('+')}",) if own and card.get("phone_number") else ()
    handle = Handle("telegram", str(who.get("id", "")), str(who.get("username", "")), attested=True)
    return Person(
        first_name=str(who.get("first_name", "")),
        last_name=str(who.get("last_name", "")),
        phones=phones,
        attested_phones=phones,
        handles=(handle,),
        language=str(who.get("language_code", "")),
    )


def _start(message: Message) -> str:
    """Payload of a deep link t.me/<bot>?start=<payload> (https://core.telegram.org/bots/features#deep-linking)."""
    command, _, payload = str(message.get("text", "")).partition(" ")
    return payload.strip() if command.partition("@")[0] == "/start" else ""


def _rest(message: Message) -> dict[str, Any]:
    return {name: value for name, value in message.items() if name not in UNDERSTOOD}


UNDERSTOOD = ("message_id", "from", "chat", "date", "text", "caption", "entities", "new_chat_member", "old_chat_member")


# ── content ──────────────────────────────────────────────────────────────────────────────────────


def _text(message: Message) -> str:
    """What was written, with a word in brackets for what was not written but sent."""
    words = [_described(name, message[name]) for name in CONTENT if name in message]
    # A GIF comes as `animation` and, for old programs, as `document` too.
    words = words[:1] if "animation" in message else words
    return "\n".join(filter(None, [*words, str(message.get("text") or message.get("caption") or "")]))


def _described(name: str, content: Any) -> str:
    detail = CONTENT[name](content) if isinstance(content, dict) else ""
    return f"[{name.replace('_', ' ')}{': ' if detail else ''}{detail}]"


def _seconds(content: Message) -> str:
    return f"{content.get('duration', 0)} s"


def _place(content: Message) -> str:
    return f"{content.get('latitude')}, {content.get('longitude')}"


def _card(content: Message) -> str:
    return " ".join(str(content[k]) for k in ("first_name", "last_name", "phone_number") if content.get(k))


def _named(key: str) -> Callable[[Message], str]:
    return lambda content: str(content.get(key, ""))


CONTENT: Mapping[str, Callable[[Message], str]] = {
    "animation": _named("file_name"),
    "audio": _named("file_name"),
    "contact": _card,
    "dice": _named("value"),
    "document": _named("file_name"),
    "location": _place,
    "photo": _named(""),
    "poll": _named("question"),
    "sticker": _named("emoji"),
    "story": _named(""),
    "venue": _named("address"),
    "video": _seconds,
    "video_note": _seconds,
    "voice": _seconds,
}
FILES = ("animation", "audio", "document", "photo", "video", "video_note", "voice")


def _files(message: Message) -> tuple[File, ...]:
    """Files stay with Telegram: their address holds the bot's token and dies within the hour."""
    found = []
    for name in FILES:
        content = message.get(name)
        content = content[-1] if isinstance(content, list) and content else content  # photos: the largest comes last
        if isinstance(content, dict):
            found.append(_file(name, content))
    return tuple(found[:1] if "animation" in message else found)


def _file(name: str, content: Message) -> File:
    size = content.get("file_size")
    return File(
        name=str(content.get("file_name") or name),
        content_type=str(content.get("mime_type", "")),
        size=size if isinstance(size, int) else 0,
        skipped="kept by Telegram, its file_id is in the fields",
    )


# ── who and where ────────────────────────────────────────────────────────────────────────────────


def _private(message: Message) -> bool:
    return _dict(message, "chat").get("type") == "private" and not _dict(message, "from").get("is_bot")


def _by_partner(message: Message) -> bool:
    """A private chat has the id of its other side; in a business account the owner writes there too."""
    return bool(_dict(message, "from").get("id") == _dict(message, "chat").get("id"))


def _chat(message: Message) -> str:
    return str(_dict(message, "chat").get("id", ""))


def _dict(message: Message, name: str) -> Message:
    value = message.get(name)
    return value if isinstance(value, dict) else {}
