import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from nas.accuracy.checkpoint import (
    Moments,
    TrainingState,
    load_supernet,
    read_checkpoint,
    space_label,
    write_checkpoint,
)
from nas.accuracy.supernet import Supernet
from nas.errors import CheckpointError
from search_spaces import ImageTask, Space, mobile


def small_space(classes: int = 10) -> Space:
    depths = {f"stage{stage}.depth": [1] for stage in range(1, 6)}
    space = mobile(ImageTask(1, classes, 20))
    return space.restricted({"width": [0.5], **depths})


def state_of(supernet: Supernet) -> TrainingState:
    name, weight = next(iter(supernet.weights.items()))
    return TrainingState(
        space=space_label(supernet.space),
        data="0123456789ab",
        step=7,
        elapsed_s=1.5,
        finished=False,
        plan={"steps": 10, "lr": 0.1, "max_minutes": None},
        weights=supernet.weights,
        moments={name: Moments(steps=3, mean=torch.ones_like(weight), square=weight.detach() ** 2)},
    )


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    written = state_of(Supernet(small_space(), seed=1))

    write_checkpoint(tmp_path / "deep" / "net.npz", written)
    read = read_checkpoint(tmp_path / "deep" / "net.npz")

    assert (read.step, read.elapsed_s, read.finished) == (7, 1.5, False)
    assert read.plan == written.plan
    assert read.weights.keys() == written.weights.keys()
    assert all(torch.equal(read.weights[n], w) for n, w in written.weights.items())
    (moments,) = read.moments.values()
    (expected,) = written.moments.values()
    assert moments.steps == 3 and torch.equal(moments.square, expected.square)
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["net.npz"]


def test_a_supernet_is_loaded_with_its_weights(tmp_path: Path) -> None:
    supernet = Supernet(small_space(), seed=1)
    write_checkpoint(tmp_path / "net.npz", state_of(supernet))

    loaded = load_supernet(tmp_path / "net.npz", small_space(), data="0123456789ab")

    assert all(torch.equal(loaded.weights[n], w) for n, w in supernet.weights.items())


def refused(path: Path, space: Space, data: str | None = None) -> str:
    with pytest.raises(CheckpointError) as caught:
        load_supernet(path, space, data=data)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)
    return str(caught.value)


def test_a_checkpoint_of_another_space_or_other_data_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.npz"
    write_checkpoint(path, state_of(Supernet(small_space())))

    assert "trained for space mobile:" in refused(path, small_space(classes=4))
    assert "other data" in refused(path, small_space(), data="ffffffffffff")


def test_a_truncated_a_flipped_and_a_foreign_file_are_each_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.npz"
    write_checkpoint(path, state_of(Supernet(small_space())))
    content = path.read_bytes()
    middle = len(content) // 2
    flipped = content[:middle] + bytes([content[middle] ^ 0xFF]) + content[middle + 1 :]

    for spoiled in (content[:-100], content[:middle], flipped, b"", b"hello", b"PK\x03\x04"):
        path.write_bytes(spoiled)
        assert "corrupt" in refused(path, small_space())
    np.savez(path, x=np.zeros(3))
    assert "not a checkpoint" in refused(path, small_space())
    assert "not a checkpoint" in refused(tmp_path / "absent.npz", small_space())


def test_a_pickled_object_in_a_checkpoint_is_never_loaded(tmp_path: Path) -> None:
    np.savez(tmp_path / "net.npz", header=np.array({"format": 1}, dtype=object))

    assert "not a checkpoint" in refused(tmp_path / "net.npz", small_space())


def test_a_checkpoint_of_another_format_says_so(tmp_path: Path) -> None:
    np.savez(tmp_path / "net.npz", header=np.array(json.dumps({"format": 99})))

    assert "format 99" in refused(tmp_path / "net.npz", small_space())


def test_weights_of_other_shapes_are_refused_by_name(tmp_path: Path) -> None:
    supernet = Supernet(small_space())
    weights = dict(supernet.weights)
    weights["stem/stem/0.weight"] = weights["stem/stem/0.weight"][:4]  # type: ignore[assignment]
    write_checkpoint(tmp_path / "net.npz", replace(state_of(supernet), weights=weights))

    assert "stem/stem/0.weight is (4, 1, 3, 3)" in refused(tmp_path / "net.npz", small_space())


def test_a_folder_that_cannot_be_written_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(CheckpointError, match="cannot be written"):
        write_checkpoint(tmp_path / "file" / "net.npz", state_of(Supernet(small_space())))
