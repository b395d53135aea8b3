"""The hub: what a lead is and what happens to it."""
