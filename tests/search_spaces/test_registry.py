import sys
from pathlib import Path

import pytest

from search_spaces import (
    BUILT_IN,
    ImageTask,
    Space,
    SpaceError,
    TextTask,
    UnknownSpace,
    UserFileError,
    load_space,
)

GOOD = """
from search_spaces import Choice, ImageTask, Space, TextTask

value = Space(name="mine", task=ImageTask(classes=3), choices=(Choice("depth", (1, 2)),), places=())

def build(task=None):
    return Space(name="built", task=task or TextTask(), choices=value.choices, places=())

def wrong_type(task=None):
    return 3

def broken(task=None):
    return {}["depth"]

def only_images(task=None):
    from search_spaces import mobile
    return mobile(task)

number = 3
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(GOOD)
    return path


@pytest.mark.parametrize("name", ["hybrid", "language", "mobile"])
def test_a_built_in_space_is_found_by_its_name(name: str):
    assert load_space(name).name == name


def test_the_built_in_names_are_told():
    assert list(BUILT_IN) == ["hybrid", "language", "mobile"]


def test_a_space_is_fitted_to_the_task():
    task = ImageTask(channels=1, classes=7, resolution_px=28)

    assert load_space("mobile", task).task == task


def test_an_unknown_name_tells_the_nearest_one():
    with pytest.raises(UnknownSpace) as caught:
        load_space("mobil")

    assert str(caught.value) == (
        "No space 'mobil'; did you mean 'mobile'?\n"
        "Built in: hybrid, language, mobile; your own: FILE.py:NAME"
    )


def test_a_file_without_a_name_tells_what_to_write():
    with pytest.raises(UnknownSpace, match="Write mine.py:NAME"):
        load_space("mine.py")


def test_a_file_that_is_not_there_is_named():
    with pytest.raises(UserFileError, match="No file nowhere/mine.py"):
        load_space("nowhere/mine.py:space")


def test_a_space_in_a_file_is_found(file: Path):
    space = load_space(f"{file}:value")

    assert isinstance(space, Space)
    assert space.name == "mine"


def test_a_function_in_a_file_gets_the_task(file: Path):
    assert load_space(f"{file}:build").task == TextTask()
    assert load_space(f"{file}:build", TextTask(context=64)).task == TextTask(context=64)


def test_a_changed_file_is_read_anew(file: Path):
    load_space(f"{file}:value")
    file.write_text(GOOD.replace('"mine"', '"changed"'))

    assert load_space(f"{file}:value").name == "changed"


def test_a_file_is_loaded_under_a_private_name(tmp_path: Path):
    path = tmp_path / "onnx.py"
    path.write_text(GOOD)
    onnx = sys.modules["onnx"]
    load_space(f"{path}:value")

    assert sys.modules["onnx"] is onnx
    assert str(tmp_path) not in sys.path


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("valeu", "{file} has no 'valeu'; did you mean 'value'?"),
        ("number", "{file}:number is a int; expected a Space, or a function of a task that gives"),
        ("wrong_type", "{file}:wrong_type(task) is a int; expected a Space, or a function"),
        ("broken", "{file}:broken failed: KeyError: 'depth' (line 13)"),
    ],
)
def test_what_gives_no_space_is_refused_in_one_line(file: Path, name: str, message: str):
    with pytest.raises(SpaceError) as caught:
        load_space(f"{file}:{name}")

    assert str(caught.value).startswith(message.format(file=file))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import nothing_of_that_name", "ModuleNotFoundError: No module named"),
        ("x = 1\nraise ValueError('one\\ntwo')", "ValueError: one two (line 2)"),
        ("x = 1\n\ndef f(:\n", "SyntaxError: invalid syntax (line 3)"),
        ("import sys\nsys.exit(3)", "SystemExit: 3 (line 2)"),
    ],
)
def test_a_file_that_fails_is_refused_in_one_line(tmp_path: Path, text: str, message: str):
    path = tmp_path / "mine.py"
    path.write_text(text)
    before = set(sys.modules)

    with pytest.raises(SpaceError) as caught:
        load_space(f"{path}:space")

    assert str(caught.value).startswith(f"{path} failed while it was run: {message}")
    assert "\n" not in str(caught.value)
    assert not {name for name in set(sys.modules) - before if "own_space" in name}


def test_errors_of_a_builders_own_space_stay_as_they_are(file: Path):
    with pytest.raises(SpaceError, match="for text use --space language"):
        load_space(f"{file}:only_images", TextTask())


def test_a_space_made_for_other_data_is_refused(file: Path):
    with pytest.raises(SpaceError, match="make it a function of the task"):
        load_space(f"{file}:value", ImageTask(classes=10))
    with pytest.raises(SpaceError, match="make it a function of the task"):
        load_space(f"{file}:value", TextTask())


def test_a_space_keeps_its_own_resolution_for_larger_images(file: Path):
    task = ImageTask(classes=3, resolution_px=500)

    assert load_space(f"{file}:value", task).task == ImageTask(classes=3)
