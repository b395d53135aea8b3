"""Gives a CRM that has only one kind of card a lead block and a deal block: plan, apply, verify, undo.

The plan reads the account as it is and lists every step before anything is changed. Applying is a row per
step, so a kill in the middle goes on where it stopped; a second plan of a finished set-up is empty. Undo
takes the steps back in reverse order and removes nothing that was there before.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import takewhile
from typing import Any

from sqlalchemy import Connection, select, update

from connectors.contract import CRM, Schema, Step
from connectors.errors import Unsupported
from hub.clock import Clock
from hub.intake.connections import Connections, Live, mapping_of
from hub.intake.straight import NO_LEADS
from hub.model import connection, direction, link, provision_run, stage
from hub.store.engine import Store
from hub.store.notes import REST, note
from hub.sync import choices
from hub.sync.account import ROLES, kind_of, section_of
from hub.sync.layout import NEW, Layout, Wish, known
from hub.sync.owners import learn
from hub.sync.plan import ASSERT, REFUSED
from hub.sync.records import PLACE
from hub.sync.split import Row, placement_json
from hub.sync.steps import OWN, carry_out, impossible, inverse, named, resolved, same, sentence, shape, take_back
from hub.sync.strangers import WELCOME
from hub.sync.untaken import refused, say_again
from mappings import load


class NotAsPlanned(RuntimeError):
    """The account changed between planning and applying; plan again."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps in order, each with a sentence for the admin, and the placement they will give."""

    steps: tuple[Step, ...]
    rows: tuple[Row, ...]
    sentences: tuple[str, ...]
    strategy: str = "two_blocks"
    instead: Mapping[int, str] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        return not self.steps


