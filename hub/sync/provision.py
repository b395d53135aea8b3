"""Gives a CRM that has only one kind of card a lead block and a deal block: plan, apply, verify, undo.

The plan reads the account as it is and lists every step before anything is changed. Applying is a row per
step, so a kill in the middle goes on where it stopped; a second plan of a finished set-up is empty. Undo
takes the steps back in reverse order and removes nothing that was there before.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import takewhile
from typing import Any

from sqlalchemy import Connection, select, update

from connectors.contract import CRM, Pipeline, Schema, Stage, Step
from connectors.errors import Refuse
from hub.clock import Clock
from hub.intake.connections import Connections, Live
from hub.model import connection, direction, member, provision_run, stage
from hub.store.engine import Store
from hub.store.notes import note
from hub.sync.split import placement_json
from mappings import load, shipped

FIELD_SHAPES: Mapping[str, Mapping[str, Any]] = {
    "HUB_ID": {"name": "Hub id", "type": "text"},
    "HUB_BLOCK": {"name": "Block", "type": "select", "options": ["lead", "deal"]},
    "HUB_QUALIFIED_AT": {"name": "Qualified at", "type": "datetime"},
    "HUB_TEXT": {"name": "Inquiry", "type": "textarea"},
}
"""Fields whose type is not plain text."""


class NotAsPlanned(RuntimeError):
    """The account changed between planning and applying; plan again."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps in order, each with a sentence for the admin, and the placement they will give."""

    steps: tuple[Step, ...]
    rows: tuple[tuple[str, str, str, str, str], ...]
    sentences: tuple[str, ...]

    @property
    def empty(self) -> bool:
        return not self.steps


@dataclass(frozen=True, slots=True)
class _Wish:
    """One stage the hub wants over there."""

    block: str
    key: str
    name: str
    colour: str
    final: str


NEW = "new:"
"""Prefix of references to things that earlier steps of the same plan create."""


