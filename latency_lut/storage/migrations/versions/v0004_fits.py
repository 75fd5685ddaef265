"""Fitted LUTs are kept, devices may start from another's, and a record holds all that was seen."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Makes the tables and the column."""
    op.add_column("lut_networks", sa.Column("observed_json", sa.Text))
    op.create_table(
        "lut_fits",
        sa.Column("profile_id", sa.Text, sa.ForeignKey("lut_profiles.id"), primary_key=True),
        sa.Column("precision", sa.Text, primary_key=True),
        sa.Column("revision", sa.Text, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
    )
    op.create_table(
        "lut_transfers",
        sa.Column("profile_id", sa.Text, sa.ForeignKey("lut_profiles.id"), primary_key=True),
        sa.Column("precision", sa.Text, primary_key=True),
        sa.Column("source_id", sa.Text, sa.ForeignKey("lut_profiles.id"), nullable=False),
    )
