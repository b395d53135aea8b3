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
    chosen = _best([part for part in mail.parts if part.type in ("text/plain", "text/html") and not part.attached])
    chosen = chosen or [part for part in mail.parts if part.name.lower().endswith(".txt") and len(mail.parts) == 1]
    read = [(_text(part), text_of(part)[1]) for part in chosen]
    text = "\n\n".join(text for text, _ in read if text)
    return text[:MAX_TEXT], all(sure for _, sure in read)


def contact_links(mail: Mail) -> list[str]:
    """Targets of tel: and mailto: links of HTML parts: a signature often shows only a name on them."""
    html = "".join(text_of(part)[0][:MAX_TEXT] for part in mail.parts if part.type == "text/html" and not part.attached)
    return list(dict.fromkeys(re.findall(r"href=[\"']?((?:tel|mailto):[^\"'\s>?]{3,100})", html, re.IGNORECASE)))[:20]


def _best(parts: list[Part]) -> list[Part]:
    """Of alternatives the plain one, unless it is empty; of several texts all."""
    chosen: list[Part] = []
    for part in parts:
        rivals = [other for other in chosen if part.branch and other.branch[:1] == part.branch[:1]]
        if not _text(part):
            continue
        if any(other.type != part.type for other in rivals):
            if part.type == "text/html":
                continue
            chosen = [other for other in chosen if other not in rivals]
        chosen.append(part)
    return chosen


def _text(part: Part) -> str:
    text, _ = text_of(part)
    if part.type == "text/html":
        return html_to_text(text)
    return unflow(text, part.params.get("delsp", "").lower() == "yes") if _flowed(part) else text.strip()


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
    out: list[str] = []
    joined = False
    for line in text.split("\n"):
        line = line.removeprefix(" ")
        out = [*out[:-1], out[-1] + line] if joined else [*out, line]
        joined = line.endswith(" ") and line != "-- " and not line.startswith(">")
        if joined and delete_space:
            out[-1] = out[-1][:-1]
    return "\n".join(out).strip()
