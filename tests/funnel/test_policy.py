"""What an inquiry is: the whole table of the policy."""

from __future__ import annotations

from itertools import product

import pytest

from connectors.contract import DraftKind
from hub.funnel.policy import Decision, Standing, rule_on

NOBODY = Standing()
LEAD, DEAL, THREAD = Standing(open_lead="L"), Standing(open_deal="D"), Standing(thread_lead="T")


@pytest.mark.parametrize(
    ("kind", "reachable", "content", "standing", "decision", "target"),
    [
        ("inquiry", True, True, NOBODY, Decision.NEW_LEAD, ""),
        ("inquiry", True, False, NOBODY, Decision.NEW_LEAD, ""),
        ("inquiry", False, True, NOBODY, Decision.NEW_LEAD, ""),
        ("inquiry", False, False, NOBODY, Decision.QUARANTINED, ""),
        ("inquiry", True, True, LEAD, Decision.JOINED, "L"),
        ("inquiry", True, True, DEAL, Decision.JOINED_DEAL, "D"),
        ("inquiry", True, True, Standing("L", "D"), Decision.JOINED, "L"),
        ("inquiry", True, True, Standing("L", "D", "T"), Decision.JOINED, "T"),
        ("inquiry", False, False, THREAD, Decision.JOINED, "T"),
        ("note", True, True, THREAD, Decision.NOTE, "T"),
        ("note", True, True, LEAD, Decision.NOTE, ""),
        ("test", True, True, NOBODY, Decision.TEST, ""),
        ("test", True, True, Standing("L", "D", "T"), Decision.TEST, ""),
        ("quarantine", True, True, Standing("L", "D", "T"), Decision.QUARANTINED, ""),
    ],
)
def test_the_table(
    kind: str, reachable: bool, content: bool, standing: Standing, decision: Decision, target: str
) -> None:
    ruling = rule_on(DraftKind(kind), "", reachable, content, standing)
    assert (ruling.decision, ruling.target) == (decision, target)


def test_every_case_has_a_reason_and_only_inquiries_open_leads() -> None:
    for kind, reachable, content, *standing in product(DraftKind, *[(True, False)] * 5):
        lead, deal, thread = (name if is_there else "" for name, is_there in zip("LDT", standing, strict=True))
        ruling = rule_on(kind, "", reachable, content, Standing(lead, deal, thread))
        assert ruling.why
        if ruling.decision is Decision.NEW_LEAD:
            assert kind is DraftKind.INQUIRY
            assert (lead, deal, thread) == ("", "", "")
        if ruling.decision in (Decision.JOINED, Decision.JOINED_DEAL):
            assert ruling.target


def test_the_reason_of_a_source_is_kept() -> None:
    assert rule_on(DraftKind.QUARANTINE, "auto-reply", True, True, NOBODY).why == "auto-reply"
