"""Translation between the hub and outside systems, edited by admins. What others call stands here.

Imports nothing of ours but the contract of the edge.
"""

from __future__ import annotations

from mappings.codecs import CODECS, Codec, Kept
from mappings.discovery import Proposal, adopt, discover
from mappings.engine import HUB_FIELDS, POLICIES, Line, Mapping, Translated
from mappings.files import check, default_inbound, load, load_inbound, rewrite, shipped, stamp
from mappings.inbound import Inbound, apply_inbound
from mappings.problems import BadMapping, Problem, Stale

__all__ = [
    "CODECS",
    "HUB_FIELDS",
    "POLICIES",
    "BadMapping",
    "Codec",
    "Inbound",
    "Kept",
    "Line",
    "Mapping",
    "Problem",
    "Proposal",
    "Stale",
    "Translated",
    "adopt",
    "apply_inbound",
    "check",
    "default_inbound",
    "discover",
    "load",
    "load_inbound",
    "rewrite",
    "shipped",
    "stamp",
]