class Provision:
    """Sets connections up. One at a time per connection."""

    def __init__(self, store: Store, clock: Clock, connections: Connections, public_url: str) -> None:
        self._store, self._clock, self._connections, self._public_url = store, clock, connections, public_url

    def plan(self, connection_id: str, pipelines: Mapping[str, str] | None = None, strategy: str = "") -> Plan:
        """What would be done. `pipelines` maps a direction id to an existing pipeline that shall be divided (or hold
        the deals); other directions get pipelines of their own, so that nobody's present cards are touched.
        `strategy` "" keeps the present one, or takes the first the CRM declares. Raises `Unsupported`."""
        live = self._live(connection_id)
        schema = live.crm.describe()
        can = possible(live.crm, schema)
        chosen = strategy or strategy_of(live, schema)
        if chosen not in can:
            raise Unsupported(f"This {live.crm.title} cannot carry the placement {chosen!r}; it can: {', '.join(can)}")
        placement = placement_of(chosen)
        with self._store.read() as conn:
            layout = _laid_out(conn, live.crm, schema, placement, live.row.config, pipelines or {})
        switches = _plan_features(live, schema, placement)
        steps = [*layout.steps, *switches, *_plan_fields(live, schema, placement), *self._plan_hook(live, schema)]
        sentences = tuple(sentence(step) for step in steps)
        return Plan(tuple(steps), tuple(layout.rows), sentences, chosen, layout.instead)

    def apply(self, connection_id: str, plan: Plan) -> str:
        """Carry the plan out; answers the id of the run. What an earlier run was killed in counts as its work."""
        live = self._live(connection_id)
        self._settle(live, plan)
        run_id = self._begin(live, plan)
        refs: list[str] = []
        for number, step in enumerate(plan.steps):
            refs.append(carry_out(live.crm, resolved(step, plan.steps, refs), plan.instead.get(number, "")))
            with self._store.write() as conn:
                conn.execute(
                    update(provision_run).where(provision_run.c.id == run_id).values(refs=refs, state="applying")
                )
                note(conn, self._clock, "connection", live.id, "provisioned", "hub", {"step": plan.sentences[number]})
        self._finish(live, plan, refs, run_id)
        return run_id

    def verify(self, connection_id: str) -> tuple[str, ...]:
        """What is missing over there, one sentence each; empty when everything is as it should be."""
        return self.plan(connection_id).sentences

    def undo(self, connection_id: str) -> tuple[str, ...]:
        """Take the last set-up back, with the broken runs it completed, newest step first; answers what was done."""
        live = self._live(connection_id)
        done: list[str] = []
        for run in self._last_set_up(connection_id):
            done += self._undo_run(live, run)
        return tuple(done)

    def _undo_run(self, live: Live, run: Any) -> list[str]:
        steps = [Step(**raw) for raw in run.steps][: len(run.refs)]
        done, removed, without = [], set(), known(live.row.config, "").without
        for number in reversed(range(len(steps))):
            if steps[number].under.startswith(NEW) or named(steps[number]) in without or not run.refs[number]:
                continue  # goes with the pipeline it was made in, or came to nothing
            back = inverse(resolved(steps[number], steps, run.refs), run.refs[number])
            if back is not None:
                done.append(take_back(live.crm, back))
                removed.add(back.ref if back.action == "remove" else "")
        self._forget(live, run.id, removed)
        return done

    def _last_set_up(self, connection_id: str) -> list[Any]:
        """The newest run, and those before it that never came to their end."""
        mine = (provision_run.c.connection_id == connection_id) & (provision_run.c.state != "undone")
        order = (provision_run.c.at.desc(), provision_run.c.id.desc())
        with self._store.read() as conn:
            runs = list(conn.execute(select(provision_run).where(mine).order_by(*order)))
        older = takewhile(lambda run: run.state != "applied", runs[1:])
        return [*runs[:1], *older]

    # ── small steps ──────────────────────────────────────────────────────────────────────────────

    def _live(self, connection_id: str) -> Live:
        live = self._connections.by_id(connection_id)
        if live is None:
            raise KeyError(connection_id)
        return live

    def _plan_hook(self, live: Live, schema: Schema) -> list[Step]:
        address = f"{self._public_url}/in/{live.row.token}"
        cannot = ("hook", "") in known(live.row.config, "").without
        return [] if address in schema.hooks or cannot else [Step("hook", "create", {"address": address})]

    def _settle(self, live: Live, plan: Plan) -> None:
        """A run that was killed may have had its next step done and not written down: the account shows it, because
        the new plan does not ask for it again. Doing it once more changes nothing and tells what it made."""
        unfinished = provision_run.c.state.in_(("planned", "applying"))
        with self._store.read() as conn:
            runs = list(conn.execute(select(provision_run).where(provision_run.c.connection_id == live.id, unfinished)))
        for run in runs:
            steps, refs = [Step(**raw) for raw in run.steps], list(run.refs)
            if len(refs) < len(steps):
                step = resolved(steps[len(refs)], steps, refs)
                refs += [] if any(same(step, other) for other in plan.steps) else [carry_out(live.crm, step, "")]
            with self._store.write() as conn:
                row = update(provision_run).where(provision_run.c.id == run.id)
                conn.execute(row.values(refs=refs, state="stopped"))

    def _begin(self, live: Live, plan: Plan) -> str:
        run_id = self._clock.new_id()
        with self._store.write() as conn:
            conn.execute(
                provision_run.insert().values(
                    id=run_id, connection_id=live.id, state="planned", before={}, refs=[], at=self._clock.now(),
                    steps=[asdict(step) for step in plan.steps],
                )
            )  # fmt: skip
        return run_id

    def _finish(self, live: Live, plan: Plan, refs: Sequence[str], run_id: str) -> None:
        made = {f"{NEW}{number}": ref for number, ref in enumerate(refs)}
        rows = kept_of([tuple(made.get(part, part) for part in row) for row in plan.rows])
        account = live.crm.check()
        schema = live.crm.describe()
        text = mapping_of(live.row)
        with self._store.write() as conn:
            config = dict(conn.execute(select(connection.c.config).where(connection.c.id == live.id)).scalar() or {})
            before = config.get("placement")
            without = [*config.get("without", []), *impossible(plan.steps, refs, plan.instead)]
            config |= {"without": without} if without else {}
            config["placement"] = placement_json(placement_of(plan.strategy), rows)
            config["placement"] = _counted_in(conn, live.crm, schema, plan, config)
            config["intake"] = NO_LEADS if plan.strategy == NO_LEADS else ""
            config = learn(conn, self._clock.now(), config, schema.users)
            config["checked"] = live.row.generation
            if before is None and _is_own(plan):
                config.setdefault("strangers", WELCOME)
            conn.execute(
                update(connection)
                .where(connection.c.id == live.id)
                .values(config=config, fingerprint=account.fingerprint, state="active", why="")
            )
            conn.execute(update(provision_run).where(provision_run.c.id == run_id).values(state="applied"))
            choices.learn(conn, self._clock, live.id, choices.offered(live.crm, text, schema))
            say_again(conn, self._clock, live.id)
            if before is not None and any(step.what in ("field", "stage") for step in plan.steps):
                fields = {step.values["code"] for step in plan.steps if (step.what, step.action) == ("field", "create")}
                moved = before["strategy"] != placement_of(plan.strategy)
                _look_at_all(conn, self._clock, live, fields, moved=moved)
        self._connections.forget()

    def _forget(self, live: Live, run_id: str, removed: Collection[str]) -> None:
        """Without a set-up there is no placement; an earlier one keeps what still has its stage."""
        others = (provision_run.c.connection_id == live.id) & (provision_run.c.id != run_id)
        with self._store.write() as conn:
            config = dict(conn.execute(select(connection.c.config).where(connection.c.id == live.id)).scalar() or {})
            stands = conn.execute(select(provision_run.c.id).where(others, provision_run.c.state == "applied")).first()
            kept = config.pop("placement", None)
            if stands and kept:
                rows = [row for row in kept["rows"] if not {row[3], row[4]} & set(removed)]
                config["placement"] = placement_json(kept["strategy"], rows)
            conn.execute(update(connection).where(connection.c.id == live.id).values(config=config))
            conn.execute(update(provision_run).where(provision_run.c.id == run_id).values(state="undone"))
        self._connections.forget()


