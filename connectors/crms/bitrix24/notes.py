"""What hangs on a record: comments of its timeline, and to-dos.

Values are the vendor's own: `COMMENT`, `AUTHOR_ID` of a comment; `title`, `description`, `deadline`, `responsibleId`
of a to-do. `links` names the one record it hangs on.
"""

from __future__ import annotations

from typing import Any

from connectors.contract import Op, Record
from connectors.crms.bitrix24.calls import Command
from connectors.crms.bitrix24.shape import TYPES, WORDS

COMMENTS, TODOS = "comments", "todos"


def add_note(op: Op) -> Command:
    """The command that makes or changes it; KeyError for a kind that is none of these."""
    kind, ref = next((kind, refs[0]) for kind, refs in [*op.links.items(), ("", ("",))] if refs)
    if op.kind == COMMENTS:
        place = {} if op.ref else {"ENTITY_TYPE": WORDS[kind], "ENTITY_ID": int(ref)}
        method = "crm.timeline.comment.update" if op.ref else "crm.timeline.comment.add"
        return Command(method, {**({"id": int(op.ref)} if op.ref else {}), "fields": {**op.values, **place}})
    if op.kind != TODOS:
        raise KeyError(op.kind)
    place = {"ownerTypeId": TYPES[kind], "ownerId": int(ref)}
    method = "crm.activity.todo.update" if op.ref else "crm.activity.todo.add"
    return Command(method, {**op.values, **place, **({"id": int(op.ref)} if op.ref else {})})


def note_made(op: Op, told: Any) -> Record | None:
    """Comments answer a bare number, to-dos {"id": ...}, changes true."""
    ref = told.get("id") if isinstance(told, dict) else told
    if op.ref and told:
        ref = op.ref
    return Record(op.kind, str(ref), op.values, links=op.links) if ref and ref is not True else None
