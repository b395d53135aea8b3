"""Why a contact shows what it shows, and what people entered themselves."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("contact", sa.Column("basis", sa.JSON(), nullable=False, server_default="{}"))
    op.create_table(
        "contact_edit",
        sa.Column("contact_id", sa.Text(), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["contact_id"], ["contact.id"], name=op.f("fk_contact_edit_contact_id")),
        sa.PrimaryKeyConstraint("contact_id", "field", "by", name=op.f("pk_contact_edit")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_contact_merged", "contact", ["merged_into"], unique=False,
                    sqlite_where=sa.text("merged_into IS NOT NULL"),
                    postgresql_where=sa.text("merged_into IS NOT NULL"))  # fmt: skip
