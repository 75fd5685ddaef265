import json
from dataclasses import replace

import pytest

from latency_lut import Ceilings, DominatedChoice
from nas.lut_rows import (
    DOMINATED_COLUMNS,
    SEGMENT_COLUMNS,
    ceiling_words,
    common_ending,
    dominated_cells,
    dominated_rows,
    segment_cells,
    segment_rows,
)
from tests.latency_lut.filled_lut import COST, filled
from tests.latency_lut.networks import store_in, tiny_space

# 48 bytes and 40 operations a segment take 12 and 0.4 ns at best.
CEILINGS = Ceilings(flops_per_s=100 * 10**9, bytes_per_s=4 * 10**9, quality="good")
SPACE = tiny_space()


@pytest.fixture
def lut(tmp_path):
    """Dense layers of 20 ns, and of 40 ns with a bias; those of size 100 are noisy."""
    with store_in(tmp_path) as store:
        return filled(
            store,
            SPACE,
            lambda block, _: 40 if block.bias else 20,
            quality=lambda block: "noisy" if block.size == 100 else "good",
            spread=0.1,
        )


def row_of(rows, block: str):
    return next(row for row in rows if row["segment"] == f"dense({block})@infer/fp32")


def test_a_row_tells_cost_spread_rates_ceilings_and_verdicts(lut):
    row = row_of(segment_rows(SPACE, lut, CEILINGS), "bias=1,size=10")
    assert row == {
        "segment": "dense(bias=1,size=10)@infer/fp32",
        "latency_ms": pytest.approx(40e-6),
        "low_ms": pytest.approx(36e-6),
        "high_ms": pytest.approx(44e-6),
        "spread": pytest.approx(0.1),
        "carriers": 2,
        "quality": "good",
        "gflop_s": pytest.approx(1.0),
        "gb_s": pytest.approx(1.2),
        "flop_per_byte": pytest.approx(40 / 48),
        "ceiling_gflop_s": pytest.approx(100),
        "ceiling_gb_s": pytest.approx(4),
        "ceiling_quality": "good",
        "bound": "memory",
        "ceiling_share": pytest.approx(0.3),
        "wastes_bandwidth": True,
        "dominated_by": "dense(bias=0,size=10)@infer/fp32",
    }


def test_rows_are_json_and_the_dearest_stands_first(lut):
    rows = segment_rows(SPACE, lut, CEILINGS)
    latencies = [row["latency_ms"] for row in rows]
    assert latencies == sorted(latencies, reverse=True)
    assert json.loads(json.dumps(rows)) == rows


def test_segments_of_other_spaces_are_left_out(lut):
    one_size = SPACE.restricted({"size": [1]})
    assert 0 < len(segment_rows(one_size, lut, None)) < len(segment_rows(SPACE, lut, None))


def test_without_ceilings_the_rates_stand_alone(lut):
    row = row_of(segment_rows(SPACE, lut, None), "bias=0,size=10")
    assert row["gflop_s"] == pytest.approx(2.0)
    names = ("ceiling_gflop_s", "ceiling_gb_s", "ceiling_quality", "bound", "ceiling_share")
    assert [row[name] for name in (*names, "wastes_bandwidth")] == [None] * 6


def test_cells_say_in_words_what_is_wrong_with_a_segment(lut):
    rows = segment_rows(SPACE, lut, CEILINGS)
    cells = {cell[0]: dict(zip(SEGMENT_COLUMNS, cell, strict=True)) for cell in segment_cells(rows)}
    biased = cells["dense(bias=1,size=10)"]
    assert (biased["of ceiling"], biased["±"]) == ("30% memory", "10%")
    assert biased["remarks"] == "wastes bandwidth, dominated"
    assert cells["dense(bias=0,size=10)"]["remarks"] == ""
    assert cells["dense(bias=0,size=100)"]["remarks"] == "noisy"


def test_what_all_keys_end_in_is_cut_off(lut):
    rows = segment_rows(SPACE, lut, None)
    assert common_ending(rows) == "@infer/fp32"
    others = [*rows, {**rows[0], "segment": "dense(size=1)@learn/fp32"}]
    assert common_ending(others) == common_ending([]) == ""
    assert segment_cells(others)[-1][0] == "dense(size=1)@learn/fp32"


def test_a_segment_that_takes_no_time_has_no_spread_and_no_rates(lut):
    key = "dense(bias=0,size=10)@infer/fp32"
    none = replace(lut.entries[key], latency_ns=0, low_ns=0, high_ns=0)
    row = row_of(segment_rows(SPACE, replace(lut, entries={key: none}), CEILINGS), "bias=0,size=10")
    assert [row[name] for name in ("spread", "gflop_s", "gb_s", "ceiling_share")] == [None] * 4


def test_ceilings_are_told_with_their_doubt():
    assert ceiling_words(CEILINGS) == "ceilings 100 GFLOP/s and 4 GB/s"
    assert ceiling_words(replace(CEILINGS, quality="noisy")).endswith("(noisy)")
    assert "nas profile" in ceiling_words(None)


def test_a_dominated_choice_is_told_with_the_contexts_that_it_holds_in():
    choice = DominatedChoice(
        places=("stage1.block2", "stage1.block3"),
        choice="kernel=5",
        by="kernel=3",
        contexts=3,
        compared=4,
        faster_share=0.123,
    )
    (row,) = dominated_rows([choice])
    assert json.loads(json.dumps(row)) == row
    assert row["places"] == ["stage1.block2", "stage1.block3"]
    (cells,) = dominated_cells([choice])
    assert len(cells) == len(DOMINATED_COLUMNS)
    assert cells == ["stage1.block2, stage1.block3", "kernel=5", "kernel=3", "12%", "3 of 4"]


def test_the_made_up_cost_is_what_the_numbers_here_are_worked_out_from():
    assert (COST.macs, COST.weight_bytes + COST.peak_bytes) == (20, 48)
