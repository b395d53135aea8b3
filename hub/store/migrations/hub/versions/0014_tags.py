"""Tags of leads and deals, amounts of leads, phones and e-mails of companies, fields a company adds itself: kept in
step with CRMs that have them.

What CRMs showed of these was agreed on before anything here held it: it is what their cards have now.
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

ROLES = ("company", "contact", "lead", "deal")
link = sa.table("link", *(sa.column(name) for name in ("role", "record_id")), sa.column("base", sa.JSON()))


def upgrade() -> None:
    for table, name in (("lead", "tags"), ("deal", "tags"), ("company", "phones"), ("company", "emails")):
        op.add_column(table, sa.Column(name, sa.JSON(), nullable=False, server_default="[]"))
    for name in ("amount", "currency"):
        op.add_column("lead", sa.Column(name, sa.Text(), nullable=False, server_default=""))
    for role in ROLES:
        op.add_column(role, sa.Column("own", sa.JSON(), nullable=False, server_default="{}"))
        _fill_own(role)
    for role in ("lead", "deal"):
        _fill(role)


def _fill_own(role: str) -> None:
    own: dict[str, dict[str, object]] = {}
    shown = sa.cast(sa.column("base"), sa.Text()).like('%"x\\_%', escape="\\")
    for row in op.get_bind().execute(sa.select(link).where(link.c.role == role, shown)):
        told = {name: value for name, value in row.base.items() if name.startswith("x_")}
        own.setdefault(row.record_id, {}).update(told)
    table = sa.table(role, sa.column("id"), sa.column("own", sa.JSON()))
    for record_id, values in own.items():
        op.execute(sa.update(table).where(table.c.id == record_id).values(own=values))


def _fill(role: str) -> None:
    tags: dict[str, dict[str, None]] = {}
    money: dict[tuple[str, str], str] = {}
    base = sa.cast(sa.column("base"), sa.Text())
    shown = sa.or_(*(base.like(f'%"{name}"%') for name in ("tags", "amount", "currency")))
    for row in op.get_bind().execute(sa.select(link).where(link.c.role == role, shown)):
        tags.setdefault(row.record_id, {}).update(dict.fromkeys(map(str, row.base.get("tags") or ())))
        for name in ("amount", "currency"):
            if value := row.base.get(name):
                money[row.record_id, name] = str(value)
    table = sa.table(role, *map(sa.column, ("id", "amount", "currency")), sa.column("tags", sa.JSON()))
    for record_id, held in tags.items():
        op.execute(sa.update(table).where(table.c.id == record_id).values(tags=list(held)))
    for (record_id, name), value in money.items():
        empty = table.c[name] == ""
        op.execute(sa.update(table).where(table.c.id == record_id, empty).values({name: value}))
