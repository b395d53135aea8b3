"""The tests of the hub; `tests.servers` starts the real Redis and PostgreSQL they run against."""