def _laid_out(
    conn: Connection, crm: CRM, schema: Schema, placement: str, config: Mapping[str, Any], chosen: Mapping[str, str]
) -> Layout:
    layout = Layout(crm, schema, placement, known(config, placement))
    for row, stages in _wishes(conn):
        layout.add(row.id, row.name, stages, chosen.get(row.id, ""))
    return layout


def _counted_in(conn: Connection, crm: CRM, schema: Schema, plan: Plan, config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The placement with the stages that came along with a new pipeline: Odoo shows those of no team in every one."""
    kept: Mapping[str, Any] = config["placement"]
    if not any((step.what, step.action) == ("pipeline", "create") for step in plan.steps):
        return kept
    placement = placement_of(plan.strategy)
    again = _laid_out(conn, crm, schema, placement, config, {})
    return kept if again.steps else placement_json(placement, kept_of(again.rows))


def kept_of(rows: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The rows of a plan that a connection keeps: without stages that have no place there, and without those in which a
    stage of theirs counts as one of ours and already serves as another."""
    first: dict[tuple[str, ...], tuple[str, ...]] = {}
    for row in rows:
        first.setdefault(row[:3], row)
    taken = {row[3:] for row in first.values()}
    apart = (row for row in rows if first[row[:3]] is row or row[3:] not in taken)
    return [row for row in apart if row[4]]


def _wishes(conn: Connection) -> list[tuple[Any, list[Wish]]]:
    directions = list(conn.execute(select(direction).order_by(direction.c.main.desc(), direction.c.position)))
    rows = list(conn.execute(select(stage).order_by(stage.c.block.desc(), stage.c.position)))
    return [
        (one, [Wish(r.block, r.key, r.name, r.colour, r.final) for r in rows if r.direction_id == one.id])
        for one in directions
    ]


def strategy_of(live: Live, schema: Schema | None = None) -> str:
    """The placement a connection has or shall have: as it was set up, else the first its account can carry."""
    kept = live.row.config.get("placement")
    if kept and live.row.config.get("intake") == NO_LEADS:
        return NO_LEADS
    return str(kept["strategy"]) if kept else possible(live.crm, schema)[0]


def placement_of(strategy: str) -> str:
    """The placement behind what an admin chooses: without leads there are only deals to place."""
    return "held" if strategy == NO_LEADS else strategy


def possible(crm: CRM, schema: Schema | None) -> tuple[str, ...]:
    """The placements this account can carry, the best first: leads of their own only where the account shows some."""
    told = crm.facts.strategies + ((NO_LEADS,) if "held" in crm.facts.strategies else ())
    if schema is None or any(one.kind == crm.lead_kind for one in schema.pipelines):
        return told
    return tuple(one for one in told if one != "native")


def _is_own(plan: Plan) -> bool:
    """Whether every stage stands in a pipeline that this plan makes: then nobody has cards there yet."""
    return all(row[3].startswith(NEW) for row in plan.rows)


def _look_at_all(conn: Connection, clock: Clock, live: Live, fields: Collection[str], *, moved: bool) -> None:
    """Old cards learn the new fields; after a change of strategy they move to their new places as well."""
    mine = (link.c.connection_id == live.id) & (link.c.state == "linked")
    mapping = load(mapping_of(live.row))
    news = {line.hub for line in mapping.lines if line.crm in fields}
    for row in conn.execute(select(link.c.id, link.c.role, link.c.base, link.c.raw).where(mine)):
        gone = news | ({PLACE} if moved and row.role in ("lead", "deal") else set())
        base = {name: value for name, value in row.base.items() if name not in gone}
        base |= {ASSERT: [PLACE]} if moved and row.role in ("lead", "deal") else {}
        if REFUSED in base:
            base[REFUSED] = {name: told for name, told in refused(base).items() if name not in fields}
        raw = {name: value for name, value in row.raw.items() if name not in fields}
        conn.execute(update(link).where(link.c.id == row.id).values(base=base, raw=raw))
    again = {"dirty": link.c.dirty + 1, "lane": REST, "due_at": clock.now()}
    conn.execute(update(link).where(mine).values(again))


def _plan_features(live: Live, schema: Schema, strategy: str) -> list[Step]:
    """Switches of the account that are off and without which this placement does not show."""
    wanted, without = live.crm.facts.features.get(strategy, ()), known(live.row.config, strategy).without
    off = [name for name in wanted if schema.features.get(name) is False and ("feature", name) not in without]
    return [Step("feature", "create", {"name": name}) for name in off]


def _plan_fields(live: Live, schema: Schema, strategy: str) -> list[Step]:
    """Fields of the mapping that carry our prefix and are not there yet."""
    mapping, crm = load(mapping_of(live.row)), live.crm
    if not crm.facts.makes_fields:
        return []
    kinds: dict[str, list[str]] = {}
    for role in ROLES:
        if kind := kind_of(crm, strategy, role):
            kinds.setdefault(section_of(crm, strategy, role), []).append(kind)
    lines = [line for line in mapping.lines if OWN.search(line.crm)]
    wanted = dict.fromkeys((kind, line.crm) for line in lines for kind in kinds.get(line.kind, ()))
    steps: list[Step] = []
    without = known(live.row.config, strategy).without
    for kind, code in wanted:
        if any(one.name == code for one in schema.fields.get(kind, ())) or ("field", code) in without:
            continue
        steps.append(Step("field", "create", {"code": code, **shape(code)}, under=kind))
    return steps
