"""Mapping files: what is wrong is said with place and the nearest right name; what is right survives a rewrite."""

from __future__ import annotations

import codecs
import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mappings.schema
from connectors.contract import Field
from mappings import BadMapping, Stale, check, load, load_inbound, rewrite, shipped, stamp
from mappings.codecs.text import Text

HEAD = 'format = 1\ncrm = "acme"\n'
GOOD = HEAD + '[contact]\nname = { crm = "NAME", codec = "text" }\n'


def lines(*written: str, kind: str = "lead") -> str:
    return HEAD + f"[{kind}]\n" + "\n".join(written) + "\n"


BAD: list[tuple[str, str, str]] = [
    ("167-json", '{"format": 1}', "line 1, column 1: is not TOML"),
    ("167-yaml", "contact:\n  name: NAME\n", "line 1, column 8: is not TOML"),
    (
        "167-duplicate-key",
        GOOD + 'name = { crm = "N2", codec = "text" }\n',
        "line 5, column 1: name: this key or section",
    ),
    ("167-duplicate-section", GOOD + "[contact]\n", "this key or section stands twice"),
    ("168-yaml-tag", "name: !!python/object/apply:os.system\n", "is not TOML"),
    (
        "170-bare-word",
        lines("title = { crm = NAME }"),
        "line 4, column 17: is not TOML: Invalid value. Texts stand in quotes",
    ),
    ("170-leading-zero", lines('text = { crm = "T", codec = "text", max_length = 012 }'), "is not TOML"),
    (
        "170-number-for-text",
        lines('title = { crm = 12, codec = "text" }'),
        "line 4, column 11: lead.title.crm: Not a valid string",
    ),
    (
        "170-text-for-bool",
        lines('title = { crm = "T", codec = "text", once = "no" }'),
        "lead.title.once: Not a valid boolean",
    ),
    ("170-text-for-number", lines('title = { crm = "T", codec = "text", max_length = "9" }'), "lead.title.max_length"),
    (
        "171-hub-field",
        lines('titel = { crm = "T", codec = "text" }'),
        "line 4, column 1: lead.titel: unknown hub field. Did you mean title",
    ),
    (
        "171-codec",
        lines('title = { crm = "T", codec = "txt" }'),
        "line 4, column 22: lead.title.codec: unknown codec 'txt'. Did you mean text",
    ),
    (
        "171-argument",
        lines('title = { crm = "T", codec = "text", max_lenght = 5 }'),
        "unknown argument. Did you mean max_length?",
    ),
    ("171-section", GOOD + "[leads]\n", "line 5, column 2: leads: unknown section or setting. Did you mean lead?"),
    ("171-choice", lines('x_a = { crm = "T", codec = "unix", unit = "sec" }'), "unknown unit 'sec'. Known: ms, s."),
    (
        "171-zone",
        lines('x_a = { crm = "T", codec = "datetime", zone = "Europe/Moskow" }'),
        "Did you mean Europe/Moscow",
    ),
    (
        "171-policy",
        lines('title = { crm = "T", codec = "text", policy = "newest" }'),
        "lead.title.policy: Must be one of",
    ),
    (
        "171-table",
        lines('owner = { crm = "U", codec = "table", table = "owner" }') + "[table.owners]\n",
        "there is no [table.owner]. Did you mean owners?",
    ),
    (
        "173-type",
        lines('qualified_at = { crm = "T", codec = "text" }'),
        "text makes text, this hub field is instant. Use datetime, unix.",
    ),
    (
        "174-target",
        lines('title = { crm = "N", codec = "text" }', 'text = { crm = "N", codec = "text" }'),
        "line 5, column 10: lead.text.crm: lead.title writes N already",
    ),
    ("179-dunder", lines('title = { crm = "T", codec = "__class__" }'), "unknown codec '__class__'"),
    (
        "191-newer",
        GOOD.replace("format = 1", "format = 2"),
        "line 1, column 1: format: was made by a newer lead hub (format 2)",
    ),
    (
        "193-key",
        lines('title = { crm = "T", codec = "text", token = "abcdef123" }'),
        "line 4, column 38: looks like a secret",
    ),
    (
        "193-comment",
        GOOD + "# Authorization: Bearer abcdefghijklmnopqrstuv\n",
        "line 5, column 18: looks like a secret",
    ),
    ("no-format", GOOD.replace("format = 1\n", ""), "format: is missing"),
    ("no-crm", GOOD.replace('crm = "acme"\n', ""), "crm: is missing"),
    ("no-line", lines('title = "NAME"'), 'a line looks like { crm = "NAME", codec = "text" }'),
    ("no-codec", lines('title = { crm = "T" }'), "lead.title.codec: name the codec as text."),
    ("no-field", lines('title = { codec = "text" }'), "lead.title.crm: Missing data for required field."),
    (
        "no-zone",
        lines('x_a = { crm = "T", codec = "unix_date" }'),
        "lead.x_a.zone: the codec unix_date needs this argument",
    ),
    ("no-section", HEAD + "contact = 5\n", "contact: must be a section"),
    ("union-of-text", lines('title = { crm = "T", codec = "text", policy = "union" }'), "union is for lists"),
    ("max-of-text", lines('title = { crm = "T", codec = "text", policy = "max" }'), "max is for numbers and dates"),
    (
        "constant-both",
        lines('title = { crm = "T", codec = "constant", value = "x" }'),
        'goes one way: direction = "out"',
    ),
    (
        "once-in",
        lines('title = { crm = "T", codec = "text", direction = "in", once = true }'),
        "is for lines that write",
    ),
    ("option-twice", GOOD + '[table.a]\nx = "1"\ny = ["2", 1]\n', "the CRM's value 1 stands twice"),
    ("option-float", GOOD + "[table.a]\nx = 1.5\n", "must be a text, a number"),
    ("like-nothing", GOOD + '[deal]\nlike = "lead"\n', "deal.like: must name another section"),
    ("nested", "a = " + "[" * 20000, ""),
    ("empty", "", "format: is missing"),
]


