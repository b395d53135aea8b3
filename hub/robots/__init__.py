"""Robots: what happens by itself when a stage is reached, a time comes, a field changes or a client does something."""
