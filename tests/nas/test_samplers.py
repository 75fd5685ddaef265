import pytest

from nas.errors import BadInput
from nas.samplers import SAMPLER_NAMES, make_sampler


def test_an_unknown_sampler_is_refused_with_the_nearest_name():
    with pytest.raises(BadInput, match="did you mean 'nsga2'"):
        make_sampler("nsga", seed=0)


def test_the_samplers_of_the_contract_are_there():
    assert SAMPLER_NAMES == ("nsga2", "tpe", "gp", "random")
