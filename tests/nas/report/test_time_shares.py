import pytest

from nas.front_row import SegmentShare
from nas.report.time_shares import MOST_GROUPS, group_of, time_shares
from tests.nas.front_rows import made_up_language_report, made_up_report, made_up_row


@pytest.mark.parametrize(
    ("place", "key", "group"),
    [
        ("stem", "stem(side=28)@infer/fp32", "stem"),
        ("stage2.block3", "inverted_residual(side=7)@infer/fp32", "stage 2"),
        ("layer12.mixer", "mcsd(width=64)@decode(new=1)/fp32", "mixer: mcsd"),
        ("layer1.feed_forward", "neuron_groups(k=2)@decode/fp32", "feed forward: neuron groups"),
        ("stage4.block1.mixer", "attention(width=64)@infer/fp32", "mixer: attention"),
    ],
)
def test_segments_are_grouped_by_stage_or_by_what_they_do(place, key, group):
    assert group_of(SegmentShare(place, key, 1)) == group


@pytest.mark.parametrize("report", [made_up_report(), made_up_language_report()])
def test_the_groups_of_a_network_add_up_to_its_segments(report):
    shares = time_shares(report)
    assert len(shares.bars) == len(report.front)
    for bar in shares.bars:
        total = sum(part.latency_ns for part in bar.segments) / 1e6
        assert sum(piece.latency_ms for piece in bar.slices) == pytest.approx(total)
        assert bar.total_ms == pytest.approx(total)


def test_groups_stand_in_the_order_in_which_networks_run():
    groups = time_shares(made_up_report()).groups
    assert groups == ("stem", *(f"stage {n}" for n in range(1, 6)), "head")


def test_the_smallest_of_too_many_groups_are_shown_as_one():
    row = made_up_row(0)
    network = tuple(SegmentShare(f"part{n}", "k(a=1)@infer/fp32", 100 + n) for n in range(20))
    report = made_up_report(front=(row,), segments={row.architecture.id: network})
    shares = time_shares(report)
    assert len(shares.groups) == MOST_GROUPS
    assert shares.groups[-1] == "other"
    assert sum(piece.latency_ms for piece in shares.bars[0].slices) == pytest.approx(2190e-6)


def test_a_network_without_known_segments_has_no_bar():
    assert time_shares(made_up_report(segments={})).bars == ()
