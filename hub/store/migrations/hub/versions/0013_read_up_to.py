"""Up to when a CRM has been read, by its own clock."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("pull_state", sa.Column("read_at", sa.BigInteger(), nullable=True))
