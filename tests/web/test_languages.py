"""Every sentence of the desk is there in every language, and the compiled catalogue is the one in the text file."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

WEB = Path(__file__).parents[2] / "hub" / "web"
CATALOGUES = WEB / "translations"
LANGUAGES = ["ru"]
PLACE = re.compile(r"%\(\w+\)s")


def catalogue(language: str) -> Catalog:
    with (CATALOGUES / language / "LC_MESSAGES" / "messages.po").open("rb") as file:
        return read_po(file, locale=language)


def said() -> set[str]:
    """What the code and the templates of the desk say."""
    with (CATALOGUES / "messages.cfg").open() as file:
        methods, options = parse_mapping_cfg(file)
    found = extract_from_dir(WEB, methods, options, keywords={"_": None, "gettext": None, "lazy_gettext": None})
    return {message for _file, _line, message, _comments, _context in found if isinstance(message, str)}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_sentence_is_translated(language: str) -> None:
    known = {message.id: message for message in catalogue(language) if message.id}
    assert said() - set(known) == set(), "run pybabel extract and update (hub/web/README.md)"
    assert set(known) - said() == set(), "nobody says this any more"
    assert [text for text, message in known.items() if not message.string or message.fuzzy] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_translations_fill_in_the_same_values(language: str) -> None:
    wrong = [m.id for m in catalogue(language) if m.id and set(PLACE.findall(m.id)) != set(PLACE.findall(m.string))]
    assert wrong == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_compiled_catalogue_is_current(language: str) -> None:
    compiled = io.BytesIO()
    write_mo(compiled, catalogue(language))
    assert (CATALOGUES / language / "LC_MESSAGES" / "messages.mo").read_bytes() == compiled.getvalue()
