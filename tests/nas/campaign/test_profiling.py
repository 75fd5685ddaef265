import itertools
import random
from collections import Counter
from dataclasses import replace

import pytest

from device_agents import JobFailed
from latency_lut import FEWEST_CHECKED, AttributionError, coverage
from nas.campaign.crew import Crew
from nas.campaign.ledger import space_keys
from nas.campaign.profiling import campaign_words, profile
from search_spaces import Place, segment_key
from tests.latency_lut.networks import Dense, tiny_space, wide_space
from tests.nas.arithmetic_rig import FAILURE, ArithmeticSession, arithmetic_rig, scripted


def contexts(rig):
    return {key: e.carriers for key, e in rig.store.lut(rig.profile.id).entries.items()}


def sightings(rig):
    """Those in networks that were measured before, too: so small a space has few others."""
    entries = rig.store.lut(rig.profile.id).entries
    return {key: e.carriers + e.set_aside for key, e in entries.items()}


def test_the_keys_of_a_space_are_those_of_all_blocks_that_may_ever_stand_somewhere():
    # Two stems, two middle blocks with and without a bias in either size, one head.
    assert len(space_keys(tiny_space())) == 2 + 4 + 1
    assert len(space_keys(tiny_space(phases=("infer", "learn")))) == 2 * (2 + 4 + 1)


def test_a_campaign_ends_when_every_segment_was_seen_in_as_many_networks_as_wanted(tmp_path):
    space = tiny_space()
    with arithmetic_rig(tmp_path, space) as rig:
        campaign = profile(Crew([rig]), contexts_wanted=2)
        assert contexts(rig).keys() == space_keys(space)
        assert min(contexts(rig).values()) >= 2
        assert campaign.runs == len(rig.store.networks(rig.profile.id, purpose="carrier"))
    assert campaign.ended == "complete"
    assert campaign.coverage == campaign.done == 1.0
    assert campaign.failures == ()


def test_what_the_lut_already_knows_is_not_measured_again(tmp_path):
    with arithmetic_rig(tmp_path, tiny_space()) as rig:
        whole = profile(Crew([rig]), contexts_wanted=1).carriers
        assert profile(Crew([rig]), contexts_wanted=1).carriers == 0
        more = profile(Crew([rig]), contexts_wanted=2)
        assert 0 < more.carriers <= 2 * whole
        assert more.ended == "complete"


def test_when_the_minutes_are_over_the_carrier_in_flight_is_the_last(tmp_path):
    seconds = itertools.count(step=10)
    with arithmetic_rig(tmp_path, tiny_space()) as rig:
        campaign = profile(Crew([rig]), minutes=0.5, clock=lambda: next(seconds))
        assert len(rig.store.networks(rig.profile.id)) == campaign.runs
    assert campaign.ended == "minutes"
    assert campaign.carriers == 1
    assert 0 < campaign.coverage < 1


def test_progress_grows_with_each_carrier_and_estimates_what_is_left(tmp_path):
    seen = []
    seconds = itertools.count()
    with arithmetic_rig(tmp_path, tiny_space()) as rig:
        end = profile(Crew([rig]), on_progress=seen.append, clock=lambda: next(seconds))
    assert [c.runs for c in seen] == list(range(1, end.runs + 1))
    shares = [c.done for c in seen]
    assert shares == sorted(shares)
    assert seen[0].remaining_s > 0
    assert seen[-1].remaining_s == 0
    assert campaign_words(seen[-1]) == f"{end.carriers} carriers, {end.runs} runs, 7/7 keys"


def test_one_network_that_fails_is_told_and_the_campaign_goes_on(tmp_path):
    session = ArithmeticSession(scripted("good", FAILURE))
    with arithmetic_rig(tmp_path, tiny_space(), session) as rig:
        campaign = profile(Crew([rig]), contexts_wanted=2)
        assert min(sightings(rig).values()) >= 2
    assert campaign.failures == (str(FAILURE),)
    assert campaign.ended == "complete"


def test_three_failures_in_a_row_are_the_devices_fault_and_what_was_measured_stays(tmp_path):
    session = ArithmeticSession(scripted("good", FAILURE, FAILURE, FAILURE, FAILURE))
    with arithmetic_rig(tmp_path, tiny_space(), session) as rig:
        with pytest.raises(JobFailed, match="it died"):
            profile(Crew([rig]))
        assert len(session.jobs) == 5  # the last is the good one again
        assert len(rig.store.networks(rig.profile.id)) == 1


