import numpy as np
import optuna
import pytest

from nas.samplers import ChoiceCandidates, ParetoSampler
from nas.samplers.expected_gain import Reference, hypervolume
from nas.samplers.proposals import random_codes
from tests.nas.samplers.worlds import Decoders, Layers, evaluate, grid, study_of

REFERENCE = Reference(np.log(50.0), np.log([10.0]))


def share(rows, world):
    """Of the whole table's hypervolume, what these rows have."""
    errors, costs = np.log(100 - np.array(world.accuracies)), np.log(world.costs)[:, None]
    found = hypervolume(errors[rows], costs[rows], REFERENCE)
    return found / hypervolume(errors, costs, REFERENCE)


def search(sampler, world, trials):
    study, rows = study_of(sampler), []
    for _ in range(trials):
        trial = study.ask(dict(world.table.distributions))
        rows.append(world.table.row(trial.params))
        study.tell(trial, [world.accuracies[rows[-1]], world.costs[rows[-1]]])
    return rows, share(rows, world)


def test_it_finds_most_of_the_front_where_random_networks_have_little_of_it():
    world = grid()
    for seed in range(3):
        rows, found = search(ParetoSampler(world.table, best=100.0, seed=seed), world, 30)
        _, random = search(optuna.samplers.RandomSampler(seed), world, 30)
        assert found > 0.97 > random
        assert len(set(rows)) == 30


def test_a_table_is_searched_to_its_end_without_a_repeat():
    world = grid(3, 2)
    rows, found = search(ParetoSampler(world.table, best=100.0, seed=0), world, 8)
    assert sorted(rows) == list(range(8))
    assert found == pytest.approx(1.0)


def test_a_seed_repeats_a_search_exactly():
    first, second = (
        [codes.tolist() for codes in evaluate(study_of(ParetoSampler(s, best=1.0, seed=7)), s, 15)]
        for s in (Layers(8), Layers(8))
    )
    other = evaluate(study_of(ParetoSampler(Layers(8), best=1.0, seed=8)), Layers(8), 15)
    assert first == second
    assert first != [codes.tolist() for codes in other]


def test_a_large_conditional_space_is_searched_better_than_at_random():
    space = Layers(45)
    rng = np.random.default_rng(0)
    drawn = space.canonical(rng.integers(space.sizes, size=(400, 46), dtype=np.int16))

    def volume(codes):
        errors = np.log([1 - space.accuracy(c) for c in codes])
        costs = np.log(space.known(np.array(codes)).costs)
        return hypervolume(errors, costs, Reference(np.log(0.5), np.log([80.0])))

    def ours(seed):
        return volume(evaluate(study_of(ParetoSampler(space, best=1.0, seed=seed)), space, 40))

    # With a tenth of the evaluations.
    assert np.median([ours(seed) for seed in range(3)]) > volume(drawn)


def test_the_first_networks_are_spread_over_the_costs():
    space = Layers(10)
    first = evaluate(study_of(ParetoSampler(space, best=1.0, seed=0)), space, 8)
    costs = np.sort(np.log(space.known(np.array(first)).costs[:, 0]))
    assert np.diff(costs).max() < 0.6 * np.ptp(costs)
    assert np.ptp(costs) > 1.0


@pytest.mark.parametrize("seed", range(4))
def test_the_first_networks_show_what_the_most_important_choice_does(seed):
    space = Decoders()
    study = study_of(ParetoSampler(space, best=0.0, seed=seed), accuracy="minimize")
    evaluate(study, space, 8, value=space.error)
    assert len({trial.params["width"] for trial in study.trials}) >= 3


@pytest.mark.parametrize("seed", [3, 4])
def test_layers_that_are_worthless_in_narrow_networks_are_found_to_be_good_in_wide_ones(seed):
    space = Decoders()
    codes = random_codes(space, 20_000, np.random.default_rng(1))
    errors = np.log([space.error(of) for of in codes])
    costs = np.log(space.known(codes).costs)
    reference = Reference(float(np.quantile(errors, 0.9)), np.quantile(costs, 0.9, axis=0))
    study = study_of(ParetoSampler(space, best=0.0, seed=seed), accuracy="minimize")
    found = np.array(evaluate(study, space, 30, value=space.error))
    theirs = np.log([space.error(of) for of in found])
    share = hypervolume(theirs, np.log(space.known(found).costs), reference)
    assert share > 0.95 * hypervolume(errors, costs, reference)


