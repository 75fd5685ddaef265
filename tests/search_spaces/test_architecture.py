import json

import pytest

from search_spaces import Architecture, InvalidArchitecture, Space


def test_an_id_is_the_same_on_every_machine():
    architecture = Architecture("mobile", {"depth": 3, "width": 0.5})

    assert architecture.id == "272152a1fcb0"


def test_the_order_in_which_choices_are_given_makes_no_difference():
    one = Architecture("mobile", {"depth": 3, "width": 0.5})
    other = Architecture("mobile", {"width": 0.5, "depth": 3})

    assert one == other
    assert one.id == other.id
    assert len({one, other}) == 1


def test_the_same_choices_of_another_space_have_another_id():
    assert Architecture("a", {"depth": 3}).id != Architecture("b", {"depth": 3}).id


def test_choices_cannot_be_changed_from_outside():
    choices = {"depth": 3}
    architecture = Architecture("mobile", choices)
    choices["depth"] = 4

    assert architecture["depth"] == 3
    with pytest.raises(TypeError):
        architecture.choices["depth"] = 4  # type: ignore[index]


def test_json_is_one_line_and_holds_id_space_and_choices():
    architecture = Architecture("mobile", {"depth": 3, "squeeze_excite": True})
    text = architecture.to_json()

    assert "\n" not in text
    assert json.loads(text) == {
        "choices": {"depth": 3, "squeeze_excite": True},
        "id": architecture.id,
        "space": "mobile",
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON: Expecting property name enclosed in double quotes: line 1 column 2"),
        ("[1]", 'expected a JSON object with "choices"'),
        ('{"choices": 3}', 'expected a JSON object with "choices"'),
        ('{"space": "big", "choices": {}}', "architecture of space 'big', not 'small'"),
        ('{"choices": {"depth": null}}', "choice 'depth' is no number, text or truth value"),
        ('{"choices": {"depth": [1]}}', "choice 'depth' is no number, text or truth value"),
    ],
)
def test_a_malformed_line_is_refused_with_what_is_wrong(
    small_space: Space, text: str, message: str
):
    with pytest.raises(InvalidArchitecture) as caught:
        small_space.parse(text)

    assert str(caught.value).startswith(message)
