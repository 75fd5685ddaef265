import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nas.data import ImageData, TextData, fewer_images, load_data
from nas.errors import DataError
from search_spaces import ImageTask, TextTask

FASHION = Path("/usr/share/datasets/fashion-mnist")


def images(reference: str) -> ImageData:
    data = load_data(reference)
    assert isinstance(data, ImageData)
    return data


def text(path: Path, context: int) -> TextData:
    data = load_data(f"text:{path}", context=context)
    assert isinstance(data, TextData)
    return data


def complaint(reference: str, context: int = 256) -> str:
    with pytest.raises(DataError) as caught:
        load_data(reference, context=context)
    message = str(caught.value)
    assert "\n" not in message
    return message


def idx_bytes(array: np.ndarray) -> bytes:
    sizes = struct.pack(f">{array.ndim}I", *array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.astype(np.uint8).tobytes()


def write_idx(folder: Path, count: int = 40, labels: int | None = None) -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (count, 9, 9))
    (folder / "train-images-idx3-ubyte").write_bytes(idx_bytes(x))
    y = np.arange(labels if labels is not None else count) % 4
    (folder / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx_bytes(y)))


def write_picture(path: Path, size: tuple[int, int] = (6, 6), mode: str = "RGB") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, 100).save(path)


def test_digits_are_grey_and_8_pixels_wide_with_a_fifth_held_out() -> None:
    data = images("digits")

    assert data.task == ImageTask(channels=1, classes=10, resolution_px=8)
    assert data.train_x.dtype == torch.uint8
    assert len(data.train_y) + len(data.held_out_y) == 1797
    assert len(data.held_out_y) == pytest.approx(1797 / 5, abs=5)


def test_mnist5k_holds_out_a_hundred_images_of_each_class() -> None:
    data = images("mnist5k")

    assert data.train_x.shape == (4000, 1, 28, 28)
    assert torch.bincount(data.held_out_y).tolist() == [100] * 10
    assert data.task.resolution_px == 28


def test_the_same_reference_gives_the_same_split_and_fingerprint() -> None:
    first, second = images("digits"), images("digits")

    assert first.fingerprint == second.fingerprint
    assert torch.equal(first.held_out_x, second.held_out_x)


def test_fewer_images_are_another_data_set_with_the_same_held_out_part() -> None:
    digits = load_data("digits")
    few = fewer_images(digits, 100)
    assert isinstance(digits, ImageData)
    assert len(few.train_y) == len(few.train_x) == 100
    assert few.held_out_x is digits.held_out_x
    assert few.fingerprint == fewer_images(digits, 100).fingerprint != digits.fingerprint
    with pytest.raises(DataError, match="0 images of the 1438"):
        fewer_images(digits, 0)


def test_mean_and_deviation_are_those_of_the_training_part() -> None:
    data = images("digits")

    assert data.mean.item() == pytest.approx(data.train_x.double().mean().item())
    assert data.std.item() == pytest.approx(data.train_x.double().std().item(), rel=1e-3)


def test_kjv_is_four_megabytes_of_text() -> None:
    data = load_data("kjv", context=128)

    assert isinstance(data, TextData)
    assert data.task == TextTask(vocabulary=256, context=128)
    assert b"In the beginning God created" in bytes(data.train.tolist())
    assert len(data.held_out) / (len(data.train) + len(data.held_out)) == pytest.approx(
        0.05, abs=0.002
    )


@pytest.mark.skipif(not FASHION.is_dir(), reason="Debian's dataset-fashion-mnist is not installed")
def test_fashion_mnist_keeps_its_test_part_apart() -> None:
    data = images(f"idx:{FASHION}")

    assert (len(data.train_y), len(data.held_out_y)) == (55_000, 5_000)
    assert data.test_x is not None and data.test_x.shape == (10_000, 1, 28, 28)


def test_plain_and_gzipped_idx_files_go_together(tmp_path: Path) -> None:
    write_idx(tmp_path)

    data = images(f"idx:{tmp_path}")

    assert data.task == ImageTask(channels=1, classes=4, resolution_px=9)
    assert data.test_x is None


def test_a_truncated_idx_file_is_told_with_both_sizes(tmp_path: Path) -> None:
    write_idx(tmp_path)
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-1])

    assert f"{15 + 40 * 81} bytes" in complaint(f"idx:{tmp_path}")


def test_a_truncated_gzip_file_is_refused(tmp_path: Path) -> None:
    write_idx(tmp_path)
    path = tmp_path / "train-labels-idx1-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-9])

    assert "cannot be read" in complaint(f"idx:{tmp_path}")


def test_a_wrong_magic_number_is_told(tmp_path: Path) -> None:
    write_idx(tmp_path)
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(b"\x00\x00\x0d\x03" + path.read_bytes()[4:])

    assert "0x00000d03" in complaint(f"idx:{tmp_path}")


def test_fewer_labels_than_images_are_refused(tmp_path: Path) -> None:
    write_idx(tmp_path, labels=39)

    message = complaint(f"idx:{tmp_path}")

    assert "40 images" in message and "39 labels" in message


def test_a_folder_without_idx_files_is_told_what_it_lacks(tmp_path: Path) -> None:
    assert "train-images" in complaint(f"idx:{tmp_path}")
    assert "no such folder" in complaint(f"idx:{tmp_path / 'absent'}")


