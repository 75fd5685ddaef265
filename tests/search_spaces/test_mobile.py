import numpy as np
import pytest
import torch

from search_spaces import ImageTask, Network, Space, SpaceError, TextTask, mobile


def run(space: Space, choices: dict[str, object]) -> torch.Tensor:
    """Scores of one image of the architecture's own resolution."""
    architecture = space.restricted({n: [v] for n, v in choices.items()}).largest()
    side = int(architecture["resolution"])
    network = Network(space.segments(architecture)).eval()
    with torch.no_grad():
        image = torch.rand(2, space.task.channels, side, side)
        logits: torch.Tensor = network({"image": image})["logits"]
    return logits


def test_there_are_more_than_a_thousand_million_million_architectures():
    assert mobile().count() > 10**15


def test_the_count_is_that_of_its_blocks():
    block = 3 * 3 * 2
    stage = block + block**2 + block**3 + block**4

    assert mobile().count() == 8 * 3 * stage**5


@pytest.mark.parametrize("resolution", [20, 28, 40, 56, 80, 112, 160, 224])
def test_a_network_fits_images_from_20_to_224_pixels(resolution: int):
    shallow = {f"stage{n}.depth": 1 for n in range(1, 6)}

    assert run(mobile(), {"resolution": resolution, "width": 0.5, **shallow}).shape == (2, 10)


@pytest.mark.parametrize("resolution", [20, 28, 40, 56, 80, 112, 160, 224])
def test_maps_end_with_sides_of_5_or_7(resolution: int):
    space = mobile().restricted({"resolution": [resolution]})

    head = space.segments(space.smallest())[-1].block

    assert head.specs()["x"].shape[-1] in {5, 7}


def test_the_deepest_network_of_the_data_runs():
    space = mobile(ImageTask(channels=1, classes=7, resolution_px=28))

    assert run(space, {"resolution": 28}).shape == (2, 7)


def test_each_block_takes_the_map_that_the_block_before_it_gives():
    space, rng = mobile(), np.random.default_rng(0)
    for _ in range(20):
        blocks = [segment.block for segment in space.segments(space.sample(rng))]
        for before, after in zip(blocks[:-1], blocks[1:], strict=True):
            side = -(-before.side // before.stride)
            shape = after.specs()["x"].shape
            assert shape == (1, before.out_channels, side, side)


def test_no_resolution_is_above_the_datas_own():
    assert mobile(ImageTask(resolution_px=64)).choice("resolution").values == (20, 28, 40, 56)


def test_tiny_images_are_enlarged_to_the_smallest_resolution():
    assert mobile(ImageTask(resolution_px=8)).choice("resolution").values == (20,)


def test_text_is_refused_with_the_space_to_use():
    with pytest.raises(SpaceError, match="for text use --space language"):
        mobile(TextTask())
