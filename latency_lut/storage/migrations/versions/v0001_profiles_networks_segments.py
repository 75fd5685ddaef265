"""The first tables. Never changed after release: what comes later is another migration."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Makes all tables."""
    _make_profiles()
    _make_networks()
    _make_segments()


def _make_profiles() -> None:
    op.create_table(
        "lut_profiles",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("facts", sa.Text, nullable=False),
    )
    op.create_table(
        "lut_devices",
        sa.Column("device_name", sa.Text, primary_key=True),
        sa.Column("profile_id", sa.Text, sa.ForeignKey("lut_profiles.id"), primary_key=True),
        sa.Column("last_seen", sa.Integer, nullable=False),
    )


def _make_networks() -> None:
    op.create_table(
        "lut_networks",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("profile_id", sa.Text, sa.ForeignKey("lut_profiles.id"), nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("space", sa.Text, nullable=False),
        sa.Column("architecture_id", sa.Text, nullable=False),
        sa.Column("architecture_json", sa.Text, nullable=False),
        sa.Column("precision", sa.Text, nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("canary_ns", sa.BigInteger),
        sa.Column("peak_bytes", sa.BigInteger),
        sa.Column("static_bytes", sa.BigInteger, nullable=False),
        sa.Column("created_utc", sa.Text, nullable=False),
        sa.UniqueConstraint("digest", name="lut_networks_digest"),
    )
    op.create_table(
        "lut_phases",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("network_id", sa.Integer, sa.ForeignKey("lut_networks.id"), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("phase", sa.Text, nullable=False),
        sa.Column("latency_ns", sa.BigInteger, nullable=False),
        sa.Column("low_ns", sa.BigInteger, nullable=False),
        sa.Column("high_ns", sa.BigInteger, nullable=False),
        sa.Column("p90_ns", sa.BigInteger, nullable=False),
        sa.Column("runs", sa.BigInteger, nullable=False),
        sa.Column("quality", sa.Text, nullable=False),
        sa.Column("group_ns", sa.Text, nullable=False),
        sa.Column("nodes", sa.Text, nullable=False),
        sa.UniqueConstraint("network_id", "position", name="lut_phases_position"),
    )


def _make_segments() -> None:
    op.create_table(
        "lut_segments",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("params", sa.BigInteger, nullable=False),
        sa.Column("active_params", sa.BigInteger, nullable=False),
        sa.Column("macs", sa.BigInteger, nullable=False),
        sa.Column("weight_bytes", sa.BigInteger, nullable=False),
        sa.Column("peak_bytes", sa.BigInteger, nullable=False),
        sa.Column("state_bytes", sa.BigInteger, nullable=False),
        sa.Column("lasting_bytes", sa.BigInteger, nullable=False),
        sa.Column("unknown_ops", sa.Text, nullable=False),
        sa.UniqueConstraint("key", name="lut_segments_key"),
    )
    op.create_table(
        "lut_shares",
        sa.Column("phase_id", sa.Integer, sa.ForeignKey("lut_phases.id"), primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column("place", sa.Text, nullable=False),
        sa.Column("segment_id", sa.Integer, sa.ForeignKey("lut_segments.id"), nullable=False),
        sa.Column("nodes", sa.Integer),
        sa.Column("node_ns", sa.BigInteger),
        sa.Column("latency_ns", sa.BigInteger),
    )