@pytest.mark.parametrize("costs", [1, 2, 3])
def test_two_to_four_objectives_are_searched(costs):
    space = Layers(8, costs=costs)
    found = evaluate(study_of(ParetoSampler(space, best=1.0, seed=0), costs), space, 25)
    assert len({tuple(codes) for codes in found}) == 25


def test_plain_choices_with_costs_by_a_function_are_searched():
    choices = {"width": [8, 16, 32, 64], "act": ["relu", "tanh"]} | {
        f"more{n}": list(range(6)) for n in range(6)
    }

    def weights(columns):
        return columns["width"] * (2.0 + sum(columns[f"more{n}"] for n in range(6)))

    candidates = ChoiceCandidates(choices, weights, features=lambda c: c["act"] == "relu")
    assert candidates.everything() is None
    study = study_of(ParetoSampler(candidates, best=1.0, seed=0))
    found = []
    for _ in range(20):
        trial = study.ask(dict(candidates.distributions))
        found.append(tuple(trial.params.values()))
        cost = float(weights(trial.params))
        study.tell(trial, [1 - 1 / cost, cost])
    assert len(set(found)) == 20
    assert {act for _, act, *_ in found} == {"relu", "tanh"}


def test_nothing_beyond_the_budget_is_proposed():
    space = Layers(10, budget=9.0)
    found = evaluate(study_of(ParetoSampler(space, best=1.0, seed=0)), space, 30)
    assert space.known(np.array(found)).costs.max() <= 9.0


def test_where_no_network_is_within_the_budget_the_nearest_are_proposed():
    space = Layers(6, budget=1.0)
    (first, *_) = evaluate(study_of(ParetoSampler(space, best=1.0, seed=0)), space, 3)
    assert space.known(first[None]).costs[0, 0] == 2.0  # the cheapest there is


def test_workers_at_the_same_time_are_given_different_networks():
    space = Layers(10)
    study = study_of(ParetoSampler(space, best=1.0, seed=0))
    evaluate(study, space, 15)
    asked = [study.ask(dict(space.distributions)) for _ in range(8)]
    assert len({tuple(space.encode(trial.params)) for trial in asked}) == 8


def test_what_is_left_to_gain_falls_as_the_front_is_found():
    world = grid()
    sampler = ParetoSampler(world.table, best=100.0, seed=0)
    assert sampler.remaining_gain is None
    search(sampler, world, 15)
    early = sampler.remaining_gain
    sampler = ParetoSampler(world.table, best=100.0, seed=0)
    search(sampler, world, 60)
    assert 0 <= sampler.remaining_gain < 0.2 * early


def test_an_error_is_minimised_as_well_as_an_accuracy_is_maximised():
    space = Layers(8)
    study = study_of(ParetoSampler(space, best=0.0, seed=0), accuracy="minimize")
    errors = []
    for _ in range(30):
        trial = study.ask(dict(space.distributions))
        codes = space.encode(trial.params)
        errors.append(1 - space.accuracy(codes))
        study.tell(trial, [errors[-1], space.known(codes[None]).costs[0, 0]])
    assert min(errors[10:]) < min(errors[:10])


def test_a_study_with_other_objectives_is_refused():
    space = Layers(4)
    for directions in (["maximize"], ["maximize", "maximize"], ["maximize"] + ["minimize"] * 2):
        study = optuna.create_study(directions=directions, sampler=ParetoSampler(space, seed=0))
        with pytest.raises(ValueError, match="expected one to evaluate and then the 1 known costs"):
            study.ask(dict(space.distributions))


def test_trials_of_other_parameters_and_failed_ones_are_passed_over():
    space = Layers(6)
    study = study_of(ParetoSampler(space, best=1.0, seed=0))
    study.add_trial(
        optuna.trial.create_trial(
            params={"foreign": 1.0},
            distributions={"foreign": optuna.distributions.FloatDistribution(0, 2)},
            values=[0.9, 1.0],
        )
    )
    study.tell(study.ask(dict(space.distributions)), state=optuna.trial.TrialState.FAIL)
    assert len(evaluate(study, space, 15)) == 15


