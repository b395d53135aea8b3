"""Finds connectors by the name of their folder, and imports only the one that is asked for.

`connectors/sources/tilda/` is the source "tilda": its class is the one subclass of `Source` defined in the folder's
`__init__.py`. Nothing is registered anywhere else.
"""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from types import ModuleType
from typing import TypeGuard, TypeVar

from connectors.contract import CRM, Carrier, Source
from connectors.errors import Unsupported

Connector = Source | CRM | Carrier
KINDS = ("source", "crm", "carrier")

_ROOT = Path(__file__).parent
_Kind = TypeVar("_Kind", Source, CRM, Carrier)


def source(name: str) -> type[Source]:
    """The source called `name`; `Unsupported` names those there are."""
    return _one(_module("sources", name), Source)


def crm(name: str) -> type[CRM]:
    """The CRM called `name`; `Unsupported` names those there are."""
    return _one(_module("crms", name), CRM)


def carrier(name: str) -> type[Carrier]:
    """The carrier called `name`; `Unsupported` names those there are."""
    return _one(_module("carriers", name), Carrier)


def of_kind(kind: str, name: str) -> type[Connector]:
    """The connector called `name` of a kind of connection: source, crm or carrier."""
    if kind == "carrier":
        return carrier(name)
    return crm(name) if kind == "crm" else source(name)


def kind_of(connector: type[Connector]) -> str:
    """What kind of connection is made of it."""
    return "crm" if issubclass(connector, CRM) else "carrier" if issubclass(connector, Carrier) else "source"


def load(name: str) -> type[Source] | type[CRM]:
    """The connector called `name`, a source before a CRM of the same name."""
    return source(name) if name in names("sources") or name not in names("crms") else crm(name)


def names(kind: str) -> list[str]:
    """Folder names of all connectors of a kind ("sources", "crms" or "carriers"), sorted, without importing any."""
    folders = pkgutil.iter_modules([str(_ROOT / kind)])
    return sorted(folder.name for folder in folders if folder.ispkg)


def sources() -> dict[str, type[Source]]:
    """All sources by name; imports every one of them."""
    return {name: source(name) for name in names("sources")}


def crms() -> dict[str, type[CRM]]:
    """All CRMs by name; imports every one of them."""
    return {name: crm(name) for name in names("crms")}


def carriers() -> dict[str, type[Carrier]]:
    """All carriers by name; imports every one of them."""
    return {name: carrier(name) for name in names("carriers")}


def listing() -> list[dict[str, str]]:
    """One line per connector for people and scripts: name, kind, evidence, title, source."""
    found: list[tuple[str, str, type[Connector]]] = []
    found += [(name, "source", cls) for name, cls in sources().items()]
    found += [(name, "crm", cls) for name, cls in crms().items()]
    found += [(name, "carrier", cls) for name, cls in carriers().items()]
    return [
        {"name": name, "kind": kind, "evidence": cls.evidence.value, "title": cls.title, "source": cls.source}
        for name, kind, cls in found
    ]


def readme(kind: str, name: str) -> str:
    """The setup guide of a connector as Markdown, "" when it has none."""
    path = _ROOT / kind / name / "README.md"
    return path.read_text("utf-8") if name in names(kind) and path.is_file() else ""


def _module(kind: str, name: str) -> ModuleType:
    if name not in names(kind):
        raise Unsupported(f"there is no connector {name!r} in connectors/{kind}; there are: {', '.join(names(kind))}")
    return importlib.import_module(f"connectors.{kind}.{name}")


def _one(module: ModuleType, base: type[_Kind]) -> type[_Kind]:
    found = [cls for cls in vars(module).values() if _is_own(cls, module, base)]
    if len(found) != 1:
        raise Unsupported(
            f"{module.__name__} defines {len(found)} classes of kind {base.__name__}; it needs exactly one"
        )
    return found[0]


def _is_own(cls: object, module: ModuleType, base: type[_Kind]) -> TypeGuard[type[_Kind]]:
    return isinstance(cls, type) and issubclass(cls, base) and cls.__module__ == module.__name__
