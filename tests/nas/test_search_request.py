import shlex

import pytest

from nas.errors import BadInput
from nas.search_request import SearchRequest


def request(**changes):
    base = {"space": "mobile", "data": "digits", "device": "local", "study": "s"}
    return SearchRequest(**{**base, **changes})


def test_its_command_line_asks_for_the_same_again():
    asked = request(only=("width=0.5,1.0", "stage*.depth=1"), max_latency_ms=20.0, seed=3)
    words = shlex.split(asked.command)
    assert words[:4] == ["nas", "search", "--space", "mobile"]
    options = dict(zip(words[2::2], words[3::2], strict=True))
    assert options["--max-latency-ms"] == "20"
    assert options["--seed"] == "3"
    assert words[-4:] == ["--only", "width=0.5,1.0", "--only", "stage*.depth=1"]
    assert "--train-minutes" not in words


def test_its_command_line_is_quoted_for_the_shell():
    assert "--study 'my study; rm -rf'" in request(study="my study; rm -rf").command


@pytest.mark.parametrize(
    "name", ["max_latency_ms", "max_memory_mib", "train_minutes", "profile_minutes"]
)
@pytest.mark.parametrize("value", [0.0, -1.0, float("nan")])
def test_a_budget_or_a_time_that_is_not_above_zero_is_refused_by_its_option(name, value):
    with pytest.raises(BadInput, match="--" + name.replace("_", "-")):
        request(**{name: value})


def test_what_is_only_switched_on_has_no_value_on_its_command_line():
    assert request(until_converged=True).command.endswith("--until-converged")
    assert "until-converged" not in request().command


def test_a_sampler_that_expects_nothing_cannot_be_waited_for():
    with pytest.raises(BadInput, match="--until-converged: sampler tpe does not say"):
        request(until_converged=True, sampler="tpe")


@pytest.mark.parametrize(
    ("accuracy", "sampler", "scored"),
    [
        ("supernet", "pareto", 0),
        ("train:1", "pareto", 100),
        ("own.py:accuracy", "pareto", 100),
        ("train:1", "tpe", 0),
    ],
)
def test_untrained_networks_are_scored_first_where_an_accuracy_is_dear(accuracy, sampler, scored):
    assert request(accuracy=accuracy, sampler=sampler).scored == scored


def test_how_many_untrained_networks_are_scored_can_be_told():
    asked = request(zero_cost=40)
    assert asked.scored == 40
    assert asked.command.endswith("--zero-cost 40")
    assert request(accuracy="train:1", zero_cost=0).scored == 0
    assert request(accuracy="train:1", zero_cost=0).command.endswith("--zero-cost 0")


@pytest.mark.parametrize(
    "changes", [{"zero_cost": 9}, {"zero_cost": -1}, {"zero_cost": 20, "sampler": "tpe"}]
)
def test_too_few_networks_to_learn_from_and_samplers_that_do_not_learn_are_refused(changes):
    with pytest.raises(BadInput, match="0 for none, 10 or more for sampler pareto, which alone"):
        request(**changes)
