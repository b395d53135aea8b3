"""The registry finds connectors by folder and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import connectors
from connectors import registry
from connectors.contract import CRM, Source
from connectors.errors import Unsupported

FOLDERS = Path(connectors.__file__).parent


@pytest.mark.parametrize("kind", ["sources", "crms"])
def test_every_folder_is_found(kind: str) -> None:
    assert registry.names(kind) == sorted(path.parent.name for path in (FOLDERS / kind).glob("*/__init__.py"))


def test_a_connector_is_called_like_its_folder() -> None:
    assert all(cls.name == name and issubclass(cls, Source) for name, cls in registry.sources().items())
    assert all(cls.name == name and issubclass(cls, CRM) for name, cls in registry.crms().items())


@pytest.mark.parametrize("name", ["nothing", "..", "tilda.cookies", "os", ""])
def test_an_unknown_name_says_what_there_is(name: str) -> None:
    with pytest.raises(Unsupported, match=r"there are: .*tilda"):
        registry.source(name)


def test_asking_for_one_imports_only_that() -> None:
    program = (
        "import sys; from connectors import registry; registry.source('tilda');"
        "print(sorted(name for name in sys.modules if name.startswith('connectors.sources.')))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['connectors.sources.tilda', 'connectors.sources.tilda.cookies']"


def test_the_listing_is_json_with_everything_a_catalogue_shows() -> None:
    lines = json.loads(json.dumps(registry.listing()))
    [tilda] = [line for line in lines if line["name"] == "tilda"]
    assert tilda["kind"] == "source"
    assert tilda["evidence"] == "recorded"
    assert "Tilda" in registry.readme("sources", "tilda")
    assert registry.readme("sources", "../..") == ""
