"""One decision per lead: deal, contact only, nurture until a day, rejected with a reason; receipts of conversions."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

STATES = "state IN ('open','rejected','converted')", "state IN ('open','converted','contact','nurture','rejected')"
REASON = "state NOT IN ('rejected','nurture') OR reason <> ''"
END = "(state = 'nurture') = (return_at IS NOT NULL)"
NURTURED, DONE = sa.text("state = 'nurture'"), sa.text("state = 'done'")


def upgrade() -> None:
    op.execute("UPDATE lead SET reason = 'Not said' WHERE state = 'rejected' AND reason = ''")
    # Of several conversions of one lead that all count, the newest does.
    op.execute("""
        UPDATE conversion SET state = 'reverted' WHERE state = 'done' AND EXISTS (
            SELECT 1 FROM conversion AS later
            WHERE later.lead_id = conversion.lead_id AND later.state = 'done' AND later.n > conversion.n)""")
    op.add_column("lead", sa.Column("return_at", sa.BigInteger(), nullable=True))
    op.add_column("conversion", sa.Column("before", sa.JSON(), nullable=False, server_default="{}"))
    _widen(op.get_bind())
    op.create_index("ix_lead_nurture", "lead", ["return_at"], sqlite_where=NURTURED, postgresql_where=NURTURED)
    op.create_index(
        "uq_conversion_done", "conversion", ["lead_id"], unique=True, sqlite_where=DONE, postgresql_where=DONE
    )
    _receipt()


def _receipt() -> None:
    op.create_table(
        "receipt",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("conversion_id", sa.Text(), nullable=False),
        sa.Column("deal_id", sa.Text(), nullable=False),
        sa.Column("connection_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("missing", sa.JSON(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("state IN ('waiting','whole','lacking','void')", name=op.f("ck_receipt_state")),
        sa.ForeignKeyConstraint(["conversion_id"], ["conversion.id"], name=op.f("fk_receipt_conversion_id_conversion")),
        sa.ForeignKeyConstraint(["deal_id"], ["deal.id"], name=op.f("fk_receipt_deal_id_deal")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_receipt")),
        sa.UniqueConstraint("conversion_id", "connection_id", name=op.f("uq_receipt_conversion_id_connection_id")),
    )
    op.create_index(op.f("ix_receipt_deal_id"), "receipt", ["deal_id"], unique=False)
    op.create_index("ix_receipt_due", "receipt", ["state", "due_at"], unique=False)


def _widen(conn: sa.Connection) -> None:
    """SQLite: checks change nothing on the disk, so their text is changed as its makers describe
    (https://www.sqlite.org/lang_altertable.html, the second procedure); making this table anew would take the references
    to it along."""
    if conn.dialect.name == "postgresql":
        op.drop_constraint(op.f("ck_lead_state"), "lead", type_="check")
        for name, rule in (("state", STATES[1]), ("decided_has_reason", REASON), ("nurture_has_end", END)):
            op.create_check_constraint(op.f(f"ck_lead_{name}"), "lead", rule)
        return
    told = f"{STATES[1]}), CONSTRAINT ck_lead_decided_has_reason CHECK ({REASON}), " \
           f"CONSTRAINT ck_lead_nurture_has_end CHECK ({END}"  # fmt: skip
    version = conn.execute(sa.text("PRAGMA schema_version")).scalar_one()
    conn.execute(sa.text("PRAGMA writable_schema=ON"))
    change = sa.text("UPDATE sqlite_master SET sql = replace(sql, :old, :new) WHERE type = 'table' AND name = 'lead'")
    conn.execute(change, {"old": STATES[0], "new": told})
    conn.execute(sa.text(f"PRAGMA schema_version={version + 1}"))
    conn.execute(sa.text("PRAGMA writable_schema=OFF"))