def test_a_device_that_fails_from_its_first_network_on_is_asked_three_times(tmp_path):
    session = ArithmeticSession(lambda _: FAILURE)
    with arithmetic_rig(tmp_path, tiny_space(), session) as rig:
        with pytest.raises(JobFailed, match="it died"):
            profile(Crew([rig]))
    assert len(session.jobs) == 3


def test_a_device_that_runs_what_it_ran_before_is_trusted_after_three_failures(tmp_path):
    session = ArithmeticSession(scripted("good", FAILURE, FAILURE, FAILURE))
    with arithmetic_rig(tmp_path, tiny_space(), session) as rig:
        campaign = profile(Crew([rig]))
    assert len(campaign.failures) == 3
    assert campaign.ended == "complete"


def test_the_one_segment_that_the_device_cannot_run_is_found_and_given_up(tmp_path):
    def breaks_at_the_head(nodes):
        return FAILURE if any(node.name.startswith("head") for node in nodes) else "good"

    space = tiny_space()
    with arithmetic_rig(tmp_path, space, ArithmeticSession(breaks_at_the_head)) as rig:
        campaign = profile(Crew([rig]), contexts_wanted=2)
        culprit = segment_key(rig.space.places[-1].make({"head": True}), space.phases[0], "fp32")
        assert sightings(rig).keys() == space_keys(space) - {culprit}
        assert min(sightings(rig).values()) >= 2
    assert campaign.ended == "failures"
    assert campaign.given_up == (culprit,)
    assert (campaign.known, campaign.total) == (6, 7)


def test_a_corner_of_the_space_that_the_device_cannot_run_is_tried_once(tmp_path):
    """Its memory, say, does not hold the largest network, of which each segment runs elsewhere."""

    def breaks_at_the_largest(nodes):
        return FAILURE if all(node.op_type == "Gemm" for node in nodes) else "good"

    def place(number):
        def make(values):
            return Dense(size=1 + 3 * number + (v := values[f"choice{number}"]), bias=v == 2)

        return Place(f"place{number}", (f"choice{number}",), make)

    space = replace(wide_space(40, 3), places=tuple(map(place, range(40))))
    with arithmetic_rig(tmp_path, space, ArithmeticSession(breaks_at_the_largest)) as rig:
        campaign = profile(Crew([rig]), contexts_wanted=2)
        ran = {carrier.id for carrier in rig.store.carriers(space, rig.profile.id, "fp32")}
        assert campaign.known == campaign.total
    assert campaign.failures == (str(FAILURE),)
    assert campaign.ended == "complete"
    assert space.smallest().id in ran
    assert space.largest().id not in ran


@pytest.mark.parametrize("seed", range(8))
def test_no_segment_is_given_up_for_one_that_stood_beside_it(tmp_path, seed):
    def first(values):
        return Dense(size=1 + values["choice0"], bias=values["choice0"] == 3)

    def breaks_at_a_bias(nodes):
        return FAILURE if any(node.op_type == "Gemm" for node in nodes) else "good"

    wide = wide_space(places=4, options=4)
    space = replace(wide, places=(Place("place0", ("choice0",), first), *wide.places[1:]))
    with arithmetic_rig(tmp_path, space, ArithmeticSession(breaks_at_a_bias)) as rig:
        campaign = profile(Crew([rig]), contexts_wanted=1, seed=seed)
    assert campaign.given_up == ("dense(bias=1,size=4)@infer/fp32",)
    assert campaign.known == campaign.total - 1


def test_a_segment_that_fails_in_one_phase_is_given_up_in_all(tmp_path):
    def breaks_at_the_head(nodes):
        return FAILURE if any(node.name.startswith("head") for node in nodes) else "good"

    space = tiny_space(("infer", "learn"))
    with arithmetic_rig(tmp_path, space, ArithmeticSession(breaks_at_the_head)) as rig:
        campaign = profile(Crew([rig]), contexts_wanted=2)
        head = space.places[-1].make({"head": True})
        culprits = {segment_key(head, phase, "fp32") for phase in space.phases}
        assert sightings(rig).keys() == space_keys(space) - culprits
    assert set(campaign.given_up) == culprits
    assert campaign.ended == "failures"


def test_two_segments_that_fail_only_together_are_both_known_in_the_end(tmp_path):
    def breaks_with_head_and_bias(nodes):
        has_head = any(node.name.startswith("head") for node in nodes)
        has_bias = any(node.op_type == "Gemm" for node in nodes)
        return FAILURE if has_head and has_bias else "good"

    with arithmetic_rig(
        tmp_path, tiny_space(), ArithmeticSession(breaks_with_head_and_bias)
    ) as rig:
        campaign = profile(Crew([rig]), contexts_wanted=2)
    assert campaign.failures
    assert campaign.given_up == ()
    assert campaign.ended == "complete"


