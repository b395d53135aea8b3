"""The same look-up by Splink: one newcomer against a table of people, with a model and blocking rules of its kind.

Needs the extra `rival`; without it nothing is measured. Splink answers for batches: this is what its users pay who ask
for one person at once. CPU time of the process, all its threads included.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

ASKED = 5
Row = Mapping[str, str]


def lookup_ms(people: Sequence[Row], newcomers: Sequence[Row]) -> float | None:
    """Median CPU ms of one look-up; None where Splink is not installed.

    Rows have unique_id, first, last, phone and mail.
    """
    if find_spec("splink") is None:
        return None
    splink, arrow = import_module("splink"), import_module("pyarrow")
    logging.getLogger("splink").setLevel(logging.ERROR)  # it sets its own when it is imported
    base = splink.DuckDBAPI()
    table = base.register(arrow.Table.from_pylist(people))
    linker = splink.Linker(table, _model(splink))
    linker.training.estimate_u_using_random_sampling(max_pairs=1e5)
    taken = []
    for newcomer in newcomers[:ASKED]:
        begin = time.process_time()
        asked = base.register(arrow.Table.from_pylist([newcomer]))
        found = linker.inference.predict_between(table, asked, warning_mode="never").as_record_list()
        taken.append((time.process_time() - begin) * 1000)
        if not found:
            raise RuntimeError("Splink found nobody: the comparison would mean nothing")
    return sorted(taken)[len(taken) // 2]


def _model(splink: Any) -> Any:
    compare = import_module("splink.comparison_library")
    rules = [splink.block_on("phone"), splink.block_on("mail"), splink.block_on("first", "last")]
    return splink.SettingsCreator(
        link_type="dedupe_only",
        comparisons=[
            compare.ExactMatch("first"),
            compare.JaroWinklerAtThresholds("last", [0.9]),
            compare.ExactMatch("phone"),
            compare.ExactMatch("mail"),
        ],
        blocking_rules_to_generate_predictions=rules,
    )
