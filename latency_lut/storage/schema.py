"""The tables of a LUT; all start with `lut_`, as an Optuna study may live in the same database.

    lut_profiles ──< lut_devices                   a profile, and the devices that had it
         ├─── lut_ceilings                         its best rates, once they were measured
         ├──< lut_fits                             its LUT as fitted last, by precision
         ├──< lut_transfers                        the profile whose LUT it started from
         └──< lut_networks ──< lut_phases          a measured network, and each phase of it
                                   └──< lut_shares >── lut_segments
                                                   what each place took; a segment key and its cost

    lut_device_states                              what each device was doing, last we heard

Times are integer nanoseconds, sizes integer bytes. Raw samples, node times and fits are
JSON text.
Migrations make the tables; this module is what the code reads and writes them by.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()

profiles = Table(
    "lut_profiles",
    metadata,
    Column("id", Text, primary_key=True),
    Column("facts", Text, nullable=False),
)

devices = Table(
    "lut_devices",
    metadata,
    Column("device_name", Text, primary_key=True),
    Column("profile_id", Text, ForeignKey("lut_profiles.id"), primary_key=True),
    Column("last_seen", Integer, nullable=False),  # counts up; the largest is the newest
)

device_states = Table(
    "lut_device_states",
    metadata,
    Column("device_name", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("last_contact_utc", Text),
    Column("doing", Text),
    Column("owner", Text),
    Column("reason", Text),
)

ceilings = Table(
    "lut_ceilings",
    metadata,
    Column("profile_id", Text, ForeignKey("lut_profiles.id"), primary_key=True),
    Column("flops_per_s", BigInteger, nullable=False),
    Column("bytes_per_s", BigInteger, nullable=False),
    Column("quality", Text, nullable=False),
)

fits = Table(
    "lut_fits",
    metadata,
    Column("profile_id", Text, ForeignKey("lut_profiles.id"), primary_key=True),
    Column("precision", Text, primary_key=True),
    Column("revision", Text, nullable=False),  # of what it was fitted from; another is out of date
    Column("document", Text, nullable=False),
)

transfers = Table(
    "lut_transfers",
    metadata,
    Column("profile_id", Text, ForeignKey("lut_profiles.id"), primary_key=True),
    Column("precision", Text, primary_key=True),
    Column("source_id", Text, ForeignKey("lut_profiles.id"), nullable=False),
)

networks = Table(
    "lut_networks",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("profile_id", Text, ForeignKey("lut_profiles.id"), nullable=False),
    Column("digest", Text, nullable=False),  # of the whole record: an import adds nothing twice
    Column("space", Text, nullable=False),
    Column("architecture_id", Text, nullable=False),
    Column("architecture_json", Text, nullable=False),
    Column("precision", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("canary_ns", BigInteger),
    Column("peak_bytes", BigInteger),
    Column("static_bytes", BigInteger, nullable=False),
    Column("created_utc", Text, nullable=False),
    Column("observed_json", Text),
    UniqueConstraint("digest", name="lut_networks_digest"),
    Index("lut_networks_by_profile", "profile_id", "precision"),
)

phases = Table(
    "lut_phases",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("network_id", Integer, ForeignKey("lut_networks.id"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("phase", Text, nullable=False),
    Column("latency_ns", BigInteger, nullable=False),
    Column("low_ns", BigInteger, nullable=False),
    Column("high_ns", BigInteger, nullable=False),
    Column("p90_ns", BigInteger, nullable=False),
    Column("runs", BigInteger, nullable=False),
    Column("quality", Text, nullable=False),
    Column("group_ns", Text, nullable=False),
    Column("nodes", Text, nullable=False),
    UniqueConstraint("network_id", "position", name="lut_phases_position"),
)

segments = Table(
    "lut_segments",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", Text, nullable=False),
    Column("params", BigInteger, nullable=False),
    Column("active_params", BigInteger, nullable=False),
    Column("macs", BigInteger, nullable=False),
    Column("weight_bytes", BigInteger, nullable=False),
    Column("peak_bytes", BigInteger, nullable=False),
    Column("state_bytes", BigInteger, nullable=False),
    Column("lasting_bytes", BigInteger, nullable=False),
    # 0 in rows of older versions, until the segment is measured again
    Column("convolution_bytes", BigInteger, nullable=False, server_default="0"),
    Column("workspace_bytes", BigInteger, nullable=False, server_default="0"),
    Column("operators", BigInteger, nullable=False, server_default="0"),
    Column("operator_kinds", BigInteger, nullable=False, server_default="0"),
    Column("unknown_ops", Text, nullable=False),
    UniqueConstraint("key", name="lut_segments_key"),
)

shares = Table(
    "lut_shares",
    metadata,
    Column("phase_id", Integer, ForeignKey("lut_phases.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("place", Text, nullable=False),
    Column("segment_id", Integer, ForeignKey("lut_segments.id"), nullable=False),
    Column("nodes", Integer),  # these three are null where the network was timed without nodes
    Column("node_ns", BigInteger),
    Column("latency_ns", BigInteger),
)
