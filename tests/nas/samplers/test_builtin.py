import pytest

from nas.errors import BadInput
from nas.samplers import SAMPLER_NAMES, built_in, check_sampler


def test_an_unknown_sampler_is_refused_with_the_nearest_name():
    with pytest.raises(BadInput, match="did you mean 'nsga2'"):
        check_sampler("nsga")


def test_the_samplers_of_the_contract_are_there():
    assert SAMPLER_NAMES == ("pareto", "nsga2", "tpe", "gp", "random")
    for name in SAMPLER_NAMES:
        check_sampler(name)
    for name in SAMPLER_NAMES[1:]:
        built_in(name, seed=0)
