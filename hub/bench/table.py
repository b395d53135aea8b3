"""Measured numbers for people: a few lines for a terminal, one table for the README."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- bench -->", "<!-- /bench -->"
AIMS: Mapping[tuple[str, str, str], tuple[str, str]] = {
    ("intake", "ratios", "vs_bare_endpoint"): ("Durable acknowledgements against a bare endpoint", "≥ 0.75"),
    ("intake", "figures", "acks_per_s"): ("Durable acknowledgements a second", ""),
    ("intake", "yardsticks", "bare_per_s"): ("The bare endpoint, which stores nothing, a second", ""),
    ("intake", "yardsticks", "fsync_per_s"): ("The disk itself: durable appends of 600 bytes a second", ""),
    ("intake", "figures", "p99_ms_at_500"): ("Acknowledged at 500 a second, p99, ms", "≤ 50"),
    ("flow", "figures", "leads_per_s_per_core"): ("Leads a second and core, socket to CRM", "≥ 300"),
    ("flow", "ratios", "cpu_per_lead_vs_bare_request"): ("CPU of a lead against the CPU of one bare request", "≤ 5"),
    ("flow", "figures", "redis_commands_per_lead"): ("Redis commands a lead under RQ", "≤ 2"),
    ("flow", "figures", "share_of_64_in_flight"): ("CRM of 100 ms, 64 calls in flight: share of 640 leads/s", "≥ 0.75"),
    ("flow", "figures", "p95_s_to_crm_at_5_per_s"): ("In a CRM with 7 calls/s, 5 leads a second: p95, s", "< 5"),
    ("flow", "figures", "p95_s_to_crm_at_1_per_s"): ("In a CRM with 7 calls/s, 1 lead a second: p95, s", "< 2"),
    ("idle", "figures", "pss_mib"): ("Memory of all processes, MiB (PSS)", "≤ 200"),
    ("idle", "figures", "cpu_percent"): ("CPU when nothing happens, %", "≤ 1"),
    ("idle", "figures", "start_to_first_lead_s"): ("From the command to the first durable lead, s", "≤ 3"),
    ("identity", "figures", "cpu_ms_mean_at_10k"): ("Recognising one of 10,000 people, CPU ms", "≤ 1"),
    ("identity", "figures", "cpu_ms_p99_at_10k"): ("Recognising one of 10,000 people, CPU ms, p99", "≤ 4"),
    ("identity", "ratios", "p50_growth_10k_to_100k"): ("The same among 100,000 people, median, times", "≤ 1.3"),
    ("identity", "ratios", "p50_growth_10k_to_1m"): ("The same among a million people, median, times", "≤ 1.3"),
    ("identity", "figures", "bulk_events_per_s"): ("A history in big batches, events a second and core", "≥ 600"),
    ("identity", "figures", "pg_round_trips_per_event"): ("Round trips to PostgreSQL for an event in a batch", "≤ 3"),
    ("identity", "figures", "bytes_per_contact"): ("Keys and profile of one contact, bytes", "≤ 700"),
    ("route", "figures", "decisions_per_s_per_core"): ("Routing decisions a second and core, 200 rules", "≥ 2000"),
    ("route", "figures", "p99_ms"): ("One routing decision, p99, ms", "≤ 5"),
    ("route", "figures", "deadline_lateness_p99_s"): ("100,000 deadlines in 200 s: lateness p99, s", "< 1"),
    ("route", "figures", "replay_10k_s"): ("A draft of rules tried on 10,000 inquiries, s", "< 60"),
    ("sync", "ratios", "calls_create.amocrm"): ("amoCRM: calls for 1,000 leads with contacts / least", "≤ 1.2"),
    ("sync", "ratios", "calls_create.bitrix24"): ("Bitrix24: the same", "≤ 1.2"),
    ("sync", "ratios", "calls_create.hubspot"): ("HubSpot: the same", "≤ 1.2"),
    ("sync", "ratios", "calls_create.odoo"): ("Odoo: the same", "≤ 1.2"),
    ("sync", "ratios", "calls_create.pipedrive"): ("Pipedrive: the same", "≤ 1.1"),
    ("sync", "figures", "fresh_p99_s_during_backfill"): ("A fresh lead during a backfill at the limit, p99, s", "< 2"),
    ("sync", "figures", "reconcile_per_s"): ("Records compared field by field a second and core", "≥ 10000"),
}  # fmt: skip


def lines(result: Mapping[str, Any]) -> str:
    """One result for a terminal."""
    told = [f"{result['bench']}:"]
    for group in ("ratios", "figures", "yardsticks"):
        told += [f"  {name:32} {value}" for name, value in result[group].items()]
    return "\n".join(told)


def table(results: Sequence[Mapping[str, Any]]) -> str:
    """The rows of AIMS that were measured, as Markdown."""
    by_name = {result["bench"]: result for result in results}
    rows = ["| What | Measured | Aim |", "| --- | ---: | ---: |"]
    for (bench, group, name), (what, aim) in AIMS.items():
        if name in by_name.get(bench, {}).get(group, {}):
            rows.append(f"| {what} | {by_name[bench][group][name]} | {aim} |")
    where = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    return "\n".join([*rows, "", f"Measured by `make bench` on {where}; generator and CRM stand-in on the same cores."])


def write(readme: Path, results: Sequence[Mapping[str, Any]]) -> None:
    """Replace the table between the markers; they are added at the end where there are none."""
    text = readme.read_text("utf-8") if readme.is_file() else "# Lead hub\n"
    if BEGIN not in text or END not in text:
        text = f"{text.rstrip()}\n\n## Measured\n\n{BEGIN}\n{END}\n"
    head, _, rest = text.partition(BEGIN)
    readme.write_text(f"{head}{BEGIN}\n{table(results)}\n{END}{rest.partition(END)[2]}", "utf-8")
