"""What the hub asks of an outside system, and the words both sides use.

A `Source` brings inquiries in and answers at most six questions. A `CRM` is a batch-first two-way
store of records. A `Carrier` takes letters out. All get their settings and secrets when they are made and hold
no other state; none knows the hub's tables. Everything that crosses the border is a frozen value from this file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Protocol

from connectors.errors import Unsupported, Unverified

Value = Any
"""A JSON value: None, bool, int, float, str, list or dict of these."""


class Evidence(StrEnum):
    """How we know that a connector works. We never claim more than a test shows."""

    REAL = "real"  # passes against the running system
    RECORDED = "recorded"  # passes on captured messages
    DOCUMENTED = "documented"  # written from the vendor's documentation


@dataclass(frozen=True, slots=True)
class Setting:
    """One line of a connection form. Secrets are stored encrypted and never shown again."""

    name: str
    label: str
    secret: bool = False
    required: bool = False
    default: str = ""
    help: str = ""


# ── messages that come in ────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Raw:
    """One message exactly as it came: the bytes, and header names in lower case.

    `received_at` is an aware UTC instant; a signature's age is judged against it, so that
    checking and reading a message needs no clock.
    """

    body: bytes
    received_at: datetime
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "POST"
    path: str = ""
    query: str = ""

    def header(self, name: str) -> str:
        """Value of a header, "" when absent."""
        return self.headers.get(name.lower(), "")


@dataclass(frozen=True, slots=True)
class Reply:
    """What we send back on the wire."""

    body: bytes = b""
    status: int = 200
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class Handle:
    """An account in a messenger or network, by its lasting id. User names get reused: only shown.

    `kind` is the network ("telegram", "vk", "visitor" for a browser id of our own form).
    `attested` says that the provider, not the sender's typing, vouches for it.
    """

    kind: str
    id: str
    username: str = ""
    attested: bool = False


@dataclass(frozen=True, slots=True)
class Person:
    """Who wrote, as they wrote it. Nothing is normalised here."""

    name: str = ""
    first_name: str = ""
    last_name: str = ""
    middle_name: str = ""
    phones: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    handles: tuple[Handle, ...] = ()
    company: str = ""
    position: str = ""
    language: str = ""
    attested_phones: tuple[str, ...] = ()  # subset of phones a provider vouches for


@dataclass(frozen=True, slots=True)
class Touch:
    """Where the person came from. `utm` keys are without prefix (source, medium, campaign, term, content);
    `click_ids` are keyed by parameter name (gclid, yclid, fbclid ...)."""

    page: str = ""
    referrer: str = ""
    utm: Mapping[str, str] = field(default_factory=dict)
    click_ids: Mapping[str, str] = field(default_factory=dict)
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Consent:
    """What was agreed to, in the words that were shown."""

    given: bool
    text: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True)
class File:
    """A file that came with an inquiry. The bytes stay in the raw message; `skipped` says why when they do not."""

    name: str
    content_type: str = ""
    size: int = 0
    skipped: str = ""


class DraftKind(StrEnum):
    """What one draft is to the desk."""

    INQUIRY = "inquiry"  # a moment of contact: opens a lead or joins one
    NOTE = "note"  # belongs to the timeline of its thread only (an edited message, a service event)
    QUARANTINE = "quarantine"  # kept and visible, no lead (auto-reply, bounce, honeypot)
    TEST = "test"  # the sender's own test: flagged, no lead


@dataclass(frozen=True, slots=True)
class Draft:
    """What a connector understood of one inquiry.

    `key` is the sender's id of the inquiry: the same key again amends, never doubles. None when the
    sender has no ids; then the hub uses a digest of the body within a window.
    `thread` lists conversation ids, own id first (a chat id, Message-ID and References of a mail):
    an inquiry that shares one with an earlier one continues it.
    `fields` holds everything not understood, under the sender's own names: nothing is dropped.
    `why` is the reason of a quarantine in one sentence. `ours` marks a note of what one of us did, as evidence of
    work: "message", "mail" or "call"; its `person` is then the client, as far as the channel names one.
    """

    key: str | None = None
    kind: DraftKind = DraftKind.INQUIRY
    person: Person = Person()
    subject: str = ""
    text: str = ""
    form: str = ""
    occurred_at: datetime | None = None
    first_touch: Touch | None = None
    touch: Touch = Touch()
    thread: tuple[str, ...] = ()
    consent: Consent | None = None
    files: tuple[File, ...] = ()
    fields: Mapping[str, Value] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    why: str = ""
    ours: str = ""


@dataclass(frozen=True, slots=True)
class Polled:
    """One step of a pull channel: messages oldest first, and the cursor that is saved with them in one commit."""

    messages: tuple[Raw, ...]
    cursor: str
    more: bool = False


class Source:
    """A channel. The plain case is class attributes and `parse`.

    Made anew with `settings` and `secrets` of one connection (names as in `form`), and `http` when it
    has to call somebody. Reading is pure: the same raw message always gives the same drafts.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    evidence: ClassVar[Evidence]
    source: ClassVar[str] = ""  # link to the vendor documentation it was written from
    push: ClassVar[bool] = True  # receives at /in/<token>
    pull: ClassVar[bool] = False  # has poll()
    form: ClassVar[tuple[Setting, ...]] = ()
    browser: ClassVar[bool] = False  # posted by browsers on foreign sites: CORS, 303 after a plain form
    unsigned: ClassVar[bool] = False  # vendor signs nothing: the unguessable address is the only proof
    carries: ClassVar[str] = ""  # channel of the letters it can also take out; then it keeps `Carrying`

    def __init__(self, settings: Mapping[str, str], secrets: Mapping[str, str], http: Http | None = None) -> None:
        self.settings = settings
        self.secrets = secrets
        self.http = http

    def verify(self, raw: Raw) -> None:
        """Raise `Unverified` unless this is really them. Over raw bytes, in constant time; no secret set = refused.

        A source that declares `unsigned` accepts what comes to its unguessable address.
        """
        if not self.unsigned:
            raise Unverified(f"{self.title}: this connector has no check of its sender yet")

    def reply(self, raw: Raw) -> Reply | None:
        """Answer to a handshake or a ping, which is not stored; None for everything else."""
        return None

    def accepted(self, raw: Raw, receipt: str) -> Reply:
        """What the sender wants to hear once its message is durable."""
        return Reply(b'{"receipt":"' + receipt.encode() + b'"}')

    def refuse(self, raw: Raw) -> str:
        """Why an anonymous message is not worth keeping (a code such as "truncated_json"), else "".

        Asked only of unsigned sources, where a broken body is a bot's and not a customer's.
        """
        return ""

    def delivery(self, raw: Raw) -> str | None:
        """The sender's id of this delivery, the same when it sends again; None if it has none.

        Must be cheap; what it raises is taken for None.
        """
        return None

    def resolve(self, raw: Raw) -> Raw:
        """Fetch what a thin notification points at (runs in a worker, may raise Retry/Pause)."""
        return raw

    def parse(self, raw: Raw) -> Sequence[Draft]:
        """The inquiries in this message. Empty: a known event without one. `Unreadable`: not understood."""
        raise NotImplementedError

    def poll(self, cursor: str) -> Polled:
        """Next messages after `cursor` ("" at first)."""
        raise Unsupported(f"{self.title} has nothing to poll")

    def asks(self) -> bool:
        """Whether this connection has to be polled (a bot with a webhook has not)."""
        return self.pull

    def wait(self, cursor: str, seconds: float) -> bool:
        """Block until there may be something new (IMAP IDLE) or `seconds` are over; False where it cannot wait."""
        return False

    def invite(self, code: str) -> str:
        """A web address that opens a conversation with us by saying `code` (64 of A-Z a-z 0-9 _ - at the most)."""
        raise Unsupported(f"{self.title} has no address to begin a conversation with")

    def backfill(self, since: datetime) -> Sequence[Raw]:
        """What we may have missed since, from the sender's own store."""
        raise Unsupported(f"{self.title} keeps nothing we could ask for again")

    def check(self) -> str:
        """Try the settings; return a sentence that names the account. Raises what went wrong."""
        return f"{self.title}: nothing to check before the first message"


