"""Contract suites: what every connector must keep, as pytest classes that a connector's test inherits.

`connectors.testing.source` is for sources, `connectors.testing.crm` for CRMs; `fixtures` and `scaffold` need no pytest.
"""
