"""The best rates of a device, beside which its segments are shown."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Makes the table."""
    op.create_table(
        "lut_ceilings",
        sa.Column("profile_id", sa.Text, sa.ForeignKey("lut_profiles.id"), primary_key=True),
        sa.Column("flops_per_s", sa.BigInteger, nullable=False),
        sa.Column("bytes_per_s", sa.BigInteger, nullable=False),
        sa.Column("quality", sa.Text, nullable=False),
    )