def digest(*parts: bytes | str) -> str:
    """Short stable fingerprint of a message, for senders without ids (128 bits, hex)."""
    h = hashlib.blake2b(digest_size=16)
    for part in parts:
        h.update(part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part)
        h.update(b"\x00")
    return h.hexdigest()


# ── records of a CRM ─────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Record:
    """One record as the CRM shows it, under the CRM's own field names.

    `kind` is the CRM's own word ("leads", "contacts"); `ref` its id as text. `version` is an etag or
    change stamp, opaque to us. `links` are references to other records: kind → refs.
    """

    kind: str
    ref: str
    values: Mapping[str, Value]
    version: str = ""
    updated_at: datetime | None = None
    deleted: bool = False
    merged_into: str = ""
    links: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Activity:
    """What somebody did, said or shall do about a record, in words that all CRMs share.

    `what` is note, task, call, message, mail or meeting; `at` when it happened, of a task until when. `by` is the ref
    of the user who did it or shall do it. `way` is out (from us) or in (from the client); `answered` says that one
    spoke, `open` that nobody has done it yet.
    """

    what: str
    text: str = ""
    at: datetime | None = None
    by: str = ""
    way: str = "out"
    answered: bool = False
    open: bool = False


@dataclass(frozen=True, slots=True)
class Op:
    """One wished change. `ref` None creates, and then `marker` is the hub's id that the record must carry.

    `values` are exactly the differing fields of an update, in the CRM's names. `includes` are records
    to create in the same call where the vendor has a compound call; `links` as in Record.
    """

    kind: str
    values: Mapping[str, Value]
    ref: str | None = None
    marker: str = ""
    version: str = ""
    links: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    includes: tuple[Op, ...] = ()


