"""Networks are found by device profile and precision without reading those of other devices."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Makes the index."""
    op.create_index("lut_networks_by_profile", "lut_networks", ["profile_id", "precision"])
