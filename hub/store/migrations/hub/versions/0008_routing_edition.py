"""The database says itself when anything changed that routing may keep in memory: hub.routing.kept."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

WATCHED = {
    "rule": "", "pool": "", "seat": "", "calendar": "", "absence": "", "member": " OF active, role",
    "rotation": " OF weight", "setting": "",
}  # fmt: skip
"""Columns whose change counts; credits and logins change all the time and do not."""
OTHERS = "{0}.name <> 'routing_edition'"


def upgrade() -> None:
    op.execute("""INSERT INTO setting (name, value) VALUES ('routing_edition', '"first"')""")
    if op.get_bind().dialect.name == "postgresql":
        _postgresql()
    else:
        _sqlite()


def _postgresql() -> None:
    op.execute("""
        CREATE FUNCTION routing_changed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            UPDATE setting SET value = to_json(md5(random()::text || clock_timestamp()::text))
            WHERE name = 'routing_edition';
            RETURN NULL;
        END $$""")
    for table, columns in WATCHED.items():
        for event in ("INSERT", "DELETE", f"UPDATE{columns}"):
            told = f"AFTER {event} ON {table} FOR EACH STATEMENT"
            if table == "setting":
                told = f"AFTER {event} ON setting FOR EACH ROW WHEN ({OTHERS.format(_row(event))})"
            op.execute(f"CREATE TRIGGER {_name(table, event)} {told} EXECUTE FUNCTION routing_changed()")


def _sqlite() -> None:
    for table, columns in WATCHED.items():
        for event in ("INSERT", "DELETE", f"UPDATE{columns}"):
            when = f"WHEN {OTHERS.format(_row(event))}" if table == "setting" else ""
            op.execute(f"""
                CREATE TRIGGER {_name(table, event)} AFTER {event} ON {table} FOR EACH ROW {when} BEGIN
                    UPDATE setting SET value = '"' || hex(randomblob(16)) || '"' WHERE name = 'routing_edition';
                END""")  # noqa: S608 - own names


def _name(table: str, event: str) -> str:
    return f"routing_{table}_{event.split()[0].lower()}"


def _row(event: str) -> str:
    return "OLD" if event == "DELETE" else "NEW"
