"""Where the stages of the hub shall stand in a CRM, by strategy. Pure: what is there → what is to be made, and where.

Lead stages stand first, then deal stages in other hues: the change is the border, and both blocks show it by a prefix
where a CRM has no colours. Closing stages are the CRM's own where it has some. A stage of theirs between ours, which
people made, counts as the nearest one of ours; the card stays where it is.
"""

from __future__ import annotations

import colorsys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from connectors.contract import CRM, Pipeline, Schema, Stage, Step
from connectors.errors import Unsupported
from hub.sync.split import Row

NEW = "new:"
"""Prefix of references to things that earlier steps of the same plan create."""
BOTH = ("lead", "deal")
CLOSING = {"rejected": "lost"}
"""What a CRM calls the stages that close our blocks, where it is not the same word."""


@dataclass(frozen=True, slots=True)
class Wish:
    """One stage the hub wants over there."""

    block: str
    key: str
    name: str
    colour: str
    final: str

    @property
    def closing(self) -> str:
        return CLOSING.get(self.final, self.final)


@dataclass(frozen=True, slots=True)
class Known:
    """What an earlier set-up says: pipelines by (block, direction), stages by (block, direction, key), as what each
    stage over there counts by (block, direction, pipeline, stage), and what the CRM was found unable to make, as
    (what, name)."""

    pipelines: Mapping[tuple[str, str], str] = field(default_factory=dict)
    stages: Mapping[tuple[str, str, str], str] = field(default_factory=dict)
    counts: Mapping[tuple[str, str, str, str], str] = field(default_factory=dict)
    without: frozenset[tuple[str, str]] = frozenset()


@dataclass
class Layout:
    """Steps and rows as they are collected. `instead` names the stage that serves when a step cannot be done."""

    crm: CRM
    schema: Schema
    strategy: str
    known: Known
    steps: list[Step] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    instead: dict[int, str] = field(default_factory=dict)

    def add(self, direction_id: str, name: str, wishes: Sequence[Wish], chosen: str) -> None:
        """The stages of one direction. `chosen` is the pipeline an admin wants divided (or used for deals)."""
        LAYOUTS[self.strategy](self, direction_id, name, wishes, chosen)

    def pipeline(self, direction_id: str, name: str, wishes: Sequence[Wish], have: Pipeline | None) -> None:
        """One pipeline with these stages."""
        if have is None:
            first = next(({"name": self.name(w), "colour": self.colour(w)} for w in wishes if not w.final), None)
            self.steps.append(Step("pipeline", "create", {"name": name, **({"first": first} if first else {})}))
            ref = f"{NEW}{len(self.steps) - 1}"
        else:
            ref = have.ref
        _Stages(self, direction_id, have, ref, dict(self.crm.facts.finals)).place(wishes)

    def name(self, wish: Wish) -> str:
        """A stage's name; where no colour can show the border, a letter does."""
        mixed = self.crm.facts.colours == "none" and self.strategy in ("two_blocks", "flag")
        return f"{wish.block[0].upper()} · {wish.name}" if mixed else wish.name

    def colour(self, wish: Wish) -> str:
        """A stage's colour, "" where its kind of record has none."""
        kind = self.crm.lead_kind if self.strategy == "native" and wish.block == "lead" else self.crm.deal_kind
        return colour(self.crm, wish.colour) if kind in (self.crm.facts.coloured or (kind,)) else ""

    def find(self, direction_id: str, block: str, chosen: str, name: str, kind: str = "") -> Pipeline | None:
        """The pipeline an admin chose, the one of the last set-up, or one of our name."""
        mine = [one for one in self.schema.pipelines if not kind or one.kind in (kind, "")]
        for wanted in (chosen, self.known.pipelines.get((block, direction_id))):
            found = next((one for one in mine if wanted is not None and one.ref == wanted), None) if wanted else None
            if found is not None:
                return found
        return next((one for one in mine if one.name == name), None) or self._present(mine)

    def _present(self, mine: Sequence[Pipeline]) -> Pipeline | None:
        """The one that is there, where programs make none; two that lie apart have to be made by people."""
        if self.crm.facts.makes_pipelines:
            return None
        if self.strategy == "two_pipelines" or not mine:
            raise Unsupported(
                f"{self.crm.title} lets only people make pipelines: make those of leads and of deals there"
            )
        return next((one for one in mine if one.main), mine[0])