class Provision:
    """Sets connections up. One at a time per connection."""

    def __init__(self, store: Store, clock: Clock, connections: Connections, public_url: str) -> None:
        self._store, self._clock, self._connections, self._public_url = store, clock, connections, public_url

    def plan(self, connection_id: str, pipelines: Mapping[str, str] | None = None) -> Plan:
        """What would be done. `pipelines` maps a direction id to an existing pipeline that shall be divided;
        other directions get a pipeline of their own, so that nobody's present cards are touched."""
        live = self._live(connection_id)
        schema = live.crm.describe()
        with self._store.read() as conn:
            wishes = _wishes(conn)
        steps: list[Step] = []
        rows: list[tuple[str, str, str, str, str]] = []
        for direction_row, stages in wishes:
            chosen = (pipelines or {}).get(direction_row.id, "")
            own_name = f"{direction_row.name} · leads and deals"
            have = _pipeline(schema, chosen, own_name)
            _plan_pipeline(live.crm, have, own_name, stages, steps, rows, direction_row.id)
        steps += _plan_fields(live, schema)
        steps += self._plan_hook(live, schema)
        return Plan(tuple(steps), tuple(rows), tuple(_sentence(step) for step in steps))

    def apply(self, connection_id: str, plan: Plan) -> str:
        """Carry the plan out; answers the id of the run. What an earlier run was killed in counts as its work."""
        live = self._live(connection_id)
        self._settle(live, plan)
        run_id = self._begin(live, plan)
        refs: list[str] = []
        for number, step in enumerate(plan.steps):
            refs.append(live.crm.provision([_resolved(step, plan.steps, refs)])[0])
            with self._store.write() as conn:
                conn.execute(
                    update(provision_run).where(provision_run.c.id == run_id).values(refs=refs, state="applying")
                )
                note(conn, self._clock, "connection", live.id, "provisioned", "hub", {"step": plan.sentences[number]})
        self._finish(live, plan, refs, run_id)
        return run_id

    def verify(self, connection_id: str) -> tuple[str, ...]:
        """What is missing over there, one sentence each; empty when everything is as it should be."""
        live = self._live(connection_id)
        placed = {row[0]: row[1] for row in self._placed_pipelines(live)}
        return self.plan(connection_id, placed).sentences

    def undo(self, connection_id: str) -> tuple[str, ...]:
        """Take the last set-up back, with the broken runs it completed, newest step first; answers what was done."""
        live = self._live(connection_id)
        done: list[str] = []
        for run in self._last_set_up(connection_id):
            done += self._undo_run(live, run)
        return tuple(done)

    def _undo_run(self, live: Live, run: Any) -> list[str]:
        steps = [Step(**raw) for raw in run.steps][: len(run.refs)]
        done, removed = [], set()
        for number in reversed(range(len(steps))):
            if steps[number].under.startswith(NEW):
                continue  # goes with the pipeline it was made in
            inverse = _inverse(_resolved(steps[number], steps, run.refs), run.refs[number])
            if inverse is not None:
                done.append(_take_back(live.crm, inverse))
                removed.add(inverse.ref if inverse.action == "remove" else "")
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
        return [] if address in schema.hooks else [Step("hook", "create", {"address": address})]

    def _settle(self, live: Live, plan: Plan) -> None:
        """A run that was killed may have had its next step done and not written down: the account shows it, because
        the new plan does not ask for it again. Doing it once more changes nothing and tells what it made."""
        unfinished = provision_run.c.state.in_(("planned", "applying"))
        with self._store.read() as conn:
            runs = list(conn.execute(select(provision_run).where(provision_run.c.connection_id == live.id, unfinished)))
        for run in runs:
            steps, refs = [Step(**raw) for raw in run.steps], list(run.refs)
            if len(refs) < len(steps):
                step = _resolved(steps[len(refs)], steps, refs)
                refs += [] if any(_same(step, other) for other in plan.steps) else live.crm.provision([step])
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
        rows = [tuple(made.get(part, part) for part in row) for row in plan.rows]
        account = live.crm.check()
        users = {user.email.lower(): user.ref for user in live.crm.describe().users if user.active and user.email}
        with self._store.write() as conn:
            config = dict(conn.execute(select(connection.c.config).where(connection.c.id == live.id)).scalar() or {})
            config["placement"] = placement_json("two_blocks", rows)
            config["tables"] = {**config.get("tables", {}), "owners": _owners(conn, users)}
            conn.execute(
                update(connection)
                .where(connection.c.id == live.id)
                .values(config=config, fingerprint=account.fingerprint, state="active", why="")
            )
            conn.execute(update(provision_run).where(provision_run.c.id == run_id).values(state="applied"))
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

    @staticmethod
    def _placed_pipelines(live: Live) -> Iterable[tuple[str, str]]:
        kept = live.row.config.get("placement") or {"rows": []}
        return {(row[1], row[3]) for row in kept["rows"]}


def _same(one: Step, other: Step) -> bool:
    """Whether two steps want the same; the pipeline of one may still have to be made by the other's plan."""
    where = one.under == other.under or other.under.startswith(NEW)
    return where and _target(one) == _target(other)


def _target(step: Step) -> tuple[Any, ...]:
    return (step.what, step.action, step.ref, *(step.values.get(name) for name in ("name", "code", "address")))


def _take_back(crm: CRM, inverse: Step) -> str:
    """One inverse step; what the CRM wants to keep (a pipeline with cards in it) stays, and is said."""
    try:
        crm.provision([inverse])
    except Refuse as error:
        return f"kept: {_sentence(inverse)} ({error})"
    return _sentence(inverse)


def _owners(conn: Connection, users: Mapping[str, str]) -> dict[str, str]:
    """Our members and their users are the same people when they use the same e-mail address."""
    rows = conn.execute(select(member.c.id, member.c.login))
    return {row.id: users[row.login.lower()] for row in rows if row.login.lower() in users}


def _wishes(conn: Connection) -> list[tuple[Any, list[_Wish]]]:
    directions = list(conn.execute(select(direction).order_by(direction.c.main.desc(), direction.c.position)))
    rows = list(conn.execute(select(stage).order_by(stage.c.block.desc(), stage.c.position)))
    return [
        (one, [_Wish(r.block, r.key, r.name, r.colour, r.final) for r in rows if r.direction_id == one.id])
        for one in directions
    ]


def _pipeline(schema: Schema, chosen: str, name: str) -> Pipeline | None:
    if chosen:
        return next((p for p in schema.pipelines if p.ref == chosen), None)
    return next((p for p in schema.pipelines if p.name == name), None)


