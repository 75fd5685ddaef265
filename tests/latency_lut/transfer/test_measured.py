import numpy as np

from tests.latency_lut.two_devices import GROUP, measured, old_times


def test_a_part_is_as_if_no_other_network_had_been_measured():
    whole = measured(old_times(), 12, repeated=3)
    few = measured(old_times(), 5)  # the first five of the same draws
    ids = frozenset(few.architecture_ids)
    part = whole.only(ids)
    assert part.architecture_ids == few.architecture_ids
    assert part.lut().entries.keys() == few.lut().entries.keys()
    table = part.tables[GROUP]
    assert len(table.latency_ns) == 5 + 3
    np.testing.assert_allclose(table.by_network(table.node_ns), table.latency_ns)
    for position, name in enumerate(table.architecture_ids):
        before = whole.tables[GROUP].architecture_ids.index(name)
        assert table.latency_ns[position] == whole.tables[GROUP].latency_ns[before]


def test_a_part_without_networks_has_no_table_and_an_empty_lut():
    part = measured(old_times(), 4).only(frozenset())
    assert part.tables == {}
    assert part.architecture_ids == ()
    assert part.lut().entries == {}
