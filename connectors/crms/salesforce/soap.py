"""`convertLead`, the one thing of ours that Salesforce offers by SOAP only: what to send, and what comes back.

The elements of a LeadConvert stand in the order of the WSDL; in any other, some are passed over without a word.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import unescape
from xml.sax.saxutils import escape

from connectors.errors import Retry

MOST = 100
_ORDER = ("accountId", "contactId", "convertedStatus", "doNotCreateOpportunity", "leadId", "opportunityName",
          "overwriteLeadSource", "sendNotificationEmail")  # fmt: skip
_ENVELOPE = (
    '<?xml version="1.0" encoding="utf-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
    'xmlns:urn="urn:partner.soap.sforce.com"><soapenv:Header><urn:SessionHeader><urn:sessionId>{session}</urn:sessionId>'
    "</urn:SessionHeader><urn:DuplicateRuleHeader><urn:allowSave>true</urn:allowSave></urn:DuplicateRuleHeader>"
    "</soapenv:Header><soapenv:Body><urn:convertLead>{leads}</urn:convertLead></soapenv:Body></soapenv:Envelope>"
)
_RESULT = re.compile(rb"<(?:\w+:)?result>(.*?)</(?:\w+:)?result>", re.DOTALL)
_FAULT = re.compile(rb"<(?:\w+:)?faultcode>(?:\w+:)?(\w+)<")
_PART = re.compile(r"<(?:\w+:)?(accountId|contactId|leadId|opportunityId|success|statusCode)(?:\s[^>]*)?>([^<]*)<")


def envelope(session: str, leads: Sequence[Mapping[str, str]]) -> bytes:
    """The body of a call for up to `MOST` leads."""
    parts = [
        "".join(f"<urn:{name}>{escape(lead[name])}</urn:{name}>" for name in _ORDER if lead.get(name)) for lead in leads
    ]
    told = "".join(f"<urn:leadConverts>{part}</urn:leadConverts>" for part in parts)
    return _ENVELOPE.format(session=escape(session), leads=told).encode()


def results(body: bytes, count: int) -> list[dict[str, str]]:
    """accountId, contactId, leadId, opportunityId, success and statusCode of each, in order. Raises `Retry`."""
    told = [dict(_PART.findall(one.decode("utf-8", "replace"))) for one in _RESULT.findall(body)]
    if len(told) != count:
        raise Retry("Salesforce's answer does not say what became of the leads", effect=True)
    return [{name: unescape(value) for name, value in one.items()} for one in told]


def fault(body: bytes) -> str:
    """The code of a refusal of the whole call, "" when there is none."""
    found = _FAULT.search(body)
    return found[1].decode() if found else ""
