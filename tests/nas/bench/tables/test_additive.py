from dataclasses import replace

import numpy as np
import pytest

from nas.bench.tables.additive import Form, fit_additive
from nas.bench.tables.choice_terms import ChoiceRows, choice_columns

ROBUST = Form(("choices",), "absolute")
LOSSES = ("plain squares", "squares", "Huber", "absolute")


def random_rows(n, places=6, choices=4, seed=0):
    codes = np.random.default_rng(seed).integers(choices, size=(n, places))
    return ChoiceRows({"choices": codes}, choices, np.zeros((n, 0)))


def additive_latency(networks, seed=1):
    """10 ms, and 0.1 to 3 ms for each choice in its place."""
    columns = choice_columns(networks, ["choices"])
    values = np.random.default_rng(seed).uniform(0.1, 3.0, columns.shape[1])
    values[0] = 10.0
    return columns @ values


@pytest.mark.parametrize("loss", LOSSES)
def test_latencies_that_are_sums_are_predicted_for_unseen_networks(loss):
    networks = random_rows(500)
    latency = additive_latency(networks)
    model = fit_additive(networks.take(slice(0, 200)), latency[:200], Form(("choices",), loss))
    assert model.predict(networks.take(slice(200, 500))) == pytest.approx(latency[200:], rel=1e-3)


def test_rows_disturbed_upwards_do_not_move_the_others():
    networks = random_rows(600)
    latency = additive_latency(networks)
    disturbed = latency * np.where(np.arange(600) % 7 == 0, 1.8, 1.0)
    errors = {}
    for loss in ("squares", "absolute"):
        model = fit_additive(networks, disturbed, Form(("choices",), loss))
        errors[loss] = np.abs(model.predict(networks) / latency - 1).mean()
    assert errors["absolute"] < 0.002 < 0.03 < errors["squares"]


@pytest.mark.parametrize("loss", LOSSES)
def test_the_unit_of_time_changes_nothing_but_the_unit(loss):
    networks = random_rows(150)
    latency = additive_latency(networks) * np.random.default_rng(2).uniform(0.9, 1.2, 150)
    form = Form(("choices",), loss, () if loss == "plain squares" else ("counts", "size"))
    in_ms = fit_additive(networks, latency, form).predict(networks)
    in_ns = fit_additive(networks, latency * 1e6, form).predict(networks)
    assert in_ns == pytest.approx(in_ms * 1e6, rel=1e-6)


def test_plain_squares_are_those_of_the_textbook():
    networks = random_rows(100)
    latency = additive_latency(networks) * np.random.default_rng(2).uniform(0.8, 1.2, 100)
    columns = choice_columns(networks, ["choices"])
    expected = columns @ np.linalg.pinv(columns) @ latency
    plain = fit_additive(networks, latency, Form(("choices",), "plain squares"))
    assert plain.predict(networks) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("term", "context"),
    [
        ("counts", lambda codes: 60 * (codes == 0).mean(axis=1) ** 2),
        ("neighbours", lambda codes: ((codes[:, :-1] == 1) & (codes[:, 1:] == 2)).sum(axis=1)),
        ("pairs", lambda codes: 4 * ((codes[:, 0] == 3) & (codes[:, 4] == 1))),
    ],
)
def test_a_context_effect_is_seen_by_its_term(term, context):
    networks = random_rows(1500)
    latency = additive_latency(networks) + context(networks.views["choices"])
    train, unseen = networks.take(slice(0, 900)), networks.take(slice(900, 1500))
    errors = [
        np.abs(fit_additive(train, latency[:900], form).predict(unseen) / latency[900:] - 1).mean()
        for form in (Form(("choices",), "squares"), Form(("choices",), "squares", (term,)))
    ]
    assert errors[1] < 0.6 * errors[0]


def test_large_networks_out_of_cache_are_seen_by_the_size_term():
    networks = random_rows(900)
    total = additive_latency(networks) - 10.0
    latency = total * np.exp(0.3 * np.log(total / total.mean()))
    plain, size = (
        np.abs(fit_additive(networks, latency, form).predict(networks) / latency - 1).mean()
        for form in (ROBUST, replace(ROBUST, terms=("size",)))
    )
    assert size < 0.5 * plain


def test_a_lift_multiplies_what_is_predicted():
    networks = random_rows(100)
    latency = additive_latency(networks)
    lifted = fit_additive(networks, latency, replace(ROBUST, terms=("size",), lift=1.02))
    plain = fit_additive(networks, latency, replace(ROBUST, terms=("size",)))
    assert lifted.predict(networks) == pytest.approx(1.02 * plain.predict(networks))


def test_a_choice_never_fitted_costs_what_no_row_told_and_no_latency_is_below_zero():
    networks = random_rows(200)
    networks.views["choices"][:, 0] = np.arange(200) % 2
    latency = additive_latency(networks)
    strange = networks.take(slice(0, 10))
    strange.views["choices"][:, 0] = 3
    predicted = fit_additive(networks, latency, ROBUST).predict(strange)
    assert np.all(predicted > 0)
    steep = fit_additive(networks, 1000.0 ** networks.views["choices"][:, 1], ROBUST)
    assert np.all(steep.predict(networks) > 0)


def test_many_networks_are_predicted_as_few_are():
    networks = random_rows(45_000)
    latency = additive_latency(networks)
    model = fit_additive(networks.take(slice(0, 300)), latency[:300], ROBUST)
    whole = model.predict(networks)
    assert whole.shape == (45_000,)
    assert whole[-7:] == pytest.approx(model.predict(networks.take(slice(44_993, 45_000))))