def test_a_folder_of_pictures_keeps_their_size_and_names_its_classes(tmp_path: Path) -> None:
    for number in range(4):
        write_picture(tmp_path / "cat" / f"{number}.png", (7, 5))
        write_picture(tmp_path / "dog" / f"{number}.jpg", (7, 5))

    data = images(f"images:{tmp_path}")

    assert data.train_x.shape[1:] == (3, 5, 7)
    assert data.class_names == ("cat", "dog")
    assert data.task.resolution_px == 5


def test_grey_pictures_have_one_channel_until_a_coloured_one_comes(tmp_path: Path) -> None:
    for name in ("a/1.png", "a/2.png", "b/1.png", "b/2.png"):
        write_picture(tmp_path / name, mode="L")
    grey = images(f"images:{tmp_path}")
    write_picture(tmp_path / "b" / "3.png", mode="RGB")

    assert grey.channels == 1
    assert images(f"images:{tmp_path}").channels == 3


def test_pictures_in_a_test_folder_are_never_trained_on(tmp_path: Path) -> None:
    for name in ("a/1.png", "a/2.png", "b/1.png", "b/2.png"):
        write_picture(tmp_path / "train" / name)
    write_picture(tmp_path / "test" / "b" / "9.png")

    data = images(f"images:{tmp_path}")

    assert len(data.train_y) + len(data.held_out_y) == 4
    assert data.test_y is not None and data.test_y.tolist() == [1]


def test_mixed_sizes_name_two_pictures(tmp_path: Path) -> None:
    write_picture(tmp_path / "a" / "1.png", (6, 6))
    write_picture(tmp_path / "b" / "2.png", (6, 8))

    message = complaint(f"images:{tmp_path}")

    assert "1.png is 6x6" in message and "b/2.png 6x8" in message


def test_an_unreadable_picture_is_named(tmp_path: Path) -> None:
    write_picture(tmp_path / "a" / "1.png")
    (tmp_path / "a" / "2.png").write_bytes(b"no picture")

    assert "2.png" in complaint(f"images:{tmp_path}")


def test_an_empty_folder_and_a_single_class_are_refused(tmp_path: Path) -> None:
    empty = complaint(f"images:{tmp_path}")
    for number in range(3):
        write_picture(tmp_path / "only" / f"{number}.png")

    assert "no pictures" in empty
    assert "only one class" in complaint(f"images:{tmp_path}")


@pytest.mark.parametrize("shape", [(20, 8, 8), (20, 3, 8, 8), (20, 8, 8, 3)])
def test_npz_images_may_have_channels_first_last_or_none(
    tmp_path: Path, shape: tuple[int, ...]
) -> None:
    np.savez(tmp_path / "d.npz", x=np.zeros(shape, np.uint8), y=np.arange(20) % 2)

    data = images(f"npz:{tmp_path / 'd.npz'}")

    assert data.train_x.shape[1:] == ((1, 8, 8) if len(shape) == 3 else (3, 8, 8))


def test_npz_labels_may_be_texts(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", x=np.zeros((20, 8, 8)), y=np.array(["yes", "no"] * 10))

    assert images(f"npz:{tmp_path / 'd.npz'}").class_names == ("no", "yes")


def test_not_a_number_in_an_image_is_refused_with_its_index(tmp_path: Path) -> None:
    x = np.zeros((20, 8, 8))
    x[13, 2, 2] = np.nan
    np.savez(tmp_path / "d.npz", x=x, y=np.arange(20) % 2)

    assert "image 13" in complaint(f"npz:{tmp_path / 'd.npz'}")


def test_npz_with_other_arrays_or_pickled_ones_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=np.zeros(3))
    np.savez(tmp_path / "b.npz", x=np.array([None, {}], dtype=object), y=np.zeros(2))
    np.savez(tmp_path / "c.npz", x=np.zeros((4, 8, 8)), y=np.zeros(3, int))

    assert "no array 'x'" in complaint(f"npz:{tmp_path / 'a.npz'}")
    assert "not a readable .npz" in complaint(f"npz:{tmp_path / 'b.npz'}")
    assert "4 images but 3 labels" in complaint(f"npz:{tmp_path / 'c.npz'}")
    assert "not a readable .npz" in complaint(f"npz:{tmp_path / 'absent.npz'}")


def test_held_out_text_is_whole_windows_that_training_never_sees(tmp_path: Path) -> None:
    windows = [f"{number:07d}".encode() for number in range(50)]
    (tmp_path / "t.txt").write_bytes(b"".join(windows) + b"tail")

    data = text(tmp_path / "t.txt", context=6)

    held = bytes(data.held_out.tolist())
    parts = {held[i : i + 7] for i in range(0, len(held), 7)}
    assert parts and parts <= set(windows)
    train = bytes(data.train.tolist())
    assert parts.isdisjoint(train[i : i + 7] for i in range(0, len(train), 7))
    assert train.endswith(b"tail")


def test_gzipped_text_is_unpacked(tmp_path: Path) -> None:
    (tmp_path / "t.txt.gz").write_bytes(gzip.compress(b"hello world " * 100))

    assert b"hello world hello" in bytes(text(tmp_path / "t.txt.gz", 16).train.tolist())


def test_text_shorter_than_its_context_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_bytes(b"too short")

    assert "9 bytes" in complaint(f"text:{tmp_path / 't.txt'}")
    assert "cannot be read" in complaint(f"text:{tmp_path / 'absent'}")


def test_an_unknown_reference_is_answered_with_the_nearest_name() -> None:
    assert "did you mean mnist5k?" in complaint("mnist5")
    assert "did you mean images:PATH?" in complaint("image:/there")
    assert "text:PATH" in complaint("text")
    assert "digits" in complaint("weather")