@dataclass(frozen=True, slots=True)
class Done:
    """Certain success. `record.values` are what the CRM now holds, or what we sent if it does not say
    (then `echoed` is False and the hub reads back)."""

    record: Record
    includes: tuple[Record, ...] = ()
    echoed: bool = False


@dataclass(frozen=True, slots=True)
class Failed:
    """Certain failure: nothing changed over there."""

    error: Exception


@dataclass(frozen=True, slots=True)
class Lost:
    """Unknown outcome: the answer never came. Look the marker up before writing again."""

    reason: str


Outcome = Done | Failed | Lost


@dataclass(frozen=True, slots=True)
class Changes:
    """A page of changed records, oldest first; repeats allowed, gaps not. `cursor` resumes the scan; `at` is what the
    CRM's clock said with this page, None where it does not say."""

    records: tuple[Record, ...]
    cursor: str
    more: bool = False
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Hint:
    """A hook said that this record may have changed: look again."""

    kind: str
    ref: str


@dataclass(frozen=True, slots=True)
class Account:
    """Whom we are connected to. `fingerprint` never changes for one account and differs between two."""

    name: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a CRM: `type` in text, number, bool, date, datetime, money, select, multi, phone, email, user."""

    name: str
    type: str
    label: str = ""
    options: tuple[tuple[str, str], ...] = ()  # (id, label)
    required: bool = False
    read_only: bool = False
    max_length: int | None = None


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of a pipeline. `final` is "", "won" or "lost"; `colour` is #rrggbb or ""."""

    ref: str
    name: str
    position: int = 0
    colour: str = ""
    final: str = ""
    fixed: bool = False  # belongs to the CRM itself: cannot be renamed, coloured or removed


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A funnel of the CRM with its stages in order. `kind` is the record kind that walks through it, "" for deals.

    A CRM whose leads have statuses but no pipelines shows them as one pipeline with the ref "".
    """

    ref: str
    name: str
    stages: tuple[Stage, ...] = ()
    main: bool = False
    kind: str = ""


@dataclass(frozen=True, slots=True)
class User:
    """A person of the CRM who can own records."""

    ref: str
    name: str
    email: str = ""
    active: bool = True


@dataclass(frozen=True, slots=True)
class Schema:
    """What the account looks like now. `fields` are keyed by record kind."""

    fields: Mapping[str, tuple[Field, ...]] = field(default_factory=dict)
    pipelines: tuple[Pipeline, ...] = ()
    users: tuple[User, ...] = ()
    hooks: tuple[str, ...] = ()
    features: Mapping[str, bool] = field(default_factory=dict)  # switches of the account, and whether they are on


@dataclass(frozen=True, slots=True)
class Step:
    """One wished change of the account's set-up, idempotent and invertible.

    `what` in pipeline, stage, field, hook, feature; `action` in create, change, remove. `ref` names the existing
    thing (for change and remove), `under` the pipeline of a stage or the record kind of a field.
    `values` are name, colour, position, type, code, options, address; `before` what they were.
    """

    what: str
    action: str
    values: Mapping[str, Value]
    ref: str = ""
    under: str = ""
    before: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Facts:
    """What a CRM declares about itself. The defaults are the pessimistic values.

    Seconds for `lag` (search index) and `precision` (of change stamps); `batch` and `compound` are
    records per call for updates and for creates with parts; `budget` is (calls, seconds).
    """

    kinds: tuple[str, ...] = ()
    batch: int = 1
    compound: int = 0
    budget: tuple[int, float] = (1, 1.0)
    lag: float = 60.0
    precision: float = 1.0
    late: float | None = None  # seconds until a change is seen that bears an earlier time; None: as long as `lag`
    longest_request: float = 60.0
    conditional_write: bool = False
    marker_field: str = ""
    marker_lookup: str = "search"  # "strong" when a marker is found the moment it was written
    deleted_list: bool = False
    delete: bool = False
    merge: bool = False
    colours: str = "none"  # none | palette | any
    palette: tuple[str, ...] = ()
    coloured: tuple[str, ...] = ()  # kinds whose stages have colours, () for all
    strategies: tuple[str, ...] = ("two_blocks", "two_pipelines", "held")  # placements it can carry, the best first
    flag: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)  # strategy "flag": block → values that say so
    features: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # strategy → features it needs switched on
    upsert: bool = False  # a create with a marker that is there already answers that record, and makes no second
    room: Mapping[str, Mapping[str, int]] = field(default_factory=dict)  # kind → lists that hold so many members only
    finals: Mapping[str, str] = field(default_factory=dict)  # closing stages that every pipeline has: won, lost → ref
    hanging: bool = False  # `find` lists the notes and tasks that hang on a record
    hooks_signed: bool = False
    hooks_end: bool = False  # hooks end after some days: asked for again, under the same address, they go on
    makes_pipelines: bool = True  # False: there are those there are, or people make them in the CRM's own settings
    makes_fields: bool = True  # False: its records have the fields they have
    poll_every: float = 30.0  # seconds between two looks at what changed; more where calls are counted by the day


class CRM:
    """A CRM account, batch first. Values are in the CRM's own names; the mapping translates.

    Only `facts`, `check`, `describe`, `changes`, `get`, `find` and `write` are asked of every CRM.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    evidence: ClassVar[Evidence]
    source: ClassVar[str] = ""
    form: ClassVar[tuple[Setting, ...]] = ()
    facts: ClassVar[Facts]
    lead_kind: ClassVar[str] = ""  # kind of the record that carries leads and deals where there is one object
    deal_kind: ClassVar[str] = ""
    contact_kind: ClassVar[str] = ""
    company_kind: ClassVar[str] = ""
    company_on: ClassVar[tuple[str, ...]] = ()  # kinds of cards that name a company beside their contact
    note_kind: ClassVar[str] = ""  # kinds of what hangs on a record: written with `links` to it
    task_kind: ClassVar[str] = ""
    activity_kinds: ClassVar[tuple[str, ...]] = ()  # kinds in which `changes` lists what people did
    pipeline_field: ClassVar[str] = ""  # names in Record.values
    stage_field: ClassVar[str] = ""
    owner_field: ClassVar[str] = ""

    def __init__(self, settings: Mapping[str, str], secrets: Mapping[str, str], http: Http) -> None:
        self.settings = settings
        self.secrets = secrets
        self.http = http

    def place_fields(self, kind: str) -> tuple[str, str]:
        """Names of the pipeline and of the stage in a record's values; the first is "" where there are no pipelines."""
        return self.pipeline_field, self.stage_field

    def check(self) -> Account:
        """Who we are connected to; raises Pause with the reason when we are not."""
        raise NotImplementedError

    def describe(self) -> Schema:
        """Pipelines, stages, fields and users as they are now."""
        raise NotImplementedError

    def changes(self, kind: str, cursor: str) -> Changes:
        """Records of `kind` changed since `cursor` ("" = from the beginning), oldest first.

        A cursor is a watermark: it only passes what must be visible already (scan start − lag − precision). Of
        `activity_kinds` "" lists nothing and answers the cursor of this moment: what was done before is history.
        """
        raise NotImplementedError

    def activity(self, record: Record) -> Activity | None:
        """What a record of `note_kind`, `task_kind` or `activity_kinds` says; its `links` name what it hangs on. None
        for what no person did (a robot's line, a change of a field)."""
        return None

    def worded(self, activity: Activity) -> Mapping[str, Value]:
        """The values of a note or a task of ours, in the CRM's names. Asked where there is a `note_kind`."""
        raise Unsupported(f"{self.title}: notes are not written there")

    def get(self, kind: str, refs: Sequence[str]) -> Sequence[Record | None]:
        """The records by id, strongest read there is, in the order asked; None where positively absent."""
        raise NotImplementedError

    def find(self, kind: str, keys: Mapping[str, str]) -> Sequence[Record]:
        """Records that carry one of the keys ("marker", "phone", "email"); checked, not just searched.

        Of `note_kind` and `task_kind` a key is the kind of a record: what hangs on the record with that ref, newest
        first as far as there are many (where `facts.hanging`).
        """
        raise NotImplementedError

    def write(self, ops: Sequence[Op]) -> Sequence[Outcome]:
        """Create and update in the largest batches the vendor has; one outcome per op, in order.

        Where leads are records of their own, a create of the deal kind whose `links` name a lead is a conversion:
        the vendor's own where it has one, else the deal is made and the lead closed as converted. A converted lead
        reads with `links[deal_kind]`, whoever converted it.
        """
        raise NotImplementedError

    def delete(self, kind: str, refs: Sequence[str]) -> None:
        """Move records to the CRM's bin."""
        raise Unsupported(f"{self.title} offers no deletion to programs")

    def merge(self, kind: str, into: str, ref: str) -> None:
        """Merge `ref` into `into`."""
        raise Unsupported(f"{self.title} offers no merging to programs")

    def provision(self, steps: Sequence[Step]) -> Sequence[str]:
        """Carry the steps out, in order; answers the ref of what each made or changed."""
        raise Unsupported(f"{self.title}: stages and fields cannot be set up by programs")

    def verify(self, raw: Raw) -> None:
        """Raise `Unverified` unless a hook is really theirs, as far as that shows without a call. Asked at the door,
        where every header is there still; a vendor that proves nothing has an unguessable address."""

    def touched(self, raw: Raw) -> Sequence[Hint]:
        """Which records a hook talks about, headers that were not stored missing. Never trusted beyond that."""
        return ()


