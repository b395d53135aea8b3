"""Codes of the hub in words of people, in the reader's language. Unknown codes are shown as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask_babel import lazy_gettext as _

STATES = {
    "open": _("open"),
    "rejected": _("rejected"),
    "converted": _("qualified"),
    "contact": _("contact only"),
    "nurture": _("put off"),
    "won": _("won"),
    "lost": _("lost"),
    "reverted": _("taken back"),
}
NEXT_STEPS = {
    "first_touch": _("First touch"),
    "call_back": _("Call back"),
    "qualify": _("Qualify"),
    "follow_up": _("Follow up"),
}
TARGETS = {"consultation": _("Consultation"), "meeting": _("Meeting"), "showing": _("Showing")}
PHASES = {"booked": _("booked"), "held": _("took place")}
RECEIPTS = {"waiting": _("is being checked"), "whole": _("complete"), "lacking": _("something is missing")}
CARRIED = {"fields": _("Fields"), "files": _("Files"), "activities": _("Activities"), "links": _("Links")}
CLOCKS = {"next_touch": _("Next touch")}
WARMTH = {"silent": _("silent"), "cold": _("cold"), "warm": _("warm"), "hot": _("hot")}
WORTH = {
    "phone": _("left a phone number"),
    "email": _("left an e-mail address"),
    "company": _("named a company"),
    "business_mail": _("writes from a business address"),
    "throw_away_mail": _("writes from a throw-away address"),
    "invented": _("the contact data is invented"),
    "came_again": _("came again"),
    "replied": _("replied to us"),
    "meeting": _("met us"),
    "unanswered": _("left our touches unanswered"),
    "campaign": _("came by a campaign"),
}
"""What gives a lead points: `hub.funnel.warmth.POINTS`."""
ROLES = {"admin": _("Admin"), "lead_desk": _("Lead desk"), "sales": _("Sales")}
BLOCKS = {"lead": _("Leads"), "deal": _("Deals")}
REASONS = (
    _("Not our product"),
    _("No budget"),
    _("Only comparing"),
    _("Cannot be reached"),
    _("Wrong contact data"),
    _("Spam or advertising"),
    _("Duplicate"),
)
LOSSES = (_("Too expensive"), _("Chose a competitor"), _("Postponed"), _("No answer"), _("We cannot deliver"))

POINT_FLAGS = {
    "typo": _("looks misspelt"),
    "fake": _("looks invented"),
    "bad": _("cannot be written to"),
    "damaged": _("arrived damaged"),
    "text": _("words instead of a number"),
    "no_country": _("country unknown"),
    "invalid": _("no such number in any numbering plan"),
    "guessed": _("read with a guess"),
    "role": _("shared mailbox"),
    "free": _("private mailbox"),
    "disposable": _("throw-away mailbox"),
    "noreply": _("nobody reads it"),
    "lookalike": _("letters that look like others"),
    "swapped": _("typed on another keyboard layout"),
    "layout": _("typed on another keyboard layout"),
    "quoted": _("unusual address"),
    "literal": _("unusual address"),
}
INQUIRY_FLAGS = {
    "asks_country": _("a number came without country: set the default country of this source"),
    "phone_in_name": _("the phone stood in the name field"),
    "email_in_name": _("the e-mail stood in the name field"),
    "email_in_phone": _("the e-mail stood in the phone field"),
    "phone_in_email": _("the phone stood in the e-mail field"),
    "phone_in_company": _("the phone stood in the company field"),
    "email_in_company": _("the e-mail stood in the company field"),
    "mixed_charset": _("its letters came in several encodings"),
    "unstorable_character": _("characters that cannot be stored were replaced"),
    "bad_percent": _("some characters were encoded wrongly"),
    "truncated": _("the message was cut off on its way"),
    "line_breaks": _("its line breaks were repaired"),
}
DECISIONS = {
    "new_lead": _("opened this lead"),
    "joined": _("joined this lead"),
    "note": _("note"),
    "quarantined": _("set apart"),
    "test": _("test"),
    "repeated": _("sent again"),
    "amended": _("changed by the sender"),
}
LINK_STATES = {
    "new": _("on its way"),
    "sending": _("being sent"),
    "uncertain": _("sent, not yet confirmed"),
    "linked": _("in step"),
    "history": _("continued as a deal"),
    "held": _("held for a decision"),
    "parked": _("needs attention"),
    "tombstoned": _("deleted there"),
}
POINTS = {
    "phone": _("Phone"),
    "email": _("E-mail"),
    "telegram": "Telegram",
    "vk": "VK",
    "whatsapp": "WhatsApp",
    "visitor": _("Browser"),
}
KEYS = {
    "phone": _("phone"),
    "email": _("e-mail"),
    "thread": _("conversation"),
    "visitor": _("browser"),
    "telegram": "Telegram",
    "vk": "VK",
    "whatsapp": "WhatsApp",
}
FIELDS = {
    "name": _("name"),
    "first_name": _("first name"),
    "last_name": _("last name"),
    "middle_name": _("middle name"),
    "company": _("company"),
    "position": _("position"),
    "language": _("language"),
    "phones": _("phones"),
    "emails": _("e-mails"),
    "owner": _("responsible"),
    "title": _("title"),
    "tags": _("tags"),
    "website": _("website"),
    "domain": _("domain"),
    "tax_id": _("tax number"),
    "address": _("address"),
    "text": _("text"),
    "temperature": _("temperature"),
    "reject_reason": _("reason"),
    "amount": _("amount"),
    "currency": _("currency"),
    "placement": _("stage"),
    "source": _("source"),
    "form": _("form"),
    "page": _("page"),
    "referrer": _("referrer"),
    "region": _("region"),
    "connection": _("connection"),
    "subject": _("subject"),
}
OPERATIONS = {
    "is": _("is"),
    "is_not": _("is not"),
    "contains": _("contains"),
    "starts": _("starts with"),
    "present": _("is present"),
}
RECOGNISED = {
    "same_key_and_name": _("Same %(key)s and the same name."),
    "same_key": _("Same %(key)s."),
    "same_account": _("Same account (%(key)s), vouched for by the network."),
    "shared_key": _("The %(key)s is used by several people and decided nothing."),
    "other_name": _("The %(key)s is known, but under another name: taken for somebody else."),
    "also_another_contact": _("The %(key)s also belongs to another person here: worth a look."),
    "new_person": _("Nobody here had these contact data: a new person."),
}
JOINED = {
    "same conversation": _("it continues the same conversation"),
    "open lead of this person": _("this person has an open lead here"),
    "open deal of this person": _("this person has an open deal here"),
}
NOT_POSSIBLE = {
    "missing": _("This record does not exist any more."),
    "closed": _("This lead is closed already."),
    "needs_reason": _("Say why this lead is rejected."),
    "needs_why": _("Say why."),
    "bad_day": _("Say a day in the future, within two years."),
    "empty": _("The note is empty."),
    "past": _("Say until when: a time that is still to come."),
    "tags": _("A tag has 50 signs at most, a card 30 tags."),
    "bad_target": _("There is no such action."),
    "no_lead": _("This deal was never a lead, or was taken back already."),
    "plan_changed": _("Something happened since this was shown: look at it again."),
    "reverted": _("This deal was taken back: its lead is open again."),
    "not_rejected": _("Only a lead that was closed without a deal can be reopened."),
    "has_open_lead": _("This person has another open lead in this direction."),
    "no_stage": _("There is no such stage in this direction."),
    "not_qualified": _("Too little is known of the client to make this a deal."),
    "no_question": _("Nobody asks this here."),
    "bad_answer": _("This is no answer to the question."),
    "not_here": _("This stage has no meaning for this record."),
}

TABLES: Mapping[str, Mapping[str, Any]] = {
    "worth": WORTH,
    "target": TARGETS,
    "phase": PHASES,
    "receipt": RECEIPTS,
    "carried": CARRIED,
    "warmth": WARMTH,
    "state": STATES,
    "next_step": NEXT_STEPS,
    "role": ROLES,
    "block": BLOCKS,
    "point_flag": POINT_FLAGS,
    "inquiry_flag": INQUIRY_FLAGS,
    "decision": DECISIONS,
    "link": LINK_STATES,
    "point": POINTS,
    "field": FIELDS,
}


def said(code: Any, table: str) -> str:
    """A code in words: `{{ "first_touch" | said("next_step") }}`."""
    return str(TABLES[table].get(str(code), code))
