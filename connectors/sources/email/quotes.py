"""Where a reply ends and the quotation begins, and who wrote what was forwarded.

Own code with a reason: mail-parser-reply and quotequail (read 2026-11) know no Russian mail program, and the first
cuts signatures, in which a lead's phone stands.
"""

from __future__ import annotations

import re

from connectors.sources.email.mime import addresses

ATTRIBUTIONS = re.compile(
    r"(?:On|Am|Le|El|Em|Op|Den)\b.{5,250}\b(?:wrote|schrieb.{0,80}|a écrit|escribió|escreveu|skrev.{0,80})\s?:"
    r"|(?=.*[\d@]).{5,250}\b(?:написал|написала|написал\(а\)|написали|писал\(а\)|писал|пишет)\s?:"
    r"|.{0,60}\d{1,2}:\d{2}.{0,150}<[^<>@\s]{1,80}@[^<>\s]{1,80}>.{0,20}:",
    re.IGNORECASE,
)
OPENING = re.compile(r"(?:On|Am|Le|El|Em|Op|Den)\b|.*\d[:.]\d\d|.*<$", re.IGNORECASE)
"""How the first line of an attribution looks that goes on in the next."""
SEPARATOR = re.compile(
    r"[-_*\s]{3,}(?:Original Message|Forwarded message|Исходное сообщение|Пересылаемое сообщение|Пересланное сообщение"
    r"|Перенаправленное сообщение|Пересылаемое письмо|Ursprüngliche Nachricht|Weitergeleitete Nachricht"
    r"|Message d'origine|Message transféré|Mensaje original|Mensaje reenviado)[-_*\s]{3,}"
    r"|(?:Begin forwarded message|Начало переадресованного сообщения|Начало пересылаемого сообщения):\s*",
    re.IGNORECASE,
)
HEADER = re.compile(
    r"\W{0,2}(?P<name>From|Sent|Date|To|Cc|Subject|Reply-To|От|От кого|Отправлено|Дата|Кому|Копия|Тема"
    r"|Von|Gesendet|An|Betreff|De|Envoyé|À|Objet|Enviado|Para|Asunto)\W{0,2}:\W{0,2}\s*(?P<value>.*)",
    re.IGNORECASE,
)
SENDER = ("from", "от", "от кого", "von", "de")
FORWARD = re.compile(r"\s*(?:fwd?|fw|пересл|пер|wg|tr|rv|i)\s*:", re.IGNORECASE)
WRAPPED = 3  # lines an attribution may be broken into


def reply(text: str) -> str:
    """The text without quotations; all of it when nothing would be left."""
    lines = text.split("\n")
    kept: list[str] = []
    at = 0
    while at < len(lines):
        length = _attribution(lines, at)
        if (length and not _quoted(lines, at + length)) or _block(lines, at):
            break
        if not length and not lines[at].startswith(">"):
            kept.append(lines[at])
        at += length or 1
    return "\n".join(kept).strip() or text.strip()


def forwarded(text: str) -> tuple[str, str] | None:
    """(name, address) of the sender in the first quoted header block; None where there is none."""
    lines = text.split("\n")
    for at in range(len(lines)):
        if _block(lines, at):
            return _sender(lines[at : at + 12])
    return None


def is_forward(subject: str, text: str) -> bool:
    """By its subject, or by the line mail programs put above what they forward."""
    return bool(FORWARD.match(subject)) or bool(re.search(r"(?im)^[-* \t]{3,40}(?:forwarded|пере[сн]\w{1,20}) ", text))


def _attribution(lines: list[str], at: int) -> int:
    """Number of lines of "On … wrote:" that start here; 0 for none."""
    for length in range(1, WRAPPED + 1):
        joined = " ".join(line.strip() for line in lines[at : at + length])
        if len(joined) > 400 or not lines[min(at + length, len(lines)) - 1].strip():
            return 0
        if length > 1 and not OPENING.match(lines[at]):
            return 0
        if ATTRIBUTIONS.fullmatch(joined):
            return length
    return 0


def _quoted(lines: list[str], at: int) -> bool:
    after = next((line for line in lines[at:] if line.strip()), "")
    return after.startswith(">")


def _block(lines: list[str], at: int) -> bool:
    """A separator, or the first of at least three header lines one below another."""
    line = lines[at].strip()
    if len(line) < 200 and SEPARATOR.fullmatch(line):
        return True
    following = [other for other in lines[at : at + 6] if other.strip()][:4]
    return len(following) > 2 and HEADER.fullmatch(line) is not None and sum(map(_is_header, following)) > 2


def _is_header(line: str) -> bool:
    return HEADER.fullmatch(line.strip()) is not None


def _sender(lines: list[str]) -> tuple[str, str] | None:
    for line in lines:
        match = HEADER.fullmatch(line.strip())
        if match and match["name"].lower() in SENDER:
            found = addresses(re.sub(r"\[(?:mailto:)?([^\]]+)\]", r"<\1>", match["value"]))
            return found[0] if found else None
    return None
