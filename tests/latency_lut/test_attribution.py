import pytest

from latency_lut import AttributionError, NodeTiming, Share, attribute


def node(name: str, duration_ns: int, op_type: str = "Conv") -> NodeTiming:
    return NodeTiming(name, op_type, duration_ns)


def test_node_times_are_scaled_to_the_unprofiled_time():
    shares = attribute([node("a/0_Conv", 300), node("b/0_Conv", 100)], 200, ["a", "b"])
    assert shares == (Share("a", 1, 300, 150), Share("b", 1, 100, 50))


def test_shares_add_up_to_the_latency_exactly_whatever_the_rounding():
    nodes = [node(f"p{i}/0_Conv", 1 + i % 3) for i in range(7)]
    places = [f"p{i}" for i in range(7)]
    for latency_ns in range(1, 400):
        shares = attribute(nodes, latency_ns, places)
        assert sum(share.latency_ns for share in shares) == latency_ns


def test_a_layout_change_before_a_block_is_that_blocks():
    nodes = [
        node("a/0_Conv", 10),
        node("ReorderInput_token_3", 5, "ReorderInput"),
        node("b/0_Conv_nchwc", 10),
    ]
    assert [s.node_ns for s in attribute(nodes, 25, ["a", "b"])] == [10, 15]


def test_a_layout_change_behind_a_block_is_that_blocks():
    nodes = [
        node("a/0_Conv", 10),
        node("ReorderOutput", 5, "ReorderOutput"),
        node("b/0_Conv", 10),
    ]
    assert [s.node_ns for s in attribute(nodes, 25, ["a", "b"])] == [15, 10]


def test_layout_changes_at_the_ends_go_to_the_only_neighbour():
    nodes = [
        node("", 1, "ReorderOutput"),
        node("a/0_Conv", 10),
        node("b/0_Conv", 10),
        node("", 2, "ReorderInput"),
    ]
    assert [s.node_ns for s in attribute(nodes, 23, ["a", "b"])] == [11, 12]


def test_several_unnamed_nodes_in_a_row_go_past_each_other():
    nodes = [
        node("a/0_Conv", 10),
        node("", 1, "ReorderOutput"),
        node("", 2, "ReorderInput"),
        node("b/0_Conv", 10),
    ]
    assert [s.node_ns for s in attribute(nodes, 23, ["a", "b"])] == [11, 12]


def test_a_place_whose_nodes_were_fused_away_gets_nothing():
    shares = attribute([node("a/0_Conv", 10)], 100, ["a", "b"])
    assert shares[1] == Share("b", 0, 0, 0)
    assert shares[0].latency_ns == 100


def test_nodes_of_another_network_are_refused():
    with pytest.raises(AttributionError, match="'stage9/0_Conv'.*does not have"):
        attribute([node("a/0_Conv", 10), node("stage9/0_Conv", 1)], 100, ["a"])


def test_a_profile_without_any_name_is_refused():
    with pytest.raises(AttributionError, match="no node"):
        attribute([node("Conv_1", 10)], 100, ["a"])


def test_a_profile_that_took_no_time_is_refused():
    with pytest.raises(AttributionError, match="no node that took time"):
        attribute([node("a/0_Conv", 0)], 100, ["a"])
    with pytest.raises(AttributionError):
        attribute([], 100, ["a"])
