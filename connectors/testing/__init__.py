"""Contract suites: what every connector must keep, as pytest classes that a connector's test inherits.

`connectors.testing.source` is for sources, `crm` for CRMs, `carrier` for carriers; `fixtures` and `scaffold` need no
pytest.
"""
