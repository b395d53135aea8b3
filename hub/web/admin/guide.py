"""Connectors in words for admins: their evidence, and their README as a setup guide.

A README is ours, and still raw HTML in it stays text and links lead to the web only.
"""

from __future__ import annotations

from functools import lru_cache

from flask_babel import gettext as _
from markdown_it import MarkdownIt
from markupsafe import Markup

from connectors import registry

HUB_IN_GUIDES = "https://<your hub>"
"""How the guides write the address of the hub that shows them."""


def evidence() -> dict[str, tuple[str, str]]:
    """Each word of `Evidence`: its name and what it promises, in the reader's language."""
    return {
        "real": (_("Proven live"), _("Passes its tests against the running system.")),
        "recorded": (_("Proven on real messages"), _("Passes its tests on messages captured from the real system.")),
        "documented": (
            _("By the documentation"),
            _("Written from the vendor's documentation; nobody has tried it with a real account yet."),
        ),
    }


def guide(kind: str, name: str, public_url: str) -> Markup:
    """The setup guide of a connector as HTML, "" when it has none. `kind` is source or crm."""
    return _rendered(registry.readme(f"{kind}s", name).replace(HUB_IN_GUIDES, public_url))


@lru_cache(maxsize=64)
def _rendered(text: str) -> Markup:
    reader = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    _title, _break, rest = text.partition("\n") if text.startswith("# ") else ("", "", text)
    return Markup(reader.render(rest))  # noqa: S704 - HTML in the text was escaped, scripts in links are refused
