"""Fixtures of all suites of CRMs."""

from connectors.testing.farside import clock, ear, wires

__all__ = ["clock", "ear", "wires"]
