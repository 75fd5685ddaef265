"""What each device was doing when it was last heard of."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Makes the table."""
    op.create_table(
        "lut_device_states",
        sa.Column("device_name", sa.Text, primary_key=True),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("last_contact_utc", sa.Text),
        sa.Column("doing", sa.Text),
        sa.Column("owner", sa.Text),
        sa.Column("reason", sa.Text),
    )
