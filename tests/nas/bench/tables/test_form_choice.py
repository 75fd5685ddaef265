import numpy as np

from nas.bench.tables.additive import Form, fit_additive
from nas.bench.tables.choice_terms import ChoiceRows
from nas.bench.tables.form_choice import choose_form
from tests.nas.bench.tables.test_additive import additive_latency, random_rows

CHOICES = (("choices",),)


def choose(networks, latency, view_sets=CHOICES):
    return choose_form(networks, latency, view_sets, np.random.default_rng(5))


def test_nothing_richer_than_choices_is_taken_for_latencies_that_are_sums_with_noise():
    networks = random_rows(250)
    noise = np.random.default_rng(3).normal(0, 0.3, 250)
    form = choose(networks, additive_latency(networks) + noise)
    assert (form.views, form.terms) == (("choices",), ())
    assert 0.99 <= form.lift <= 1.01


def test_a_robust_loss_is_taken_where_rows_were_disturbed():
    networks = random_rows(300)
    disturbed = np.where(np.arange(300) % 8 == 0, 1.7, 1.0)
    form = choose(networks, additive_latency(networks) * disturbed)
    assert form.loss in ("Huber", "absolute")


def test_a_context_term_is_taken_where_there_is_a_context_effect():
    networks = random_rows(400)
    codes = networks.views["choices"]
    apart = (codes[:, :-1] == 1) & (codes[:, 1:] == 2)
    form = choose(networks, additive_latency(networks) + 3 * apart.sum(axis=1))
    assert "neighbours" in form.terms


def test_the_reading_that_tells_what_runs_is_taken():
    written = random_rows(300)
    codes = written.views["choices"]
    running = np.where(codes[:, [0]] == 0, 0, codes)
    both = ChoiceRows({"choices": codes, "canonical": running}, 4, written.features)
    latency = additive_latency(ChoiceRows({"choices": running}, 4, written.features))
    noise = np.random.default_rng(3).uniform(0.97, 1.03, 300)
    form = choose(both, latency * noise, (("choices",), ("canonical",), ("choices", "canonical")))
    assert form.views == ("canonical",)


def test_plain_least_squares_stays_where_nothing_can_be_predicted():
    networks = random_rows(120)
    latency = np.random.default_rng(4).uniform(1.0, 1.001, 120)
    assert choose(networks, latency).terms == ()


def test_a_term_with_more_columns_than_rows_is_never_fitted():
    networks = random_rows(60, places=8, choices=5)
    form = choose(networks, additive_latency(networks))
    assert not {"pairs"} & set(form.terms)


def test_the_same_rows_and_generator_choose_the_same_form():
    networks = random_rows(200)
    latency = additive_latency(networks) * np.random.default_rng(3).uniform(0.9, 1.1, 200)
    assert choose(networks, latency) == choose(networks, latency)


def test_a_lift_is_taken_where_half_of_the_rows_are_a_little_slower():
    networks = random_rows(400)
    slower = np.where(np.random.default_rng(6).random(400) < 0.4, 1.115, 1.0)
    latency = additive_latency(networks) * slower
    form = choose(networks, latency)
    predicted = fit_additive(networks, latency, form).predict(networks)
    plain = fit_additive(networks, latency, Form(("choices",), "plain squares")).predict(networks)
    far = [np.mean(np.abs(p / latency - 1) > 0.1) for p in (predicted, plain)]
    assert far[0] <= far[1] + 0.02
