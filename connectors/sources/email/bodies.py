"""The words of a mail: which part holds them, HTML to text, and the reply without what it quotes."""

from __future__ import annotations

import re

import lxml.html
from inscriptis import get_text
from inscriptis.css_profiles import STRICT_CSS_PROFILE
from inscriptis.model.config import ParserConfig
from lxml import etree

from connectors.sources.email.mime import Mail, Part, text_of

MAX_TEXT = 200_000  # characters; a longer mail stays whole in the stored message
HTML_PARSER = lxml.html.HTMLParser(no_network=True, huge_tree=False, remove_comments=True, remove_pis=True)
QUOTES = (
    ".//blockquote[@type='cite'] | .//*[contains(concat(' ', @class, ' '), ' gmail_quote ')]"
    " | .//*[contains(@class, 'yahoo_quoted')] | .//*[contains(@class, 'moz-cite-prefix')]"
)


def read(mail: Mail) -> tuple[str, bool]:
    """The mail's text, and whether every charset and encoding was as declared."""
    words = [part for part in mail.parts if part.type in ("text/plain", "text/html") and not part.attached]
    words = words or [part for part in mail.parts if part.name.lower().endswith(".txt") and len(mail.parts) == 1]
    chosen = _best([(part, *_text(part)) for part in words])
    return "\n\n".join(text for _, text, _ in chosen)[:MAX_TEXT], all(sure for *_, sure in chosen)


def contact_links(mail: Mail) -> list[str]:
    """Targets of tel: and mailto: links of HTML parts: a signature often shows only a name on them."""
    html = "".join(text_of(part)[0][:MAX_TEXT] for part in mail.parts if part.type == "text/html" and not part.attached)
    return list(dict.fromkeys(re.findall(r"href=[\"']?((?:tel|mailto):[^\"'\s>?]{3,100})", html, re.IGNORECASE)))[:20]


Read = tuple[Part, str, bool]


def _best(read: list[Read]) -> list[Read]:
    """Of several texts all; of alternatives the plain one, unless it is empty."""
    full = [one for one in read if one[1]]
    plain = {part.branch[0] for part, *_ in full if part.type == "text/plain" and part.branch}
    return [one for one in full if one[0].type == "text/plain" or not plain.intersection(one[0].branch)]


def _text(part: Part) -> tuple[str, bool]:
    """Text of one part as a reader sees it, and whether its charset and encoding were as declared."""
    text, sure = text_of(part)
    if part.type == "text/html":
        return html_to_text(text), sure
    text = text[:MAX_TEXT]
    return (unflow(text, part.params.get("delsp", "").lower() == "yes") if _flowed(part) else text.strip()), sure


def _flowed(part: Part) -> bool:
    return part.params.get("format", "").lower() == "flowed"


def html_to_text(html: str) -> str:
    """What a reader sees, without what the writer only quotes. Nothing is loaded from anywhere."""
    tree = _tree(html)
    if tree is None:
        return ""
    for node in tree.xpath(QUOTES):
        node.drop_tree() if node.getparent() is not None else None
    cut = _render(tree)
    return cut or _render(_tree(html))


def _tree(html: str) -> lxml.html.HtmlElement | None:
    html = re.sub(r"^\s*<\?xml[^>]*\?>", "", html[: MAX_TEXT * 5].replace("\x00", ""))
    try:
        return lxml.html.document_fromstring(html or " ", parser=HTML_PARSER)
    except (etree.ParserError, etree.XMLSyntaxError, ValueError):
        return None


def _render(tree: lxml.html.HtmlElement | None) -> str:
    if tree is None:
        return ""
    try:
        text = get_text(lxml.html.tostring(tree, encoding="unicode"), ParserConfig(css=STRICT_CSS_PROFILE))
    except RecursionError:
        text = str(tree.text_content())
    return re.sub(r"\n{3,}", "\n\n", re.sub(r"[ \t\xa0]+$", "", text, flags=re.MULTILINE)).strip()


def unflow(text: str, delete_space: bool) -> str:
    """Join the lines of format=flowed (RFC 3676): a line that ends in a space goes on in the next."""
    paragraphs: list[list[str]] = [[]]
    for line in text.split("\n"):
        line = line.removeprefix(" ")
        goes_on = line.endswith(" ") and line != "-- " and not line.startswith(">")
        paragraphs[-1].append(line[:-1] if goes_on and delete_space else line)
        if not goes_on:
            paragraphs.append([])
    return "\n".join("".join(lines) for lines in paragraphs).strip()
