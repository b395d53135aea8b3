"""Runs the steps on the connection that hub.store.migrate hands over."""

from alembic import context

conn = context.config.attributes["connection"]
context.configure(
    connection=conn,
    version_table=context.config.attributes["version_table"],
    render_as_batch=conn.dialect.name == "sqlite",
    transactional_ddl=False,
)
context.run_migrations()