def test_a_profile_of_another_network_is_a_failed_carrier_and_no_end(tmp_path):
    wrong = AttributionError("node 'x' is of a place that the network does not have")
    session = ArithmeticSession(scripted("good", wrong))
    with arithmetic_rig(tmp_path, tiny_space(), session) as rig:
        campaign = profile(Crew([rig]))
    assert campaign.failures == (str(wrong),)
    assert campaign.ended == "complete"


def runs(rig):
    """Architectures in the order in which they ran."""
    return [record.architecture_id for record in rig.store.networks(rig.profile.id)]


def test_a_flagged_carrier_runs_again_behind_all_others(tmp_path):
    session = ArithmeticSession(scripted("good", "noisy", "good"))
    with arithmetic_rig(tmp_path, wide_space(1, 8), session) as rig:
        campaign = profile(Crew([rig]), contexts_wanted=1)
        first_eight, last = runs(rig)[:8], runs(rig)[8:]
        assert last == [first_eight[1]]
        assert len(set(first_eight)) == 8
        entries = rig.store.lut(rig.profile.id).entries.values()
        assert {(e.quality, e.carriers) for e in entries} == {("good", 1)}
    assert campaign.ended == "complete"


def test_a_carrier_that_is_flagged_again_is_let_be(tmp_path):
    with arithmetic_rig(
        tmp_path, wide_space(1, 8), ArithmeticSession(lambda _: "throttled")
    ) as rig:
        profile(Crew([rig]), contexts_wanted=1)
        assert set(Counter(runs(rig)).values()) == {2}
        assert len(runs(rig)) == 16


def test_one_carrier_in_twenty_runs_a_second_time_behind_the_others(tmp_path):
    with arithmetic_rig(tmp_path, wide_space(1, 40)) as rig:
        campaign = profile(Crew([rig]), contexts_wanted=1)
        order = runs(rig)
        assert len(set(order[:40])) == 40
        assert len(order) == campaign.runs == 42
        assert campaign.carriers == 40
        assert len(set(order[40:])) == 2
        repeat = rig.store.lut(rig.profile.id).group("wide", "infer").repeat
        assert (repeat.median, repeat.networks) == (0.0, 2)


def test_carriers_run_in_random_order_so_that_drift_does_not_look_like_structure(tmp_path):
    orders = []
    for seed in (0, 1):
        (tmp_path / str(seed)).mkdir()
        with arithmetic_rig(tmp_path / str(seed), wide_space(1, 12)) as rig:
            profile(Crew([rig]), contexts_wanted=1, seed=seed)
            orders.append(list(dict.fromkeys(runs(rig))))
    assert sorted(orders[0]) == sorted(orders[1])
    assert orders[0] != orders[1]


def test_where_contexts_come_cheap_carriers_sharpen_until_there_is_one_for_five_keys(tmp_path):
    with arithmetic_rig(tmp_path, space := wide_space(20, 3)) as rig:
        assert len(space_keys(space)) == 60
        campaign = profile(Crew([rig]), contexts_wanted=2)
        assert campaign.ended == "complete"
        assert len(rig.store.carriers(space, rig.profile.id, "fp32")) == 60 // 5
        assert min(contexts(rig).values()) >= 2
        assert sum(contexts(rig).values()) == 20 * 60 // 5
        assert profile(Crew([rig]), contexts_wanted=2).carriers == 0


def test_a_campaign_that_wants_each_segment_once_sharpens_none(tmp_path):
    with arithmetic_rig(tmp_path, space := wide_space(20, 3)) as rig:
        profile(Crew([rig]), contexts_wanted=1)
        assert len(rig.store.carriers(space, rig.profile.id, "fp32")) == 3


def flags_of(*choices):
    """Each job gets one of these, all phases the same one, or each phase one of its own."""

    def flags(phases, each):
        rng = random.Random(0)
        drawn = (tuple(rng.choice(choices) for _ in range(phases)) for _ in itertools.count())
        return lambda _: next(drawn) if each else next(drawn)[0]

    return flags


DEVICES = {
    "good": flags_of("good"),
    "noisy": flags_of("noisy"),
    "mixed": flags_of("good", "good", "noisy", "drifted"),
}


