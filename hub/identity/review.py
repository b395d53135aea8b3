"""Pairs that may be one person: what waits for an answer, and what an answer does.

`same` merges the two, `different` keeps them apart for everybody and for ever, `never` says besides that their common
identifiers are used by several people: from then on those join nobody by themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, func, select, update

from hub.identity.estimate import Answered
from hub.identity.facts import Facts
from hub.identity.judge import Candidate, Verdict, judge
from hub.identity.merging import CannotMerge, Merge, merge, pair_of, profile_of, write_profile
from hub.identity.register import tokens
from hub.identity.rules import VERSION
from hub.identity.sentences import guard_fact, piece_fact, score_fact
from hub.identity.stored import read_rules_of_identity
from hub.identity.weigh import World
from hub.model import inquiry, merge_log, not_same, review, shared_key, term
from hub.store.engine import inserting

ANSWERS = ("same", "different", "never")
KINDS = {"p": "phone", "m": "email", "v": "visitor"}


def waiting(conn: Connection, limit: int = 50) -> Sequence[Any]:
    """Open questions, the most likely first."""
    query = select(review).where(review.c.state == "open").order_by(review.c.score.desc(), review.c.at)
    return list(conn.execute(query.limit(limit)))


def how_many(conn: Connection) -> int:
    """How many questions wait."""
    return int(conn.execute(select(func.count()).select_from(review).where(review.c.state == "open")).scalar() or 0)


def answer(conn: Connection, review_id: str, said: str, actor: str, merge_id: str, at: int) -> None:
    """Act on an answer. Raises `CannotMerge` when there is no such question or the two cannot be merged."""
    row = conn.execute(select(review).where(review.c.id == review_id, review.c.state == "open")).one_or_none()
    if row is None or said not in ANSWERS:
        raise CannotMerge(f"There is no open question {review_id}, or {said!r} is no answer: {', '.join(ANSWERS)}")
    told = {"state": said, "answered_by": actor, "answered_at": at}
    conn.execute(update(review).where(review.c.id == review_id).values(told))
    if said == "same":
        join(conn, Merge(merge_id, row.first_id, row.second_id, at, actor, row.why))
        return
    apart(conn, row.first_id, row.second_id, actor, at)
    if said == "never":
        share(conn, _common(profile_of(conn, row.first_id), profile_of(conn, row.second_id)), actor, at)


def join(conn: Connection, one: Merge) -> str:
    """Merge two contacts with their profiles; answers the id of the merge."""
    ours, theirs = profile_of(conn, one.winner), profile_of(conn, one.loser)
    merge_id = merge(conn, one)
    write_profile(conn, one.loser, Facts(), living=False)
    ours.absorb(theirs)
    write_profile(conn, one.winner, ours)
    return merge_id


def apart(conn: Connection, a: str, b: str, actor: str, at: int) -> None:
    """Two people: nothing joins them from now on."""
    first, second = pair_of(a, b)
    row = {"first_id": first, "second_id": second, "by": actor, "at": at}
    conn.execute(inserting(conn, not_same).values(row).on_conflict_do_nothing())


def share(conn: Connection, places: Sequence[str], actor: str, at: int) -> None:
    """These identifiers belong to several people."""
    rows = [
        {"kind": KINDS.get(kind, kind), "value": value, "why": f"said by {actor}", "since": at}
        for kind, _, value in (place.partition(":") for place in places)
    ]
    if rows:
        conn.execute(inserting(conn, shared_key).on_conflict_do_nothing(), rows)


def _common(ours: Facts, theirs: Facts) -> list[str]:
    return [place for place in ours.ids if place in theirs.ids]


def answered(conn: Connection) -> list[Answered]:
    """The pairs somebody decided on, with the evidence as it stood; a merge that was taken back says "different"."""
    said = select(review).where(review.c.state.in_(ANSWERS), review.c.rules == VERSION).order_by(review.c.id)
    told_apart = {(row.first_id, row.second_id) for row in conn.execute(select(not_same))}
    return [
        Answered(
            {fact["result"]: float(fact["bits"]) for fact in row.why if fact.get("bits") and fact["result"] != "score"},
            row.score,
            row.state == "same" and (row.first_id, row.second_id) not in told_apart,
        )
        for row in conn.execute(said)
    ]


# ── explaining ───────────────────────────────────────────────────────────────────────────────────


def explain(conn: Connection, a: str, b: str) -> list[dict[str, str]]:
    """Why two contacts are one or two, and what would have to differ. Raises `CannotMerge` for an unknown one."""
    ours, theirs = profile_of(conn, a), profile_of(conn, b)
    rules = read_rules_of_identity(conn)
    verdict: Verdict = judge(ours, {1: theirs}, _world(conn, ours, theirs), rules)
    one: Candidate = verdict.candidates[0]
    told = [piece_fact(piece) for piece in sorted(one.weighed.pieces, key=lambda piece: -abs(piece.bits))]
    told.append(score_fact(one.weighed.score))
    first, second = pair_of(a, b)
    said = select(not_same).where(not_same.c.first_id == first, not_same.c.second_id == second)
    if conn.execute(said).first() is not None:
        told.append({"result": "told_apart", "en": "Somebody said: two people", "ru": "Сказано: это два человека"})
    return told if one.joins else [*told, guard_fact(one, b)]


def history(conn: Connection, contact_id: str) -> list[tuple[int, list[Any]]]:
    """How a contact was recognised, inquiry by inquiry (instant, facts), and the merges it took part in."""
    mine = select(inquiry.c.received_at, inquiry.c.why).where(inquiry.c.contact_id == contact_id)
    told = [(row.received_at, [fact for fact in row.why if isinstance(fact, dict)]) for row in conn.execute(mine)]
    took_part = (merge_log.c.winner_id == contact_id) | (merge_log.c.loser_id == contact_id)
    for row in conn.execute(select(merge_log).where(took_part)):
        told.append((row.at, [{"en": f"Merge {row.id}", "ru": f"Слияние {row.id}"}, *row.why]))
    return sorted(told, key=lambda one: one[0])


def _world(conn: Connection, ours: Facts, theirs: Facts) -> World:
    wanted = sorted({*tokens([ours, theirs]), "#"})
    counted = {row.token: row.n for row in conn.execute(select(term).where(term.c.token.in_(wanted)))}
    values = [place.partition(":")[2] for place in _common(ours, theirs)]
    marked = {
        f"{next((k for k, v in KINDS.items() if v == row.kind), row.kind)}:{row.value}"
        for row in conn.execute(select(shared_key).where(shared_key.c.value.in_(values)))
    }
    return World(counted.pop("#", 0), counted, {}, frozenset(marked))
