"""The model is shown networks that follow its own equations, and some that do not."""

import numpy as np
import numpy.typing as npt
import pytest

from latency_lut.memory import (
    FEWEST_RECORDS,
    LARGEST,
    STATIC,
    SUMMED,
    MemoryModel,
    fit_memory_model,
    network_traits,
    summed_traits,
)
from search_spaces import SegmentCost, network_cost

MEGABYTE = 1e6
Floats = npt.NDArray[np.float64]


def cost(**changes: int) -> SegmentCost:
    numbers = dict.fromkeys(("params", "active_params", "macs", "weight_bytes", "peak_bytes"), 0)
    numbers |= {"state_bytes": 0, "lasting_bytes": 0, "operators": 1, "operator_kinds": 1}
    return SegmentCost(**{**numbers, **changes})


def random_traits(n: int, phases: int = 1) -> Floats:
    """(n, F, S + L) of networks of 1 to 10 MB; phases differ in what is alive."""
    rng = np.random.default_rng(1)
    weight = rng.uniform(1, 10, (n, 1)) * MEGABYTE
    alive = rng.uniform(0.5, 8, (n, phases)) * MEGABYTE
    columns = {
        "weight_bytes": np.repeat(weight, phases, 1),
        "convolution_bytes": np.repeat(weight * 0.9, phases, 1),
        "operators": np.repeat(rng.integers(40, 200, (n, 1)).astype(float), phases, 1),
        "state_bytes": 0.1 * alive,
        "peak_bytes": 4 * alive,
        "lasting_bytes": np.zeros_like(alive),
    }
    largest = {
        "peak_bytes": alive,
        "workspace_bytes": rng.uniform(0, 1, (n, phases)) * MEGABYTE,
        "operator_kinds": np.full((n, phases), 8.0),
    }
    return np.stack([columns[name] for name in SUMMED] + [largest[name] for name in LARGEST], 2)


def peaks(traits: Floats) -> Floats:
    """(n,) bytes of a device where loading takes twice the weights, running once and the rest."""
    name = {trait: traits[:, :, i] for i, trait in enumerate(SUMMED)}
    alive = traits[:, :, len(SUMMED)] + traits[:, :, len(SUMMED) + 1]
    loading = MEGABYTE + name["weight_bytes"] + 1.1 * name["convolution_bytes"]
    running = 2 * MEGABYTE + name["weight_bytes"] + 9000 * name["operators"] + 1.2 * alive
    return np.maximum(loading, running).max(axis=1)


def predict(model: MemoryModel, traits: Floats) -> Floats:
    by_phase = traits.swapaxes(0, 1)
    added = model.added(by_phase[:, :, : len(SUMMED)])
    return model.predict(added, by_phase[:, :, len(SUMMED) :]).peak_bytes


@pytest.mark.parametrize("phases", [1, 2])
def test_a_device_that_follows_the_equations_is_predicted_on_unseen_networks(phases: int):
    seen, unseen = np.split(random_traits(140, phases), [80])

    model = fit_memory_model(seen, peaks(seen))

    assert model is not None
    assert model.records == 80
    error = np.abs(predict(model, unseen) / peaks(unseen) - 1)
    assert error.mean() < 0.01
    assert error.max() < 0.05


def test_a_few_records_leave_the_coefficients_near_what_is_expected():
    traits = random_traits(60)
    few = fit_memory_model(traits[:FEWEST_RECORDS], peaks(traits[:FEWEST_RECORDS]))

    assert few is not None
    assert np.abs(predict(few, traits) / peaks(traits) - 1).mean() < 0.10


def test_wild_records_bend_the_model_little():
    traits = random_traits(120)
    measured = peaks(traits)
    wild = measured.copy()
    wild[:60:10] *= 5

    model = fit_memory_model(traits[:60], wild[:60])

    assert model is not None
    assert np.abs(predict(model, traits[60:]) / measured[60:] - 1).mean() < 0.03


def test_the_interval_holds_nineteen_of_twenty_unseen_networks():
    traits = random_traits(400)
    measured = peaks(traits) * np.random.default_rng(2).normal(1, 0.05, 400)
    model = fit_memory_model(traits[:100], measured[:100])

    assert model is not None
    unseen = traits[100:].swapaxes(0, 1)
    added = model.added(unseen[:, :, : len(SUMMED)])
    found = model.predict(added, unseen[:, :, len(SUMMED) :])
    inside = (found.low_bytes <= measured[100:]) & (measured[100:] <= found.high_bytes)
    assert 0.90 <= inside.mean() <= 0.99


def test_memory_never_falls_as_networks_grow():
    traits = random_traits(60)
    model = fit_memory_model(traits, peaks(traits)[::-1].copy())

    assert model is not None
    assert (predict(model, traits * 1.1) >= predict(model, traits)).all()


def test_too_few_records_make_no_model():
    traits = random_traits(FEWEST_RECORDS - 1)
    assert fit_memory_model(traits, peaks(traits)) is None


def test_records_with_unknown_traits_or_peaks_are_left_out():
    traits = random_traits(20)
    measured = peaks(traits)
    measured[3] = np.nan
    traits[5, 0, 2] = np.nan

    model = fit_memory_model(traits, measured)

    assert model is not None
    assert model.records == 18


def test_what_is_unknown_of_a_network_stays_unknown():
    traits = random_traits(20)
    model = fit_memory_model(traits, peaks(traits))

    assert model is not None
    traits[4, 0, 0] = np.nan
    assert np.flatnonzero(np.isnan(predict(model, traits))).tolist() == [4]


def test_shares_of_segments_add_up_to_their_network():
    traits = random_traits(20)
    model = fit_memory_model(traits, peaks(traits))
    segments = [cost(weight_bytes=1000, peak_bytes=70), cost(weight_bytes=500, peak_bytes=90)]

    assert model is not None
    whole = model.added(network_traits(segments)[: len(SUMMED)])
    parts = sum(model.added(summed_traits(segment)) for segment in segments)
    np.testing.assert_allclose(parts, whole)


def test_a_network_sums_some_traits_and_has_the_largest_of_others():
    found = network_traits(
        [
            cost(weight_bytes=10, convolution_bytes=4, peak_bytes=7, operators=3, operator_kinds=2),
            cost(weight_bytes=20, state_bytes=5, peak_bytes=9, workspace_bytes=8, operators=6),
        ]
    )

    assert found.tolist() == [30, 4, 9, 5, 16, 0] + [9, 8, 2]


def test_what_is_calculated_is_the_memory_of_the_network_cost():
    segments = [
        cost(weight_bytes=10, state_bytes=3, peak_bytes=7, lasting_bytes=2),
        cost(weight_bytes=20, peak_bytes=9),
    ]
    traits = network_traits(segments)[None, None]  # (1, 1, S + L)
    assert predict(STATIC, traits).tolist() == [network_cost(segments).memory_bytes]
    assert STATIC.kind == "static"
