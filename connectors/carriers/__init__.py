"""Ways out for letters, one folder each; `connectors.registry` finds them by name."""
