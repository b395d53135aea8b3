"""Owners are told of their leads where they are, and answer from there."""
