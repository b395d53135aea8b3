"""What every test may ask for: real servers, the two stacks a hub runs on, captured samples.

`LEADHUB_NO_SKIP=1` (CI) turns a run with skipped tests into a failure and lists them. Let off are only the tests over
captured messages, which are other people's and stay outside the repository, and those against a CRM that needs a newer
Python than Debian 12 has.
CI also tries the same examples of every property each time; `LEADHUB_CAMPAIGN=full` tries many new ones.
"""

from __future__ import annotations

import gc
import os
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import redis
from hypothesis import settings
from playwright.sync_api import Browser, sync_playwright

from tests.emptied import Emptied
from tests.once import lay_tables, sparing
from tests.servers import Stack, fresh_database, postgres_server, redis_server

REPOSITORY = Path(__file__).parent.parent
SAMPLES = REPOSITORY.parent / "shared" / "facts"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
OUTSIDE = "captured samples (../shared/facts) are not in the repository"
NO_PYTHON = "no Python 3.12 or newer on this machine: BottleCRM runs on nothing older"

LONG = (
    "sync/test_machine_teeth.py", "sync/test_machine.py", "bench/test_bench.py", "flow/test_every_placement.py",
    "flow/test_fleet.py", "real/test_bottlecrm.py", "real/test_tryton.py", "real/test_bottlecrm_flow.py",
    "flow/test_demo.py", "identity/test_stream.py", "flow/test_whole_way.py", "flow/test_sync_faults.py",
    "faults/test_kills.py", "flow/test_companies.py", "flow/test_conversions.py", "flow/test_routed.py",
    "browser/test_scripts.py", "browser/test_desk.py", "browser/test_admin_rooms.py", "browser/test_admin_browser.py",
    "sync/test_clocks.py", "real/test_tryton_flow.py", "faults/test_crash_points.py", "flow/test_answers.py",
    "flow/test_race.py", "identity/test_race.py", "contract/test_crm_odoo.py", "contract/test_crm_pipedrive.py",
    "contract/test_source_email.py", "contract/test_crm_hubspot.py", "contract/test_crm_espocrm.py",
    "flow/test_known_there.py", "flow/test_merged_over_there.py", "contract/test_crm_salesforce.py",
    "web/test_doors.py", "web/test_inbound.py", "test_house.py", "test_skips.py", "contract/test_crm_bitrix24.py",
)  # fmt: skip
"""More than seven seconds of a core each, or of waiting, by the time they take: what is given out last is short, and
none of the processes goes on alone at the end."""

NO_SKIP = os.environ.get("LEADHUB_NO_SKIP") == "1"

# A deadline per example measures the neighbours on a shared machine, not the code.
settings.register_profile("small", deadline=None, derandomize=NO_SKIP)
settings.register_profile("full", deadline=None, max_examples=5000)
settings.load_profile(os.environ.get("LEADHUB_CAMPAIGN", "small"))


@pytest.fixture(scope="session", autouse=True)
def spared() -> Iterator[None]:
    """Costs that never differ are paid once; see `tests.once`."""
    with sparing():
        yield


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A Redis for the whole run. Its data is shared: `stack` empties it, other tests use names of their own."""
    with redis_server() as url:
        yield url


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL for the whole run; take a database of your own with `servers.fresh_database(postgres_url)`."""
    with postgres_server() as url:
        yield url


@pytest.fixture(scope="session")
def emptied(postgres_url: str) -> Iterator[Emptied]:
    """A database with the tables of a hub, emptied for each test that asks for its address."""
    with closing(Emptied(postgres_url)) as made:
        yield made


@pytest.fixture(params=["embedded", "servers"])
def stack(request: pytest.FixtureRequest, tmp_path: Path) -> Stack:
    """A place for a hub's data with empty tables, once on SQLite files and once on PostgreSQL with Redis."""
    if request.param == "embedded":
        lay_tables(tmp_path)
        return embedded(tmp_path)
    return servers(request, tmp_path, request.getfixturevalue("emptied").url())


@pytest.fixture(params=["embedded", "servers"])
def bare_stack(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stack]:
    """The same without tables."""
    if request.param == "embedded":
        yield embedded(tmp_path)
        return
    with fresh_database(request.getfixturevalue("postgres_url")) as database:
        yield servers(request, tmp_path, database)


def embedded(folder: Path) -> Stack:
    return Stack("embedded", f"sqlite:///{folder}/hub.db", f"sqlite:///{folder}/inbox.db", None, folder)


def servers(request: pytest.FixtureRequest, folder: Path, database: str) -> Stack:
    redis_url: str = request.getfixturevalue("redis_url")
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    return Stack("servers", database, database, redis_url, folder)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, one for the whole run: Playwright starts only once in a process."""
    place = shutil.which("chromium")
    if place is None:
        pytest.skip("no chromium on this machine: apt install chromium")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=place, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def samples() -> Path:
    """The folder of captured messages; the test is skipped where there is none."""
    if not SAMPLES.is_dir():
        pytest.skip(OUTSIDE)
    return SAMPLES


# ── what was collected stays ─────────────────────────────────────────────────────────────────────


def pytest_configure() -> None:
    """Nothing is thrown away while thousands of tests are read; looking for it takes a sixth of that time."""
    gc.disable()


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop() -> None:
    """Tests and modules live to the end: the collector need not look through them again and again (0.2 s each time)."""
    gc.freeze()
    gc.enable()


# ── nothing may be skipped in CI ─────────────────────────────────────────────────────────────────


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the longest files first, for xdist to give them out first (`--no-loadscope-reorder`). Leave out tests over an
    empty list of cases: they have nothing to run, which is not the same as skipped."""
    rank = {REPOSITORY / "tests" / name: place for place, name in enumerate(LONG)}
    items.sort(key=lambda test: rank.get(test.path, len(LONG)))
    empty = [test for test in items if any("got empty parameter set" in why for why in skip_reasons(test))]
    if empty:
        config.hook.pytest_deselected(items=empty)
        items[:] = [test for test in items if test not in empty]


def skip_reasons(test: pytest.Item) -> list[str]:
    return [str(mark.kwargs.get("reason", "")) for mark in test.iter_markers("skip")]


def unwanted_skips(config: pytest.Config) -> list[str]:
    """One line `where: why` per skipped test that this run was told not to skip."""
    if not NO_SKIP:
        return []
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    reports = terminal.stats.get("skipped", []) if terminal else []
    reasons = [(report.nodeid, str(report.longrepr[2])) for report in reports if isinstance(report.longrepr, tuple)]
    return [f"{node}: {reason}" for node, reason in reasons if not any(why in reason for why in (OUTSIDE, NO_PYTHON))]


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if exitstatus == pytest.ExitCode.OK and unwanted_skips(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    skips = unwanted_skips(config)
    if skips:
        terminalreporter.section("skipped, and LEADHUB_NO_SKIP=1 says nothing may be", red=True)
        for line in skips:
            terminalreporter.write_line(line)
