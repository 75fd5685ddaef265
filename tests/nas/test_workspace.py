import pytest

from nas.errors import BadInput, DataError
from nas.workspace import guessing, open_space, open_workspace, parse_only
from search_spaces import SpaceError, mobile


def test_a_star_stands_for_all_choices_that_end_alike():
    only = parse_only(mobile(), ["stage*.depth=1,2", "width=0.5"])
    depths = {f"stage{n}.depth": (1, 2) for n in range(1, 6)}
    assert only == depths | {"width": (0.5,)}


def test_values_are_read_in_the_type_of_the_choice():
    only = parse_only(mobile(), ["stage1.block1.squeeze_excite=True", "stage1.block1.kernel= 5"])
    assert only == {"stage1.block1.squeeze_excite": (True,), "stage1.block1.kernel": (5,)}


def test_a_later_restriction_replaces_an_earlier_one_of_the_same_choice():
    only = parse_only(mobile(), ["stage*.depth=1,2", "stage1.depth=3"])
    assert only["stage1.depth"] == (3,)
    assert only["stage2.depth"] == (1, 2)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("width", "expected CHOICE=VALUE"),
        ("hue=1", "has no choice 'hue'"),
        ("stage*.hue=1", "has no choice"),
        ("width=9", "no value '9'; it offers"),
        ("width=", "no value ''"),
    ],
)
def test_a_restriction_that_cannot_be_read_is_refused_with_what_there_is(text, complaint):
    with pytest.raises(BadInput, match=complaint):
        parse_only(mobile(), [text])


def test_a_space_takes_its_ends_from_the_data():
    assert open_space("mobile").task.channels == 3
    assert open_space("mobile", data="digits").task.channels == 1


def test_a_workspace_of_images_scores_accuracy_and_guesses_one_in_ten():
    workspace = open_workspace("mobile", "digits", only=["width=0.5"])
    assert workspace.space.choice("width").values == (0.5,)
    assert workspace.quality_name == "accuracy"
    assert guessing(workspace.space.task) == pytest.approx(0.1)


def test_a_workspace_of_text_scores_bits_per_byte_and_guesses_eight(tmp_path):
    (tmp_path / "text").write_text("In the beginning. " * 100)
    workspace = open_workspace("language", f"text:{tmp_path}/text")
    assert workspace.quality_name == "bits_per_byte"
    assert guessing(workspace.space.task) == pytest.approx(8)


def test_each_space_and_data_set_has_a_supernet_file_of_its_own(tmp_path):
    (tmp_path / "text").write_text("In the beginning. " * 100)
    files = {
        open_workspace(space, data, only=only, folder=tmp_path).supernet_file
        for space, data, only in [
            ("mobile", "digits", []),
            ("mobile", "digits", ["width=0.5"]),
            ("hybrid", "digits", []),
            ("language", f"text:{tmp_path}/text", []),
        ]
    }
    assert len(files) == 4
    assert {file.parent for file in files} == {tmp_path}


def test_the_same_workspace_has_the_same_supernet_file():
    first, second = (open_workspace("mobile", "digits") for _ in range(2))
    assert first.supernet_file == second.supernet_file


def test_a_space_and_data_that_do_not_go_together_are_refused():
    with pytest.raises(SpaceError, match="language"):
        open_workspace("language", "digits")
    with pytest.raises(DataError, match="did you mean digits"):
        open_workspace("mobile", "digit")
