import pytest

from nas.errors import BadInput
from nas.export.export_source import source_at_random
from search_spaces import ImageTask, mobile


@pytest.fixture
def space():
    return mobile(ImageTask(1, 10, 20)).restricted({"width": [0.5]})


@pytest.fixture
def file(space, tmp_path):
    (tmp_path / "arch.json").write_text(space.smallest().to_json())
    return tmp_path / "arch.json"


def test_without_a_study_the_weights_are_random_and_fp32_unless_asked(space, file, tmp_path):
    plain, narrow = source_at_random(space, file, None), source_at_random(space, file, "int8")

    assert (plain.weights, plain.quantization.precision) == ("random", "fp32")
    assert narrow.quantization.precision == "int8"
    assert narrow.architecture == space.smallest()
    assert (
        plain.write(tmp_path / "a.onnx").size_bytes > narrow.write(tmp_path / "b.onnx").size_bytes
    )


def test_a_precision_that_the_space_lacks_is_refused(space, file):
    with pytest.raises(
        BadInput, match="space 'mobile' has no precision 'int4'; it has: fp32, int8"
    ):
        source_at_random(space, file, "int4")
