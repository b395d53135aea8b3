"""The admin pages in two languages: every text has its Russian, and both catalogues agree."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po
from sqlalchemy import update

from connectors import registry
from hub.model import member
from tests.web.world import World

WEB = Path(__file__).parents[2] / "hub" / "web"
CATALOGUES = WEB / "translations" / "ru" / "LC_MESSAGES"
METHODS = [("admin/**.py", "python"), ("templates/admin/**.html", "jinja2")]
KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "_marked": None}


def russian(domain: str) -> dict[str, str]:
    with (CATALOGUES / f"{domain}.po").open("rb") as file:
        return {
            one.id if isinstance(one.id, str) else one.id[0]: one.string
            if isinstance(one.string, str)
            else one.string[0]
            for one in read_po(file)
            if one.id
        }


def said() -> set[str]:
    """Every text that the pages and the connectors' forms say."""
    found = {
        message if isinstance(message, str) else message[0]
        for _file, _line, message, _comments, _context in extract_from_dir(WEB, METHODS, keywords=KEYWORDS)
    }
    for connector in [*registry.sources().values(), *registry.crms().values(), *registry.carriers().values()]:
        found |= {connector.title, *(text for one in connector.form for text in (one.label, one.help))}
    return {text for text in found if text}


def test_every_text_has_its_russian() -> None:
    known = russian("admin")
    assert sorted(text for text in said() if not known.get(text)) == []
    assert sorted(set(known) - said()) == [], "nobody says these any more"


def test_the_compiled_catalogue_is_that_of_the_text() -> None:
    compiled = read_mo(io.BytesIO((CATALOGUES / "admin.mo").read_bytes()))
    pairs = {one.id if isinstance(one.id, str) else one.id[0]: one.string for one in compiled if one.id}
    assert {key: text if isinstance(text, str) else text[0] for key, text in pairs.items()} == russian("admin")


def test_one_text_has_one_translation_in_both_catalogues() -> None:
    admin, desk = russian("admin"), russian("messages")
    assert {text: (admin[text], desk[text]) for text in admin.keys() & desk.keys() if admin[text] != desk[text]} == {}


def test_values_in_texts_are_named_alike() -> None:
    for text, translated in russian("admin").items():
        assert set(re.findall(r"%\(\w+\)[sd]", text)) == set(re.findall(r"%\(\w+\)[sd]", translated)), text


def test_labels_of_connectors_hold_no_percent_sign() -> None:
    forms = [one for connector in registry.sources().values() for one in connector.form]
    assert [one.name for one in forms if "%" in one.label + one.help] == []


@pytest.mark.parametrize(
    "path",
    [
        "connections",
        "connections/new",
        "attention",
        "team",
        "rules",
        "directions",
        "watch",
        "robots",
        "hours",
        "pools",
        "hours/new",
        "deadlines",
        "deadlines/new",
        "drafts",
        "conversion",
        "questions",
        "questions/new",
        "robots/new",
    ],
)
def test_a_russian_admin_reads_russian(world: World, path: str) -> None:
    with world.hub.store.write() as conn:
        conn.execute(update(member).where(member.c.login == "ada").values(locale="ru"))
    page = world.admin.get(f"/admin/{path}").get_data(as_text=True)
    assert 'lang="ru"' in page
    assert "Подключения" in page
    heading = re.search(r"<h1>([^<]+)", page)
    assert heading
    assert not re.search("[A-Za-z]", heading[1])
