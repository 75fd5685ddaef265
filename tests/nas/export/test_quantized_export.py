import numpy as np
import onnx
import onnxruntime
import pytest

from nas.data import split_images, split_text
from nas.export.exporting import export_architecture
from nas.export.quantized_export import (
    Quantization,
    quantization_at_random,
    quantization_on,
    require_agreement,
)
from search_spaces import (
    ExportError,
    ImageTask,
    TextTask,
    export_network,
    language,
    mobile,
    seeded_module,
)


@pytest.fixture(scope="module")
def space():
    only = {"width": [0.5], **{f"stage{n}.depth": [1] for n in range(1, 6)}}
    return mobile(ImageTask(1, 10, 20)).restricted(only)


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (60, 1, 20, 20)).astype(np.uint8)
    return split_images("noise", x, np.arange(60) % 10)


def test_images_are_calibrated_on_training_data_and_compared_on_others(space, images):
    plan = quantization_on(images, space.segments(space.smallest()), "int8")

    assert plan.precision == "int8"
    assert len(plan.calibration) == len(images.train_y)
    assert len(plan.examples) == len(images.held_out_y)
    (image,) = plan.calibration[0].values()
    assert (image.shape, image.dtype) == ((1, 1, 20, 20), np.float32)
    pixels = np.concatenate([feeds["image"] for feeds in plan.calibration])
    assert abs(pixels.mean()) < 0.01  # scaled as in training
    assert abs(pixels.std() - 1) < 0.01


def test_text_is_fed_from_the_first_token_on():
    space = language(TextTask(context=8))
    data = split_text("abc", b"the quick brown fox jumps over the lazy dog. " * 40, 8)
    chosen = {c.name: c.values[0] for c in space.choices} | {"layer2.mixer": "attention"}
    plan = quantization_on(data, space.segments(space.architecture(chosen)), "int4")

    feeds = plan.examples[0]
    assert feeds["tokens"].shape == (1, 8)
    assert feeds["t0"].item() == 0
    caches = [value for name, value in feeds.items() if name.endswith("keys")]
    assert caches
    assert {cache.shape[2] for cache in caches} == {0}


def test_an_int8_file_is_small_valid_and_agrees_with_pytorch(space, images, tmp_path):
    architecture = space.sample(np.random.default_rng(0))
    plan = quantization_on(images, space.segments(architecture), "int8")
    exported = export_architecture(space, architecture, tmp_path / "int8.onnx", quantization=plan)
    plain = export_architecture(space, architecture, tmp_path / "fp32.onnx")

    model = onnx.load(exported.path)
    onnx.checker.check_model(model)
    assert {p.key: p.value for p in model.metadata_props}["precision"] == "int8"
    assert exported.size_bytes < plain.size_bytes * 0.6
    assert exported.agreement.answers == len(images.held_out_y)
    assert exported.agreement.logits_error < 0.05
    assert exported.agreement.top1 > 0.8
    assert exported.largest_difference < 1e-4
    assert plain.agreement is None


@pytest.mark.parametrize("precision", ["int8", "int4"])
def test_a_language_network_is_exported_with_narrow_weights(precision, tmp_path):
    space = language(TextTask(context=8)).restricted({"layers": [2], "width": [96]})
    architecture = space.sample(np.random.default_rng(1))
    plan = quantization_at_random(space.segments(architecture), space.phases[0], precision)
    exported = export_architecture(space, architecture, tmp_path / "net.onnx", quantization=plan)

    operators = {node.op_type for node in onnx.load(exported.path).graph.node}
    assert "MatMulNBits" in operators
    assert 0 < exported.agreement.logits_error < {"int8": 0.03, "int4": 0.4}[precision]


def test_a_quantized_network_that_is_another_network_is_refused(space):
    segments = space.segments(space.smallest())
    trained = {s.place: seeded_module(s.block) for s in segments}
    trained["head"][3].bias.data.fill_(7.0)
    other = onnxruntime.InferenceSession(export_network(segments).SerializeToString())
    plan = quantization_at_random(segments, space.phases[0], "int8")

    with pytest.raises(ExportError, match=r"int8 and PyTorch differ by .* more than 0\.15"):
        require_agreement(other, segments, trained, plan)


def test_without_a_precision_nothing_is_quantized():
    assert Quantization().precision == "fp32"
