import numpy as np
import pytest

from latency_lut import Predictor
from nas.samplers import ParetoSampler, SpaceCandidates
from nas.samplers.space_candidates import canonical_codes
from search_spaces import ImageTask, TextTask, hybrid, language, mobile
from tests.latency_lut.filled_lut import filled
from tests.latency_lut.networks import store_in, tiny_space

SPACES = {
    "tiny": tiny_space(),
    "mobile": mobile(ImageTask(1, 10, 28)),
    "language": language(TextTask(context=64)),
    "hybrid": hybrid(ImageTask(1, 10, 28)),
}


@pytest.fixture
def lut(tmp_path):
    with store_in(tmp_path) as store:
        yield lambda space: filled(store, space, lambda block, _: 1000 + 10 * len(block.key))


@pytest.mark.parametrize("name", SPACES)
def test_codes_are_canonical_as_the_space_itself_makes_them(name):
    space = SPACES[name]
    sizes = [len(choice.values) for choice in space.choices]
    codes = np.random.default_rng(0).integers(sizes, size=(50, len(sizes)), dtype=np.int16)
    found = canonical_codes(space, codes)
    assert found.tolist() == [space.encode(space.decode(row)).tolist() for row in codes]
    assert canonical_codes(space, found).tolist() == found.tolist()


def test_costs_are_those_of_the_lut(lut):
    space = tiny_space()
    predictor = Predictor(space, lut(space))
    found = SpaceCandidates(predictor)
    everything = found.everything()
    assert len(everything) == space.count()
    known = found.known(everything)
    for codes, (latency_ms, memory_mib) in zip(everything, known.costs, strict=True):
        expected = predictor.predict(space.decode(codes))
        assert latency_ms == pytest.approx(expected.phases[0].latency_ns * 1e-6)
        assert memory_mib == pytest.approx(expected.memory_bytes / 2**20, rel=1e-3)
    assert np.isfinite(known.features).all()
    assert (known.violations <= 0).all()


def test_a_budget_is_compared_with_the_high_end_of_the_interval(lut):
    space = tiny_space()
    predictor = Predictor(space, lut(space))
    one = space.encode(space.largest())[None]
    high_ms = predictor.predict_codes(one).phases[0].high_ns[0] * 1e-6
    for limit_ms, within in ((high_ms * 1.001, True), (high_ms * 0.999, False)):
        known = SpaceCandidates(predictor, max_latency_ms=limit_ms).known(one)
        assert bool(known.violations[0] <= 0) == within
    known = SpaceCandidates(predictor, max_memory_mib=known.costs[0, 1] / 2).known(one)
    assert known.violations[0] == pytest.approx(1.0)


def test_what_was_measured_of_a_network_takes_the_place_of_its_prediction(lut):
    space = tiny_space()
    measured = {space.smallest(): 0.25, space.largest(): 0.0}
    predictor = Predictor(space, lut(space))
    candidates = SpaceCandidates(predictor, max_latency_ms=1e-3, measured=measured)  # for none
    codes = np.array([space.encode(network) for network in measured])
    assert candidates.known(codes).violations.tolist() == [0.25, 0.0]
    assert (candidates.known(candidates.everything()).violations <= 0).sum() == 1


def test_trials_of_a_study_are_read_back_as_they_were_proposed(lut):
    space = SPACES["hybrid"]
    candidates = SpaceCandidates(Predictor(space, lut(space)))
    assert candidates.everything() is None
    codes = space.encode(space.sample(np.random.default_rng(3)))
    parameters = candidates.decode(codes)
    assert parameters.keys() == space.distributions().keys()
    assert candidates.encode(parameters).tolist() == codes.tolist()
    assert ParetoSampler(candidates, best=1.0).remaining_gain is None
