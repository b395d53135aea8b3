"""Companies travel to CRMs: what is known of them, and those that only a CRM has, by their keys."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

TOLD = "(SELECT {what} FROM company_key AS k WHERE k.company_id = company.id AND k.kind = '{kind}')"
NUMBER = "min(substr(k.value, instr(k.value, ':') + 1))", "min(split_part(k.value, ':', 2))"


def upgrade() -> None:
    for name in ("website", "domain", "tax_id", "address"):
        op.add_column("company", sa.Column(name, sa.Text(), nullable=False, server_default=""))
    op.add_column("company", sa.Column("merged_into", sa.Text(), nullable=True))
    number = NUMBER[op.get_bind().dialect.name == "postgresql"]
    known = {"domain": TOLD.format(what="min(k.value)", kind="domain"), "tax_id": TOLD.format(what=number, kind="tax")}
    for name, said in known.items():
        op.execute(f"UPDATE company SET {name} = coalesce({said}, '')")  # noqa: S608 - our own words
    op.execute("UPDATE company SET website = 'https://' || domain WHERE domain <> ''")
    op.create_table(
        "mirror_company",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("connection_id", sa.Text(), nullable=False),
        sa.Column("remote_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "value", "connection_id", "remote_id", name=op.f("pk_mirror_company")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_mirror_company_record", "mirror_company", ["connection_id", "remote_id"])
