import numpy as np
import pytest

from latency_lut.memory import fit_memory

STATIC = [1000 * i for i in range(1, 21)]


def test_the_line_is_found_exactly_where_there_is_one():
    line = fit_memory(STATIC, [5000 + 2 * s for s in STATIC])
    assert (line.offset_bytes, line.slope, line.records) == (5000, 2, 20)
    assert line.calibrate(np.array([100.0])) == 5200


def test_four_wild_records_of_twenty_do_not_bend_it():
    peaks = [5000 + 2 * s for s in STATIC]
    peaks[3:7] = [10**9] * 4
    line = fit_memory(STATIC, peaks)
    assert line.slope == pytest.approx(2, rel=0.01)
    assert line.offset_bytes == pytest.approx(5000, rel=0.1)


def test_memory_never_falls_as_networks_grow():
    line = fit_memory(STATIC, [50_000 - s for s in STATIC])
    assert line.slope == 0


def test_too_few_records_or_sizes_make_no_line():
    assert fit_memory(STATIC[:7], STATIC[:7]) is None
    assert fit_memory([5] * 20, STATIC) is None


def test_an_unknown_size_stays_unknown():
    line = fit_memory(STATIC, STATIC)
    assert np.isnan(line.calibrate(np.array([np.nan]))).all()