@pytest.mark.parametrize(("text", "said"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_a_bad_file_is_refused_with_reason_and_place(text: str, said: str) -> None:
    with pytest.raises(BadMapping) as refused:
        load(text)
    assert said in str(refused.value)
    assert "abcdef" not in str(refused.value)


def test_all_problems_come_at_once_in_file_order() -> None:
    text = lines(
        'titel = { crm = "T", codec = "text" }', 'text = { crm = "X", codec = "txt" }', 'page = { codec = "url" }'
    )
    with pytest.raises(BadMapping) as refused:
        load(text)
    assert [(problem.path, problem.line) for problem in refused.value.problems] == [
        ("lead.titel", 4),
        ("lead.text.codec", 5),
        ("lead.page.crm", 6),
    ]


def test_a_problem_is_told_once_where_it_is_written() -> None:
    text = (
        lines('titel = { crm = "T", codec = "text" }') + '[deal]\nlike = "lead"\npgae = { crm = "P", codec = "text" }\n'
    )
    with pytest.raises(BadMapping) as refused:
        load(text)
    assert [problem.path for problem in refused.value.problems] == ["lead.titel", "deal.pgae"]


def test_a_hopeless_file_is_refused_in_time() -> None:
    text = lines(*(f'x_{n} = {{ crm = "F", codec = "datetime", zone = "Europe/Moskow{n}" }}' for n in range(5_000)))
    with pytest.raises(BadMapping) as refused:
        load(text)
    assert len(refused.value.problems) == 500


@pytest.mark.parametrize(
    "data",
    [
        GOOD.encode(),
        codecs.BOM_UTF8 + GOOD.encode(),
        GOOD.replace("\n", "\r\n").encode(),
        GOOD.encode("utf-16"),
        GOOD.encode("utf-16-le"),
        GOOD.encode("utf-16-be"),
        "\ufeff" + GOOD,
    ],
    ids=["utf-8", "bom", "crlf", "utf-16", "utf-16-le", "utf-16-be", "text-bom"],
)
def test_any_editor_may_save_it(data: bytes | str) -> None:
    assert load(data).version == load(GOOD).version


def test_another_charset_is_refused_with_its_line() -> None:
    with pytest.raises(BadMapping, match="line 5, column 1: is not UTF-8"):
        load(GOOD.encode() + "# имя".encode("cp1251"))


@pytest.mark.parametrize("kind", ["table", "lines", "names"])
def test_five_megabytes_are_read_in_a_second(kind: str) -> None:
    pad = "x" * 450
    if kind == "table":
        text = GOOD + "[table.t]\n" + "\n".join(f'"{n}" = "{pad}{n}"' for n in range(10_000))
    elif kind == "lines":
        text = lines(*(f'x_{n} = {{ crm = "F{n}", codec = "text" }} # {pad}' for n in range(10_000)))
    else:
        names = "".join(f'    "{pad} {n} tel",  # {n}\n' for n in range(10_000))
        text = f"format = 1\n[inbound]\nphones.from = [\n{names}]\n"
    started = time.process_time()
    (load_inbound if kind == "names" else load)(text)
    # The promise is 1 s of a free core; the rest is room for slower machines.
    assert time.process_time() - started < 3
    assert len(text) > 4_500_000


def test_more_than_that_is_refused() -> None:
    with pytest.raises(BadMapping, match="larger than 8 MB"):
        load(GOOD + "#" * 9_000_000)


PAYLOADS = [
    "{{lead.name}}",
    "${7*7}",
    "<%= 1 %>",
    "{0.__class__}",
    "=cmd|'/c calc'!A0",
    "%(name)s",
    "$(id)",
    "${jndi:ldap://x}",
]


@pytest.mark.parametrize("payload", PAYLOADS)
def test_nothing_in_a_file_or_a_value_is_computed(payload: str) -> None:
    said = json.dumps(payload)
    text = lines(
        f'title = {{ crm = {said}, codec = "text" }}',
        f'source = {{ crm = "S", codec = "constant", value = {said}, direction = "out" }}',
        'owner = { crm = "U", codec = "table", table = "t" }',
    )
    mapping = load(text + f"[table.t]\n{said} = {said}\n")
    assert mapping.inbound("lead", {payload: payload})["title"] == payload
    sent = mapping.outbound("lead", {"title": payload, "source": "x"}, {})
    assert sent == {payload: payload, "S": payload}
    assert mapping.outbound("lead", mapping.inbound("lead", sent), {}) == {payload: payload}


@settings(max_examples=50)
@given(text=st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        load(text)
    except BadMapping as refused:
        assert refused.problems  # noqa: PT017


# ── what saving checks besides ───────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["amocrm"])
def test_shipped_files_may_be_saved(name: str) -> None:
    mapping = check(shipped(name), {"owners": {"7": 504141}, "loss_reasons": {"expensive": 31}})
    assert [(line.kind, line.hub) for line in mapping.lines if line.lossy] == [("lead", "amount")]


def test_a_lossy_line_needs_a_policy_or_one_direction() -> None:
    line = 'amount = { crm = "P", codec = "money", shape = "whole", round = true%s }'
    with pytest.raises(BadMapping, match=r"loses something: .* State a policy, or one direction"):
        check(lines(line % ""))
    for stated in (', policy = "crm"', ', direction = "out"'):
        assert [written.lossy for written in check(lines(line % stated)).lines] == [True]


class Growing(Text):
    """Adds a sign to certain texts each time they are sent."""

    name = "growing"

    def write(self, hub: Any) -> Any:
        return f"{hub}!" if hub == "hot" else hub


def test_a_line_that_never_comes_to_rest_is_refused_with_its_example(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(mappings.schema.CODECS, "growing", Growing)
    text = lines('title = { crm = "T", codec = "growing", policy = "crm" }')
    check(text)
    with pytest.raises(
        BadMapping, match=r"line 4, column 1: lead\.title: would never come to rest: 'hot' reads as 'hot'"
    ):
        check(text, samples={"lead": [{"T": "cold"}, {"T": "hot"}]})


FIELDS = {
    "lead": (
        Field("NAME", "text"),
        Field("PRICE", "money", required=True),
        Field("SCORE", "number", read_only=True),
        Field("STATE", "select", options=(("1", "Hot"), ("2", "Cold"))),
        Field("WHEN", "datetime"),
    )
}
AMOUNT = 'amount = { crm = "PRICE", codec = "money" }'
FIT: list[tuple[str, str, str]] = [
    ("171-remote-field", 'title = { crm = "NAMES", codec = "text" }', "the CRM has no field NAMES. Did you mean NAME?"),
    ("172-required", 'title = { crm = "NAME", codec = "text" }', "the CRM requires PRICE"),
    (
        "173-retyped",
        'title = { crm = "WHEN", codec = "text" }',
        "WHEN is a datetime field. Use datetime, unix, unix_date.",
    ),
]


@pytest.mark.parametrize(("line", "said"), [row[1:] for row in FIT], ids=[row[0] for row in FIT])
def test_a_file_must_fit_the_account(line: str, said: str) -> None:
    with pytest.raises(BadMapping) as refused:
        check(lines(line), remote=FIELDS)
    assert said in str(refused.value)


def test_an_unknown_option_is_named() -> None:
    text = (
        lines(AMOUNT, 'temperature = { crm = "STATE", codec = "table", table = "heat" }')
        + '[table.heat]\nhot = "1"\nice = "Colt"\n'
    )
    with pytest.raises(BadMapping, match=r"STATE has no option 'Colt'. Did you mean Cold\?"):
        check(text, remote=FIELDS)


def test_a_field_that_cannot_be_written_is_only_read() -> None:
    mapping = check(lines(AMOUNT, 'x_score = { crm = "SCORE", codec = "number" }'), remote=FIELDS)
    assert [(line.hub, line.direction) for line in mapping.lines] == [("amount", "both"), ("x_score", "in")]
    assert mapping.outbound("lead", {"x_score": "5"}, {}) == {}


# ── rewriting ────────────────────────────────────────────────────────────────────────────────────

FILE = """\
# The head stays.
format = 1
crm    = "acme"   # so does the spacing

[lead]
# about titles
title = { crm = "NAME",   codec = "text" }  # and this
text = { crm = "TEXT", codec = "text" }

[table.owners]
7 = 1 # Anna
"""


def test_a_rewrite_touches_what_it_changes_only() -> None:
    after = rewrite(FILE, {"lead.title.crm": "TITLE", "table.owners.8": 2, "lead.text": None})
    expected = FILE.replace('"NAME"', '"TITLE"').replace('text = { crm = "TEXT", codec = "text" }\n', "") + "8 = 2\n"
    assert after == expected
    load(after)


def test_a_rewrite_adds_lines_and_sections() -> None:
    after = rewrite(FILE, {"lead.page": {"crm": "PAGE", "codec": "url"}, "contact.name": {"crm": "N", "codec": "text"}})
    assert after.startswith(FILE[: FILE.index("[table")].rstrip())
    assert 'page = {crm = "PAGE", codec = "url"}' in after
    assert {(line.kind, line.hub) for line in load(after).lines} >= {("lead", "page"), ("contact", "name")}


def test_no_change_is_no_change() -> None:
    for text in (FILE, shipped("amocrm"), shipped("inbound")):
        assert rewrite(text, {}) == text


def test_line_ends_of_windows_survive() -> None:
    crlf = FILE.replace("\n", "\r\n")
    assert rewrite(crlf, {"lead.title.crm": "TITLE"}) == crlf.replace('"NAME"', '"TITLE"')


def test_a_list_grows_at_its_end() -> None:
    text = 'format = 1\n[inbound]\nphones.from = [\n    "tel", # old\n]\n'
    after = rewrite(text, {"inbound.phones.from": ["tel", "handy"]})
    assert '"tel", # old' in after
    assert load_inbound(after).target("Handy") == ("phones", "handy")


def test_two_people_do_not_overwrite_each_other() -> None:
    seen = stamp(FILE)
    first = rewrite(FILE, {"lead.title.crm": "TITLE"}, seen)
    with pytest.raises(Stale, match="saved by somebody else"):
        rewrite(first, {"lead.title.crm": "T2"}, seen)


def test_a_path_into_a_value_cannot_be_changed() -> None:
    with pytest.raises(BadMapping, match=r"lead\.title\.crm\.deep: cannot be changed"):
        rewrite(FILE, {"lead.title.crm.deep": "x"})


@pytest.mark.parametrize("name", ["../secrets", "unknown", "amocrm.toml"])
def test_only_shipped_files_are_shipped(name: str) -> None:
    with pytest.raises(FileNotFoundError):
        shipped(name)
