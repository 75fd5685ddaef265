import numpy as np
import onnx
import pytest

from nas.export.exporting import export_architecture
from search_spaces import ExportError, ImageTask, mobile, seeded_module


@pytest.fixture
def space():
    return mobile(ImageTask(1, 10, 20)).restricted({"width": [0.5]})


def test_an_exported_file_is_valid_onnx_and_knows_its_architecture(space, tmp_path):
    architecture = space.sample(np.random.default_rng(0))
    exported = export_architecture(space, architecture, tmp_path / "out" / "net.onnx")
    model = onnx.load(exported.path)
    onnx.checker.check_model(model)
    facts = {p.key: p.value for p in model.metadata_props}
    assert space.parse(facts["architecture"]) == architecture
    assert exported.largest_difference < 1e-4
    assert exported.size_bytes == exported.path.stat().st_size


def test_the_weights_given_are_the_weights_written(space, tmp_path):
    architecture = space.smallest()
    modules = {s.place: seeded_module(s.block) for s in space.segments(architecture)}
    modules["head"][3].bias.data.fill_(7.0)
    exported = export_architecture(space, architecture, tmp_path / "net.onnx", modules)
    weights = [onnx.numpy_helper.to_array(t) for t in onnx.load(exported.path).graph.initializer]
    assert any(w.shape == (10,) and (w == 7.0).all() for w in weights)


def test_a_file_that_cannot_be_written_is_one_clear_line(space, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ExportError, match="cannot be written"):
        export_architecture(space, space.smallest(), tmp_path / "file" / "net.onnx")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_network_whose_answers_are_no_numbers_is_refused(space, tmp_path, value):
    architecture = space.smallest()
    modules = {s.place: seeded_module(s.block) for s in space.segments(architecture)}
    modules["head"][3].bias.data.fill_(value)
    with pytest.raises(ExportError, match="logits has values in ONNX Runtime that are no finite"):
        export_architecture(space, architecture, tmp_path / "net.onnx", modules)
    assert list(tmp_path.iterdir()) == []