def test_networks_of_unknown_cost_and_infinite_errors_are_no_failure():
    class Gaps(Layers):
        def known(self, codes):
            found = super().known(codes)
            found.costs[codes[:, 1] == 2] = np.nan  # a value that was never measured
            return found

    space = Gaps(8)
    study = study_of(ParetoSampler(space, best=1.0, seed=0))
    first = {name: d.choices[-1] for name, d in space.distributions.items()}
    study.enqueue_trial(first)
    study.ask(dict(space.distributions))  # runs on, its cost unknown
    infinite = study.ask(dict(space.distributions))
    study.tell(infinite, [-np.inf, 2.0])
    found = evaluate(study, space, 20)
    assert all(codes[1] != 2 for codes in found)
    assert space.encode(infinite.params).tolist() not in [codes.tolist() for codes in found]


def test_a_parameter_that_is_no_choice_of_the_space_is_drawn():
    space = Layers(4)
    study = study_of(ParetoSampler(space, best=1.0, seed=0))
    trial = study.ask(dict(space.distributions))
    assert 0.0 <= trial.suggest_float("temperature", 0.0, 1.0) <= 1.0


def test_a_budget_near_which_hardly_a_random_network_is_is_used_up():
    names, scales = [f"choice{n}" for n in range(12)], np.linspace(1, 3, 12)
    values, rng = np.array([1.0, 2.0, 4.0, 8.0]), np.random.default_rng(0)
    budget = np.quantile(rng.choice(values, (200_000, 12)) @ scales, 1e-4)

    def cost(chosen):
        return sum(s * np.asarray(chosen[n], float) for n, s in zip(names, scales, strict=True))

    candidates = ChoiceCandidates(
        {name: values.tolist() for name in names},
        costs=cost,
        violations=lambda chosen: cost(chosen) / budget - 1,
    )
    study, costs = study_of(ParetoSampler(candidates, best=1.0, seed=2)), []
    for _ in range(30):
        trial = study.ask(dict(candidates.distributions))
        costs.append(float(cost(trial.params)))
        accuracy = 1 - 0.5 * np.exp(-sum(np.log2(trial.params[n] + 1) for n in names) / 14)
        study.tell(trial, [accuracy, costs[-1]])
    assert 0.97 * budget < max(costs[8:]) <= budget  # by the model, after the first points


def test_a_cost_that_is_the_same_for_all_takes_nothing_from_the_search():
    names = [f"choice{n}" for n in range(6)]
    found = []
    for constant in (False, True):

        def costs(chosen, constant=constant):
            total = 1.0 + sum(np.asarray(chosen[name], dtype=np.float64) for name in names)
            return np.column_stack([total, np.full_like(total, 7.0)]) if constant else total

        candidates = ChoiceCandidates({name: [0, 1, 2] for name in names}, costs)
        study = study_of(ParetoSampler(candidates, best=1.0, seed=1), 1 + constant)
        tried = []
        for _ in range(25):
            trial = study.ask(dict(candidates.distributions))
            codes = candidates.encode(trial.params)
            accuracy = 1 - 0.5 * np.exp(-np.sqrt(codes) @ np.linspace(1, 0.2, 6))
            cost = candidates.known(codes[None]).costs[0]
            study.tell(trial, [accuracy, *cost])
            tried.append((np.log(1 - accuracy), np.log(cost[0])))
        errors, logs = np.array(tried).T
        reference = Reference(float(np.log(0.5)), np.log([13.0]))
        found.append(hypervolume(errors, logs[:, None], reference))
    assert found[1] > 0.95 * found[0]


def test_candidates_without_a_cost_are_refused():
    candidates = ChoiceCandidates({"width": [1, 2]}, lambda c: np.empty((len(c["width"]), 0)))
    study = optuna.create_study(direction="maximize", sampler=ParetoSampler(candidates))
    with pytest.raises(ValueError, match="have no cost"):
        study.ask(dict(candidates.distributions))
