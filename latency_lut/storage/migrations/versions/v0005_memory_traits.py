"""More is known of a segment's memory; 0 until the segment is measured again."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Makes the columns."""
    for name in ("convolution_bytes", "workspace_bytes", "operators", "operator_kinds"):
        column = sa.Column(name, sa.BigInteger, nullable=False, server_default="0")
        op.add_column("lut_segments", column)
