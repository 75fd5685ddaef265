import numpy as np
import onnx
import onnxruntime

from nas.measuring.canary import write_canary


def test_the_canary_is_a_network_that_runs(tmp_path):
    session = onnxruntime.InferenceSession(str(write_canary(tmp_path)))
    image = np.ones((1, 3, 112, 112), dtype=np.float32)
    (logits,) = session.run(None, {"image": image})
    assert logits.shape == (1, 64)
    assert np.isfinite(logits).all()


def test_the_canary_is_what_it_always_was(tmp_path):
    """Timings of different days are compared through it: a change makes them incomparable."""
    graph = onnx.load(write_canary(tmp_path)).graph
    operations = [node.op_type for node in graph.node]
    weights = sorted(tuple(tensor.dims) for tensor in graph.initializer if len(tensor.dims) > 1)
    assert operations == "Conv Relu Conv Relu Conv AveragePool Flatten Gemm".split()
    assert weights == [(32, 1, 5, 5), (32, 3, 3, 3), (64, 32, 1, 1), (64, 3136)]


def test_every_workstation_writes_the_same_weights(tmp_path):
    first, second = (
        onnx.load(write_canary(tmp_path / name)).graph.initializer for name in ("one", "two")
    )
    assert [t.raw_data for t in first] == [t.raw_data for t in second]


def test_a_canary_that_is_there_is_not_written_again(tmp_path):
    path = write_canary(tmp_path)
    path.write_bytes(b"kept")
    assert write_canary(tmp_path).read_bytes() == b"kept"
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