# ── letters that go out ──────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Letter:
    """What a carrier is given: our id, the same for every try, the channel, and the body. `at` is the moment of this
    try, an aware UTC instant.

    Bodies hold `to`, and by channel: email `subject`, `text` · sms `text` · messenger `text`, `buttons` (rows of
    [label, data]), or `answer` and `edit` for what follows a pressed button · webhook what is told · audience
    `email`, `phone` as SHA-256 in hex.
    """

    id: str
    channel: str
    body: Mapping[str, Any]
    at: datetime


class Carrying(Protocol):
    """Any connector that takes letters of a channel to their readers."""

    carries: ClassVar[str]

    def send(self, letter: Letter) -> str:
        """The provider's id of it. Raises `Retry(effect=False)` when it certainly was not sent, `Retry(effect=True)`
        when nobody knows, `Pause` when no letter can leave before a person acts, and any other error when this one
        never will."""

    def find(self, letter: Letter) -> str | None:
        """The provider's id of a letter that may have been sent; "" when it certainly was not or may be sent again
        without harm, None when there is no way to know."""


class Carrier:
    """A way out for letters, and for nothing else. A source that can also answer carries letters itself."""

    name: ClassVar[str]
    title: ClassVar[str]
    evidence: ClassVar[Evidence]
    source: ClassVar[str] = ""
    carries: ClassVar[str]  # email | sms | messenger | webhook | audience
    form: ClassVar[tuple[Setting, ...]] = ()

    def __init__(self, settings: Mapping[str, str], secrets: Mapping[str, str], http: Http | None = None) -> None:
        self.settings = settings
        self.secrets = secrets
        self.http = http

    def send(self, letter: Letter) -> str:
        """As in `Carrying`."""
        raise NotImplementedError

    def find(self, letter: Letter) -> str | None:
        """As in `Carrying`."""
        return None

    def check(self) -> str:
        """Try the settings; return a sentence that names the account. Raises what went wrong."""
        return f"{self.title}: nothing to check before the first letter"


# ── how connectors speak HTTP ────────────────────────────────────────────────────────────────────


class Answer(Protocol):
    """An HTTP answer: status, headers (lower-case names) and body of at most the allowed size."""

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def body(self) -> bytes: ...
    def json(self) -> Any:
        """Body as JSON; `Retry` when it is something else (an HTML login page, a cut answer)."""


class Http(Protocol):
    """The one way out. Raises `Retry(effect=True)` when the outcome is unknown, `Retry(effect=False)` when
    the request certainly was not served; any HTTP status is returned, not raised."""

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Sequence[tuple[str, str]] | None = None,
        json: Value = None,
        data: bytes | None = None,
        timeout: float = 30.0,
    ) -> Answer: ...