@pytest.mark.parametrize("wanted", [1, 2])
@pytest.mark.parametrize("each", [False, True], ids=["all phases", "each phase"])
@pytest.mark.parametrize("device", DEVICES)
def test_a_second_campaign_has_nothing_to_do(tmp_path, wanted, each, device):
    session = ArithmeticSession(DEVICES[device](2, each))
    with arithmetic_rig(tmp_path, tiny_space(("infer", "learn")), session) as rig:
        assert profile(Crew([rig]), contexts_wanted=wanted).ended == "complete"
        again = profile(Crew([rig]), contexts_wanted=wanted)
    assert (again.carriers, again.ended) == (0, "complete")


@pytest.mark.parametrize("wanted", [1, 2])
@pytest.mark.parametrize("device", DEVICES)
def test_nor_has_one_of_a_space_with_many_more_networks(tmp_path, wanted, device):
    session = ArithmeticSession(DEVICES[device](1, False))
    with arithmetic_rig(tmp_path, wide_space(12, 3), session) as rig:
        assert profile(Crew([rig]), contexts_wanted=wanted).ended == "complete"
        assert profile(Crew([rig]), contexts_wanted=wanted).carriers == 0


def test_a_device_that_is_never_quiet_is_measured_a_few_times_more_and_then_let_be(tmp_path):
    with arithmetic_rig(tmp_path, tiny_space(), ArithmeticSession(lambda _: "noisy")) as noisy:
        campaign = profile(Crew([noisy]), contexts_wanted=1)
        assert min(sightings(noisy).values()) >= 2
    assert campaign.ended == "complete"
    assert campaign.coverage == 1.0


def test_flagged_networks_beside_good_ones_count_for_the_next_campaign_too(tmp_path):
    session = ArithmeticSession(scripted(*["good", "noisy", "noisy"] * 20))
    with arithmetic_rig(tmp_path, tiny_space(), session) as rig:
        assert profile(Crew([rig]), contexts_wanted=3).ended == "complete"
        assert profile(Crew([rig]), contexts_wanted=3).carriers == 0


def test_the_only_network_of_a_space_measured_twice_in_noise_counts_for_the_next_campaign(tmp_path):
    one = {"size": [1], "depth": [1], "bias1": [False], "head": [True]}
    space = tiny_space().restricted(one)
    with arithmetic_rig(tmp_path, space, ArithmeticSession(lambda _: "noisy")) as noisy:
        assert profile(Crew([noisy]), contexts_wanted=1).runs == 2
        assert profile(Crew([noisy]), contexts_wanted=1).carriers == 0


def test_two_campaigns_of_one_seed_measure_the_same_networks(tmp_path):
    runs = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        with arithmetic_rig(tmp_path / name, tiny_space()) as rig:
            profile(Crew([rig]), seed=3)
            runs.append([r.architecture_id for r in rig.store.networks(rig.profile.id)])
    assert runs[0] == runs[1]


def test_a_campaign_counts_only_what_this_device_profile_has_measured(tmp_path):
    with arithmetic_rig(tmp_path, tiny_space()) as rig:
        profile(Crew([rig]), contexts_wanted=1)
        other = replace(rig.profile, id="profile-2")
        rig.store.add_profile(other)
        assert profile(Crew([replace(rig, profile=other)]), contexts_wanted=1).carriers > 0


def test_a_space_that_other_spaces_know_by_chance_has_a_few_networks_of_its_own_measured(tmp_path):
    with arithmetic_rig(tmp_path, tiny_space()) as rig:
        profile(Crew([rig]))
        alike = replace(rig, space=replace(tiny_space(), name="alike"))
        campaign = profile(Crew([alike]))
        assert campaign.ended == "complete"
        assert campaign.carriers >= FEWEST_CHECKED
        assert coverage(alike.space, rig.store.lut(rig.profile.id)).complete


def test_every_segment_is_seen_once_before_a_noisy_one_is_seen_again(tmp_path):
    carriers_until_all_known = []
    for name, quality in (("quiet", "good"), ("noisy", "noisy")):
        (tmp_path / name).mkdir()
        seen = []
        session = ArithmeticSession(lambda _, quality=quality: quality)
        with arithmetic_rig(tmp_path / name, tiny_space(), session) as rig:
            profile(Crew([rig]), contexts_wanted=2, on_progress=seen.append)
        carriers_until_all_known.append(next(c.runs for c in seen if c.coverage == 1.0))
    assert carriers_until_all_known[0] == carriers_until_all_known[1]
