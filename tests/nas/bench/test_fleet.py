from contextlib import ExitStack

import pytest

from nas.bench.fleet import device_share, observations
from nas.campaign.crew import Crew
from nas.campaign.profiling import profile
from tests.latency_lut.networks import wide_space
from tests.nas.arithmetic_rig import arithmetic_rig


def job(asked_s, answered_s, waited_s=0.0):
    gate = {"waited_ns": int(waited_s * 1e9), "missed": []}
    return {"asked_s": asked_s, "answered_s": answered_s, "gate": gate}


def test_a_device_works_between_request_and_answer_but_for_the_way_there_and_back():
    share = device_share("board1", [job(10, 14), job(15, 20)], 0.5)
    assert share.networks == 2
    assert share.working == pytest.approx((3.5 + 4.5) / 10)
    assert (share.gap_s, share.longest_gap_s) == (1, 1)


def test_the_wait_at_the_gate_is_within_the_work_and_told_apart():
    share = device_share("board1", [job(0, 10, waited_s=2), job(10, 20, waited_s=1)], 0.0)
    assert share.working == pytest.approx(1)
    assert share.at_gate == pytest.approx(0.15)


def test_a_median_gap_hides_no_long_one():
    jobs = [job(0, 1), job(1.1, 2), job(2.1, 3), job(8, 9)]
    share = device_share("board1", jobs, 0.0)
    assert share.gap_s == pytest.approx(0.1)
    assert share.longest_gap_s == pytest.approx(5)


def test_a_device_that_measured_nothing_did_not_work():
    share = device_share("board1", [], 0.02)
    assert (share.networks, share.working, share.at_gate, share.longest_gap_s) == (0, 0, 0, 0)


def test_each_network_is_counted_for_the_device_that_measured_it(tmp_path):
    with ExitStack() as stack:
        rigs = [
            stack.enter_context(arithmetic_rig(tmp_path, wide_space(3, 8), device_name=name))
            for name in ("board1", "board2")
        ]
        campaign = profile(Crew(rigs))
        found = observations(rigs[0].store, rigs[0].profile.id, rigs[0].space.name)
    assert {name: len(jobs) for name, jobs in found.items()} == campaign.runs_by_device
    assert all(job["device"] == name for name, jobs in found.items() for job in jobs)
