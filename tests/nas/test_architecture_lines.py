import numpy as np
import pytest

from nas.architecture_lines import read_architecture, read_architectures
from nas.errors import BadInput
from search_spaces import mobile


@pytest.fixture
def lines():
    space = mobile()
    rng = np.random.default_rng(0)
    return [space.sample(rng).to_json() for _ in range(3)]


def write(tmp_path, lines):
    path = tmp_path / "archs.jsonl"
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def test_lines_are_read_in_order_and_empty_ones_passed_over(tmp_path, lines):
    found = read_architectures(write(tmp_path, [lines[0], "", lines[1]]), mobile())
    assert [line.number for line in found] == [1, 3]
    assert [line.architecture.to_json() for line in found] == lines[:2]


def test_a_malformed_line_refuses_all_and_tells_its_number(tmp_path, lines):
    with pytest.raises(BadInput, match="line 2: not JSON.*--skip-bad"):
        read_architectures(write(tmp_path, [lines[0], "{nonsense", lines[1]]), mobile())


def test_with_skip_bad_the_good_lines_are_still_answered(tmp_path, lines):
    broken = lines[1].replace('"width":', '"wideness":')
    found = read_architectures(write(tmp_path, [lines[0], broken]), mobile(), skip_bad=True)
    assert found[0].architecture is not None
    assert found[1].architecture is None
    assert "'width' is missing" in found[1].error


def test_a_value_that_the_space_does_not_offer_is_named(tmp_path, lines):
    broken = lines[0].replace('"stage1.block1.kernel":', '"stage1.block1.kernel":1')
    with pytest.raises(BadInput, match=r"stage1.block1.kernel"):
        read_architectures(write(tmp_path, [broken]), mobile())


def test_an_empty_file_is_bad_input(tmp_path):
    with pytest.raises(BadInput, match="holds no architecture"):
        read_architectures(write(tmp_path, [""]), mobile())


def test_a_file_that_is_not_there_is_named():
    with pytest.raises(BadInput, match=r"nowhere\.jsonl cannot be read"):
        read_architectures("nowhere.jsonl", mobile())


def test_bytes_that_are_no_text_are_bad_input(tmp_path):
    (tmp_path / "x").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(BadInput, match="not UTF-8"):
        read_architectures(str(tmp_path / "x"), mobile())


def test_for_export_a_file_must_hold_exactly_one(tmp_path, lines):
    with pytest.raises(BadInput, match="holds 2 architectures; expected one"):
        read_architecture(write(tmp_path, lines[:2]), mobile())