@dataclass
class _Stages:
    """Stages of one pipeline being matched and made."""

    layout: Layout
    direction_id: str
    have: Pipeline | None
    ref: str
    finals: dict[str, str]
    position: int = 0

    def place(self, wishes: Sequence[Wish]) -> None:
        if self.have is not None:
            self.finals = {s.final: s.ref for s in reversed(self.have.stages) if s.final}  # the first of several
        taken = {ref for wish in wishes if (ref := self._place(wish, wishes))}
        self._leftovers(wishes, taken)

    def _place(self, wish: Wish, wishes: Sequence[Wish]) -> str:
        if closing := self._closes(wish):
            return self._row(wish, closing)
        self.position += 10
        found = self._found(wish)
        if found is not None:
            self._recolour(found, wish)
            return self._row(wish, found.ref)
        layout, name = self.layout, self.layout.name(wish)
        if ("stage", name) in layout.known.without or self._is_closed():
            return self._row(wish, self._nearest(wish, wishes))
        values = {"name": name, "colour": layout.colour(wish), "position": self.position}
        final = {"final": wish.closing} if wish.closing else {}
        layout.steps.append(Step("stage", "create", {**values, **final}, under=self.ref))
        number = len(layout.steps) - 1
        layout.instead[number] = self._nearest(wish, wishes)
        if wish.closing:  # one closing stage serves both blocks
            self.finals[wish.closing] = f"{NEW}{number}"
        return self._row(wish, f"{NEW}{number}")

    def _closes(self, wish: Wish) -> str:
        """The stage of theirs that closes like this one: that of the last set-up, else the first; "" for none."""
        return self._kept(wish) or self.finals[wish.closing] if wish.closing and wish.closing in self.finals else ""

    def _kept(self, wish: Wish) -> str:
        """The id of the last set-up, if that stage is still there."""
        kept = self.layout.known.stages.get((wish.block, self.direction_id, wish.key), "")
        return kept if self.have and any(stage.ref == kept for stage in self.have.stages) else ""

    def _row(self, wish: Wish, ref: str) -> str:
        self.layout.rows.append((wish.block, self.direction_id, wish.key, self.ref, ref))
        return ref

    def _found(self, wish: Wish) -> Stage | None:
        """By the id of the last set-up (people rename stages), or by name."""
        if self.have is None:
            return None
        kept = self._kept(wish)
        name = self.layout.name(wish).casefold()
        free = [stage for stage in self.have.stages if not stage.final]
        by_ref = next((stage for stage in free if stage.ref == kept), None)
        return by_ref or next((stage for stage in free if stage.name.casefold() == name), None)

    def _recolour(self, found: Stage, wish: Wish) -> None:
        wanted = self.layout.colour(wish)
        if wanted and found.colour and wanted != found.colour and not found.fixed:
            before = {"name": found.name, "colour": found.colour, "position": found.position}
            self.layout.steps.append(Step("stage", "change", {"colour": wanted}, found.ref, self.ref, before))

    def _nearest(self, wish: Wish, wishes: Sequence[Wish]) -> str:
        """The stage of theirs at about the same place, "" when there is none."""
        free = self._share(wish.block, [one for one in wishes if not one.final])
        if wish.closing or not free:
            return free[-1].ref if free else ""
        mine = [one for one in wishes if not one.final and one.block == wish.block]
        return free[mine.index(wish) * len(free) // len(mine)].ref

    def _share(self, block: str, wishes: Sequence[Wish]) -> list[Stage]:
        """The stages of theirs for this block. Where two blocks share a pipeline no stage stands for both: what
        people drag over the border is a deal."""
        free, leads = self._free(), sum(one.block == "lead" for one in wishes)
        if len(free) < 2 or leads in (0, len(wishes)) or self.layout.strategy == "flag":
            return free
        border = max(1, len(free) * leads // len(wishes))
        return free[:border] if block == "lead" else free[border:]

    def _free(self) -> list[Stage]:
        open_ = [stage for stage in (self.have.stages if self.have is not None else ()) if not stage.final]
        return [stage for stage in open_ if not stage.fixed] or open_

    def _is_closed(self) -> bool:
        """Whether all open stages are the CRM's own: then no program makes more of them."""
        open_ = [stage for stage in (self.have.stages if self.have is not None else ()) if not stage.final]
        return bool(open_) and all(stage.fixed for stage in open_)

    def _leftovers(self, wishes: Sequence[Wish], taken: set[str]) -> None:
        """People's own stages count as the nearest of ours in the last block of this pipeline, and each that closes
        like one of ours as that one."""
        for stage in self.have.stages if self.have is not None else ():
            for wish in wishes:
                if stage.final and stage.final == wish.closing and stage.ref not in taken:
                    self._row(wish, stage.ref)
        rest = [stage for stage in self._free() if stage.ref not in taken]
        mine = [one for one in wishes if not one.final and one.block == wishes[-1].block]
        for number, stage in enumerate(rest):
            if mine:
                usual = mine[min(len(mine) - 1, number * len(mine) // len(rest))]
                self._row(self._like(stage, mine) or usual, stage.ref)

    def _like(self, stage: Stage, mine: Sequence[Wish]) -> Wish | None:
        """The stage of ours as which this one counted before, else the one just before it, or after it."""
        block, pipeline = mine[0].block, self.ref
        ours = {one.key: one for one in mine}
        before = self.layout.known.counts.get((block, self.direction_id, pipeline, stage.ref), "")
        if before in ours:
            return ours[before]
        place = (block, self.direction_id, pipeline)
        stands = {row[4]: row[2] for row in self.layout.rows if (row[0], row[1], row[3]) == place and row[2] in ours}
        stages = self.have.stages if self.have is not None else ()
        order = [one.ref for one in sorted(stages, key=lambda one: one.position)]
        at = order.index(stage.ref)
        near = (stands[ref] for ref in (*reversed(order[:at]), *order[at:]) if ref in stands)
        return ours.get(next(near, ""))


# ── strategies ───────────────────────────────────────────────────────────────────────────────────


def _one_pipeline(layout: Layout, direction_id: str, name: str, wishes: Sequence[Wish], chosen: str) -> None:
    own = f"{name} · leads and deals"
    layout.pipeline(direction_id, own, wishes, layout.find(direction_id, "deal", chosen, own, layout.crm.deal_kind))


def _two_pipelines(layout: Layout, direction_id: str, name: str, wishes: Sequence[Wish], chosen: str) -> None:
    for block, part, wanted in (("lead", "leads", ""), ("deal", "deals", chosen)):
        own = f"{name} · {part}"
        have = layout.find(direction_id, block, wanted, own, layout.crm.deal_kind)
        layout.pipeline(direction_id, own, [w for w in wishes if w.block == block], have)


def _native(layout: Layout, direction_id: str, name: str, wishes: Sequence[Wish], chosen: str) -> None:
    """Leads and deals stand where the CRM has them: in a pipeline of the direction's name, else in the main one."""
    for block, kind, wanted in (("lead", layout.crm.lead_kind, ""), ("deal", layout.crm.deal_kind, chosen)):
        mine = [one for one in layout.schema.pipelines if (one.kind or layout.crm.deal_kind) == kind]
        main = next((one for one in mine if one.main), mine[0] if mine else None)
        have = next((one for one in mine if one.ref == wanted and wanted), None) or layout.find(
            direction_id, block, "", name, kind
        )
        have = have if have in mine else main
        if have is not None:
            layout.pipeline(direction_id, name, [w for w in wishes if w.block == block], have)
        elif block == "deal":
            layout.pipeline(direction_id, f"{name} · deals", [w for w in wishes if w.block == block], None)


def _held(layout: Layout, direction_id: str, name: str, wishes: Sequence[Wish], chosen: str) -> None:
    own = f"{name} · deals"
    have = layout.find(direction_id, "deal", chosen, own, layout.crm.deal_kind)
    layout.pipeline(direction_id, own, [w for w in wishes if w.block == "deal"], have)


LAYOUTS: Mapping[str, Callable[[Layout, str, str, Sequence[Wish], str], None]] = {
    "two_blocks": _one_pipeline,
    "flag": _one_pipeline,
    "two_pipelines": _two_pipelines,
    "native": _native,
    "held": _held,
}


# ── colours ──────────────────────────────────────────────────────────────────────────────────────


def colour(crm: CRM, wish: str) -> str:
    """The exact colour, that of the vendor's palette which reads like it, or "" where it has none."""
    facts = crm.facts
    if facts.colours == "none" or not wish:
        return ""
    if facts.colours == "any" or wish in facts.palette:
        return wish
    return min(facts.palette, key=lambda have: _unlike(have, wish))


def _unlike(one: str, other: str) -> float:
    """How differently two colours read: the hue counts first, and grey is like grey only. Distance in RGB would take a
    pale blue for grey."""
    (hue, light, grey), (hue2, light2, grey2) = _seen(one), _seen(other)
    turn = min(abs(hue - hue2), 1 - abs(hue - hue2))
    return (grey != grey2) * 10 + (0 if grey else 4 * turn**2) + (light - light2) ** 2


def _seen(text: str) -> tuple[float, float, bool]:
    """Hue and lightness from 0 to 1, and whether the colour has no hue to speak of."""
    rgb = bytes.fromhex(text.removeprefix("#"))
    hue, light, _ = colorsys.rgb_to_hls(*(part / 255 for part in rgb))
    return hue, light, max(rgb) - min(rgb) < 24


def known(config: Mapping[str, Any], strategy: str) -> Known:
    """What a connection's config remembers of its last set-up, if that had the same strategy."""
    kept = config.get("placement") or {"strategy": "", "rows": []}
    rows = kept["rows"] if kept["strategy"] == strategy else []
    pipelines: dict[tuple[str, str], str] = {}
    stages: dict[tuple[str, str, str], str] = {}
    counts: dict[tuple[str, str, str, str], str] = {}
    for block, direction, key, pipeline, ref in rows:
        pipelines.setdefault((block, direction), pipeline)
        stages.setdefault((block, direction, key), ref)
        counts.setdefault((block, direction, pipeline, ref), key)
    without = frozenset((str(what), str(name)) for what, name in config.get("without", ()))
    return Known(pipelines, stages, counts, without)
