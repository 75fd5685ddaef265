"""How few evaluations a sampler needs, on tables of networks that others trained, all of them."""

from nas.bench.search.comparison import (
    COMPARED,
    LEVELS,
    SearchRun,
    check_whole,
    median_reached,
    search_table,
)
from nas.bench.search.search_table import SearchTable, read_search_table

__all__ = [
    "COMPARED",
    "LEVELS",
    "SearchRun",
    "SearchTable",
    "check_whole",
    "median_reached",
    "read_search_table",
    "search_table",
]
