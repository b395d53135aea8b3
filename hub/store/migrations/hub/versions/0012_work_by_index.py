"""Work for CRMs is picked by index also where a hundred thousand records came due in one instant; companies are found."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

DUE = "dirty > 0 AND state IN ('new','sending','uncertain','linked')"
FIRM = "role = 'company'"


def upgrade() -> None:
    op.drop_index("ix_link_due", "link")
    place: list[str | sa.TextClause] = ["connection_id", "lane", "due_at", sa.text("role DESC")]
    op.create_index("ix_link_due", "link", place, sqlite_where=sa.text(DUE), postgresql_where=sa.text(DUE))
    op.create_index(
        "ix_link_company", "link", ["connection_id"], sqlite_where=sa.text(FIRM), postgresql_where=sa.text(FIRM)
    )
