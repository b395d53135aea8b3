"""Codecs of lists and of declared words: multitext, tags, joined, table, tables, constant.

Guarantees: a list is a set for comparing; what a person wrote in the CRM and the hub did not change stays as it
was written, and so does what the hub cannot read; an option nobody mapped is kept and never becomes a default.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import ClassVar

from connectors.contract import Value
from mappings.codecs.base import Choices, Codec, Kept, blank, words
from mappings.codecs.text import Email, Phone, plain, read_email, read_phones


def _unlisted(value: Value) -> list[Value]:
    return list(value) if isinstance(value, list | tuple) else [value]


@dataclass(frozen=True, slots=True)
class Many(Codec):
    """What all lists share. A subclass says which hub values one part holds, and how one hub value is sent."""

    makes: ClassVar[str] = "list"
    many: ClassVar[bool] = True

    def parts(self, raw: Value) -> list[Value]:
        """The parts of the CRM's value."""
        return _unlisted(raw)

    def read_part(self, part: Value) -> tuple[str, ...]:
        """Hub values of one part, none when it cannot be read."""
        raise NotImplementedError

    def write_part(self, value: str) -> Value:
        """One part for a hub value, or `Kept`."""
        raise NotImplementedError

    def whole(self, parts: list[Value]) -> Value:
        """The CRM's value of all parts."""
        return parts

    def into(self, raw: Value) -> Value:
        return [] if raw is None or raw == "" or raw == [] else self.read(raw)

    def read(self, raw: Value) -> Value:
        found: dict[str, None] = {}
        odd: list[Value] = []
        for part in self.parts(raw):
            values = self.read_part(part)
            found.update(dict.fromkeys(values))
            if not values and not blank(part):
                odd.append(part)
        return Kept(odd, f"{len(odd)} of the values cannot be read", list(found)) if odd else list(found)

    def write(self, hub: Value) -> Value:
        parts = [self.write_part(value) for value in self._wished(hub).values()]
        bad = [part for part in parts if isinstance(part, Kept)]
        return bad[0] if bad else self.whole(parts) if parts else None

    def put(self, hub: Value, before: Value) -> Value:
        """Parts of `before` whose values are all still wished, or that we cannot read, stay; the rest follows."""
        wished = self._wished(hub)
        stay: list[Value] = []
        for part in [] if blank(before) else self.parts(before):
            keys = {self.part_key(value) for value in self.read_part(part)}
            if keys <= wished.keys():
                stay.append(part)
                wished = {key: value for key, value in wished.items() if key not in keys}
        added = [self.write_part(value) for value in wished.values()]
        bad = [part for part in added if isinstance(part, Kept)]
        return bad[0] if bad else self.whole(stay + added) if stay or added else None

    def part_key(self, value: Value) -> str:
        """Comparable form of one hub value."""
        return plain(str(value))

    def key(self, hub: Value) -> Hashable:
        return frozenset(self._wished(hub)) or None

    def _wished(self, hub: Value) -> dict[str, str]:
        """The hub's values by their comparable form, without blanks and repeats."""
        values = [str(value) for value in _unlisted(hub) if value is not None]
        return {key: value for value in values if (key := self.part_key(value))}


@dataclass(frozen=True, slots=True)
class Multitext(Many):
    """Phones, e-mails or texts, each with a kind (amoCRM `multitext`)."""

    of: str = "text"
    enum_code: str = "WORK"
    region: str = ""

    name: ClassVar[str] = "multitext"
    about: ClassVar[str] = (
        'list of {"value", "enum_code"}; `of` phone, email or text; `enum_code` of new values; `region` as in phone'
    )
    takes: ClassVar[frozenset[str]] = frozenset({"phone", "email", "multi"})
    choices: ClassVar[Mapping[str, Choices]] = {"of": ("text", "phone", "email")}

    def read_part(self, part: Value) -> tuple[str, ...]:
        text = str(part.get("value") or "") if isinstance(part, Mapping) else str(part)
        if self.of == "phone":
            return read_phones(text, self.region)
        value = read_email(text) if self.of == "email" else plain(text)
        return (value,) if value else ()

    def write_part(self, value: str) -> Value:
        return {"value": value, "enum_code": self.enum_code}

    def part_key(self, value: Value) -> str:
        return str(value).strip().lower() if self.of == "email" else plain(str(value))

    def hub_example(self, chance: Random) -> Value:
        one = {"phone": Phone().hub_example, "email": Email().hub_example}.get(self.of, words)
        return [one(chance) for _ in range(chance.randint(0, 3))]

    def raw_example(self, chance: Random) -> Value:
        texts = ("8 (912) 123-45-67", "+1 212 555 0123, +79121234567", "A@Example.COM", "after 6", "", "x y")
        parts = [{"value": chance.choice(texts), "enum_code": "MOB"} for _ in range(chance.randint(0, 3))]
        return chance.choice((parts, parts, None, "+79121234567"))


