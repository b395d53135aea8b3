"""Tags of leads and deals, phones and e-mails of companies: kept in step with CRMs that have them.

What CRMs showed as tags was agreed on before anything here held it: it is what their cards have now.
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

link = sa.table("link", *(sa.column(name) for name in ("role", "record_id")), sa.column("base", sa.JSON()))


def upgrade() -> None:
    for table, name in (("lead", "tags"), ("deal", "tags"), ("company", "phones"), ("company", "emails")):
        op.add_column(table, sa.Column(name, sa.JSON(), nullable=False, server_default="[]"))
    for role in ("lead", "deal"):
        _fill(role)


def _fill(role: str) -> None:
    told: dict[str, dict[str, None]] = {}
    shown = sa.cast(sa.column("base"), sa.Text()).like('%"tags"%')
    for row in op.get_bind().execute(sa.select(link).where(link.c.role == role, shown)):
        tags = row.base.get("tags") or ()
        told.setdefault(row.record_id, {}).update(dict.fromkeys(map(str, tags)))
    table = sa.table(role, sa.column("id"), sa.column("tags", sa.JSON()))
    for record_id, tags in told.items():
        op.execute(sa.update(table).where(table.c.id == record_id).values(tags=list(tags)))