def _plan_pipeline(
    crm: CRM,
    have: Pipeline | None,
    name: str,
    wishes: Sequence[_Wish],
    steps: list[Step],
    rows: list[tuple[str, str, str, str, str]],
    direction_id: str,
) -> None:
    """Lead stages first, then the border (a change of hue), then deal stages; closing stages are the CRM's own."""
    if have is None:
        first = next(({"name": w.name, "colour": _colour(crm, w.colour)} for w in wishes if not w.final), None)
        steps.append(Step("pipeline", "create", {"name": name, **({"first": first} if first else {})}))
        pipeline_ref = f"{NEW}{len(steps) - 1}"
    else:
        pipeline_ref = have.ref
    finals = {s.final: s.ref for s in have.stages if s.final} if have else dict(crm.facts.finals)
    position = 0
    for wish in wishes:
        closing = {"rejected": "lost"}.get(wish.final, wish.final)
        if closing and closing in finals:
            rows.append((wish.block, direction_id, wish.key, pipeline_ref, finals[closing]))
            continue
        position += 10
        found = _stage(have, wish.name)
        values = {"name": wish.name, "colour": _colour(crm, wish.colour), "position": position}
        if found is None:
            steps.append(Step("stage", "create", values, under=pipeline_ref))
            ref = f"{NEW}{len(steps) - 1}"
        else:
            ref = found.ref
            before = {"name": found.name, "colour": found.colour, "position": found.position}
            if values["colour"] and values["colour"] != found.colour:
                steps.append(Step("stage", "change", {"colour": values["colour"]}, ref, pipeline_ref, before))
        rows.append((wish.block, direction_id, wish.key, pipeline_ref, ref))


def _stage(have: Pipeline | None, name: str) -> Stage | None:
    if have is None:
        return None
    return next((s for s in have.stages if s.name.casefold() == name.casefold() and not s.final), None)


def _colour(crm: CRM, wish: str) -> str:
    """The nearest colour the vendor has, by distance in RGB; "" where it has none."""
    facts = crm.facts
    if facts.colours == "any" or not wish:
        return wish if facts.colours != "none" else ""
    if facts.colours == "none" or wish in facts.palette:
        return wish if wish in facts.palette else ""
    return min(facts.palette, key=lambda have: sum((a - b) ** 2 for a, b in zip(_rgb(have), _rgb(wish), strict=True)))


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _plan_fields(live: Live, schema: Schema) -> list[Step]:
    """Fields of the mapping that carry our prefix and are not there yet."""
    mapping = load(live.row.mapping or shipped(live.row.connector))
    crm = live.crm
    kinds = {"contact": crm.contact_kind, "lead": crm.lead_kind, "deal": crm.deal_kind}
    wanted = dict.fromkeys(
        (kinds[line.kind], line.crm) for line in mapping.lines if line.crm.startswith("HUB_") and line.kind in kinds
    )
    steps = []
    for kind, code in wanted:
        if any(field.name == code for field in schema.fields.get(kind, ())):
            continue
        shape = FIELD_SHAPES.get(
            code, {"name": code.removeprefix("HUB_").replace("_", " ").capitalize(), "type": "text"}
        )
        steps.append(Step("field", "create", {"code": code, **shape}, under=kind))
    return steps


def _resolved(step: Step, steps: Sequence[Step], refs: Sequence[str]) -> Step:
    """References to things made by earlier steps become real ones."""
    if not step.under.startswith(NEW):
        return step
    return Step(step.what, step.action, step.values, step.ref, refs[int(step.under[len(NEW) :])], step.before)


def _inverse(step: Step, ref: str) -> Step | None:
    if step.action == "create":
        return Step(step.what, "remove", {}, ref, step.under, step.values)
    if step.action == "change":
        return Step(step.what, "change", {k: step.before[k] for k in step.values}, ref, step.under, step.values)
    return None


def _sentence(step: Step) -> str:
    """For the admin and for the journal."""
    told = step.values or step.before
    name = told.get("name") or told.get("code") or told.get("address") or step.before.get("name") or step.ref
    extra = f" in {step.values['colour']}" if step.values.get("colour") else ""
    return f"{step.action} {step.what} “{name}”{extra}"