@dataclass(frozen=True, slots=True)
class Tags(Many):
    """Short words on a record."""

    shape: str = "text"

    name: ClassVar[str] = "tags"
    about: ClassVar[str] = 'list of words; `shape` text or name ({"name": word})'
    takes: ClassVar[frozenset[str]] = frozenset({"multi", "text"})
    choices: ClassVar[Mapping[str, Choices]] = {"shape": ("text", "name")}

    def read_part(self, part: Value) -> tuple[str, ...]:
        text = part.get("name") if isinstance(part, Mapping) else part
        return (plain(str(text)),) if isinstance(text, str | int) and plain(str(text)) else ()

    def write_part(self, value: str) -> Value:
        return {"name": value} if self.shape == "name" else value

    def hub_example(self, chance: Random) -> Value:
        return [words(chance, 2) for _ in range(chance.randint(0, 4))]

    def raw_example(self, chance: Random) -> Value:
        return chance.choice((["a", " b "], [{"name": "x", "id": 4}], None, "alone", [{"id": 1}], [5], [["a"]]))


@dataclass(frozen=True, slots=True)
class Joined(Many):
    """A list in one text field."""

    by: str = ", "

    name: ClassVar[str] = "joined"
    about: ClassVar[str] = "list in one text, parted by `by`"
    takes: ClassVar[frozenset[str]] = frozenset({"text"})

    def parts(self, raw: Value) -> list[Value]:
        return [part.strip() for part in str(raw).split(self.by.strip() or self.by)]

    def read_part(self, part: Value) -> tuple[str, ...]:
        return (plain(part),) if plain(part) else ()

    def write_part(self, value: str) -> Value:
        taken = (self.by.strip() or self.by) in value
        return Kept(value, f"contains {self.by!r}, which parts the values") if taken else value

    def whole(self, parts: list[Value]) -> Value:
        return self.by.join(part for part in parts if part)

    def hub_example(self, chance: Random) -> Value:
        return [words(chance, 2) for _ in range(chance.randint(0, 4))]

    def raw_example(self, chance: Random) -> Value:
        return chance.choice(("a, b,c", " one ", ",,", 5, "кухня;спальня", None))


def table_of(pairs: Mapping[str, Value]) -> tuple[dict[str, str], dict[str, Value]]:
    """CRM value (as text) → hub value, and hub value → CRM value; a list of CRM values is written as its first."""
    reads = {str(raw): hub for hub, raws in pairs.items() for raw in _unlisted(raws)}
    return reads, {hub: _unlisted(raws)[0] for hub, raws in pairs.items()}


@dataclass(frozen=True, slots=True)
class Table(Codec):
    """One of declared values: options, users, loss reasons. Ids of CRMs are compared as text."""

    table: str = ""
    reads: Mapping[str, str] = field(default_factory=dict, repr=False)
    writes: Mapping[str, Value] = field(default_factory=dict, repr=False)

    name: ClassVar[str] = "table"
    about: ClassVar[str] = "one value of the value table `table`"
    takes: ClassVar[frozenset[str]] = frozenset({"select", "user", "text", "number", "bool"})
    needs: ClassVar[Choices] = ("table",)

    def read(self, raw: Value) -> Value:
        return self.reads.get(str(raw).strip()) or Kept(raw, f"is not in the value table {self.table}")

    def write(self, hub: Value) -> Value:
        return self.writes.get(str(hub), Kept(hub, f"is not in the value table {self.table}"))

    def hub_example(self, chance: Random) -> Value:
        return chance.choice([*self.writes, "nobody"])

    def raw_example(self, chance: Random) -> Value:
        return chance.choice([*self.reads, "nobody", None, 5])


@dataclass(frozen=True, slots=True)
class Tables(Many):
    """Several of declared values."""

    table: str = ""
    reads: Mapping[str, str] = field(default_factory=dict, repr=False)
    writes: Mapping[str, Value] = field(default_factory=dict, repr=False)

    name: ClassVar[str] = "tables"
    about: ClassVar[str] = "several values of the value table `table`"
    takes: ClassVar[frozenset[str]] = frozenset({"multi"})
    needs: ClassVar[Choices] = ("table",)

    def read_part(self, part: Value) -> tuple[str, ...]:
        value = self.reads.get(str(part).strip())
        return (value,) if value else ()

    def write_part(self, value: str) -> Value:
        return self.writes.get(value, Kept(value, f"is not in the value table {self.table}"))

    def hub_example(self, chance: Random) -> Value:
        known = list(self.writes)
        return chance.sample(known, chance.randint(0, len(known)))

    def raw_example(self, chance: Random) -> Value:
        known: Iterable[Value] = [*self.reads, "nobody"]
        return [value for value in known if chance.random() < 0.5]


@dataclass(frozen=True, slots=True)
class Constant(Codec):
    """The same for every record that has the hub field."""

    value: str = ""

    name: ClassVar[str] = "constant"
    about: ClassVar[str] = "always `value`, only out"
    makes: ClassVar[str] = ""
    one_way: ClassVar[str] = "out"
    needs: ClassVar[Choices] = ("value",)

    def read(self, raw: Value) -> Value:
        return raw

    def write(self, hub: Value) -> Value:
        return self.value

    def hub_example(self, chance: Random) -> Value:
        return words(chance)
