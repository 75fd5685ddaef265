"""Networks and their latency as others measured them: an additive model beside least squares."""

from nas.bench.tables.comparison import compare_on_table
from nas.bench.tables.latency_table import LatencyTable, read_latency_table

__all__ = ["LatencyTable", "compare_on_table", "read_latency_table"]
