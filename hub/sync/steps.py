"""One step of a CRM's set-up: what it makes, in a sentence; whether two want the same; how it is done, and undone."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from connectors.contract import CRM, Step
from connectors.errors import Refuse, Unsupported
from hub.sync.layout import NEW

FIELD_SHAPES: Mapping[str, Mapping[str, Any]] = {
    "HUB_ID": {"name": "Hub id", "type": "text"},
    "HUB_BLOCK": {"name": "Block", "type": "select", "options": ["lead", "deal"]},
    "HUB_QUALIFIED_AT": {"name": "Qualified at", "type": "datetime"},
    "HUB_TEXT": {"name": "Inquiry", "type": "textarea"},
}
"""Fields whose type is not plain text, by what follows our prefix in any CRM's spelling."""
OWN = re.compile(r"(?:^|_)(?:HUB|hub)(?=_|[A-Z])")
"""Our prefix in a field's code: HUB_ID, hub_id, x_hub_id, UF_CRM_HUB_ID, HUB_ID__c, hubId."""


def same(one: Step, other: Step) -> bool:
    """Whether two steps want the same; the pipeline of one may still have to be made by the other's plan."""
    where = one.under == other.under or other.under.startswith(NEW)
    return where and _target(one) == _target(other)


def _target(step: Step) -> tuple[Any, ...]:
    return (step.what, step.action, step.ref, *(step.values.get(name) for name in ("name", "code", "address")))


def take_back(crm: CRM, inverse: Step) -> str:
    """One inverse step; what the CRM wants to keep (a pipeline with cards in it) stays, and is said."""
    try:
        crm.provision([inverse])
    except (Refuse, Unsupported) as error:
        return f"kept: {sentence(inverse)} ({error})"
    return sentence(inverse)


def carry_out(crm: CRM, step: Step, instead: str) -> str:
    """One step over there; what the CRM lets nobody make is made by something that is there, or left out."""
    try:
        return crm.provision([step])[0]
    except Unsupported:
        return instead


def impossible(steps: Sequence[Step], refs: Sequence[str], instead: Mapping[int, str]) -> list[list[str]]:
    """Steps that came to nothing, so that no later plan asks for them again."""
    return [
        list(named(step))
        for number, (step, ref) in enumerate(zip(steps, refs, strict=True))
        if step.action == "create" and ref == instead.get(number, "")
    ]


def named(step: Step) -> tuple[str, str]:
    """What a step would make, and its name; addresses have none."""
    return step.what, str(step.values.get("name") or step.values.get("code") or "")


def shape(code: str) -> Mapping[str, Any]:
    """Name and type of a field of ours, however this CRM spells its code."""
    rest = OWN.split(code, maxsplit=1)[-1].removesuffix("__c")
    plain = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", rest).strip("_").upper()
    return FIELD_SHAPES.get(f"HUB_{plain}", {"name": plain.replace("_", " ").capitalize(), "type": "text"})


def resolved(step: Step, steps: Sequence[Step], refs: Sequence[str]) -> Step:
    """References to things made by earlier steps become real ones."""
    if not step.under.startswith(NEW):
        return step
    return Step(step.what, step.action, step.values, step.ref, refs[int(step.under[len(NEW) :])], step.before)


def inverse(step: Step, ref: str) -> Step | None:
    if step.action == "create":
        return Step(step.what, "remove", {}, ref, step.under, step.values)
    if step.action == "change":
        return Step(step.what, "change", {k: step.before[k] for k in step.values}, ref, step.under, step.values)
    return None


def sentence(step: Step) -> str:
    """For the admin and for the journal."""
    told = step.values or step.before
    name = told.get("name") or told.get("code") or told.get("address") or step.before.get("name") or step.ref
    extra = f" in {step.values['colour']}" if step.values.get("colour") else ""
    if step.what == "feature":
        return f"switch {'off' if step.action == 'remove' else 'on'} “{name}”"
    return f"{step.action} {step.what} “{name}”{extra}"
