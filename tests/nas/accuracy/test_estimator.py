import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from nas.accuracy.estimator import Estimator
from nas.accuracy.supernet import Supernet
from nas.data import ImageData, TextData, load_data
from nas.errors import BadInput
from search_spaces import Space, language, mobile


@pytest.fixture(scope="module")
def digits() -> ImageData:
    data = load_data("digits")
    assert isinstance(data, ImageData)
    return data


@pytest.fixture
def text(tmp_path: Path) -> TextData:
    (tmp_path / "t.txt").write_bytes(bytes(range(256)) * 40)
    data = load_data(f"text:{tmp_path / 't.txt'}", context=24)
    assert isinstance(data, TextData)
    return data


def image_space(data: ImageData) -> Space:
    depths = {f"stage{stage}.depth": [1] for stage in range(1, 6)}
    return mobile(data.task).restricted({"width": [0.5, 0.75], **depths})


def text_space(data: TextData) -> Space:
    return language(data.task).restricted({"layers": [2], "width": [96]})


def test_a_network_that_always_says_three_is_as_accurate_as_threes_are_frequent(
    digits: ImageData,
) -> None:
    supernet = Supernet(image_space(digits))
    supernet.weights["head/image_head/3.weight"].data.zero_()
    supernet.weights["head/image_head/3.bias"].data.copy_(torch.arange(10) == 3)

    quality = Estimator(supernet, digits, calibration=32).evaluate(supernet.space.smallest())

    share = (digits.held_out_y == 3).double().mean().item()
    assert (quality.name, quality.direction) == ("accuracy", "maximize")
    assert quality.value == pytest.approx(share)
    assert quality.samples == len(digits.held_out_y)
    expected = math.sqrt(share * (1 - share) / quality.samples)
    assert quality.standard_error == pytest.approx(expected, rel=0.01)


def test_of_one_window_the_error_is_not_known(text: TextData) -> None:
    one = replace(text, held_out=text.held_out[: text.task.context + 1])
    quality = Estimator(Supernet(text_space(text)), one).evaluate(text_space(text).smallest())
    assert (quality.samples, quality.standard_error) == (1, None)


def test_a_network_that_knows_nothing_needs_eight_bits_for_a_byte(text: TextData) -> None:
    supernet = Supernet(text_space(text))
    supernet.weights["head/text_head/weight"].data.zero_()

    quality = Estimator(supernet, text).evaluate(supernet.space.largest())

    assert (quality.name, quality.direction) == ("bits_per_byte", "minimize")
    assert quality.value == pytest.approx(8.0)
    assert quality.standard_error == pytest.approx(0.0, abs=1e-6)


def test_the_same_architecture_always_gets_the_same_score(digits: ImageData) -> None:
    supernet = Supernet(image_space(digits))
    architecture = supernet.space.sample(np.random.default_rng(0))
    estimator = Estimator(supernet, digits, held_out=100, calibration=32)
    first = estimator.evaluate(architecture)

    estimator.evaluate(supernet.space.largest())

    assert estimator.evaluate(architecture) == first
    again = Estimator(supernet, digits, held_out=100, calibration=32)
    assert again.evaluate(architecture) == first


def test_batch_norms_get_the_statistics_of_the_calibration_images(digits: ImageData) -> None:
    supernet = Supernet(image_space(digits))
    estimator = Estimator(supernet, digits, calibration=64)

    network = estimator.network(supernet.space.smallest())

    stem = estimator.modules(supernet.space.smallest())["stem"]
    means = stem.get_buffer("1.running_mean")
    assert not network.training
    assert means.abs().max() > 0.01  # a fresh module's are zero
    assert torch.equal(network.blocks[0].get_buffer("1.running_mean"), means)


def test_the_held_out_share_may_be_limited_and_is_told(digits: ImageData, text: TextData) -> None:
    images = Estimator(Supernet(image_space(digits)), digits, held_out=50)
    windows = Estimator(Supernet(text_space(text)), text, held_out=3)

    assert images.samples == 50
    assert images.evaluate(image_space(digits).smallest()).samples == 50
    assert windows.evaluate(text_space(text).smallest()).samples == 3


def test_a_space_for_text_cannot_be_scored_on_images(digits: ImageData, text: TextData) -> None:
    supernet = Supernet(text_space(text))

    with pytest.raises(BadInput, match="reads no 'image'"):
        Estimator(supernet, digits).evaluate(supernet.space.smallest())
