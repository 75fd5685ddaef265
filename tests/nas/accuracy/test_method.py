import pytest

from nas.accuracy.method import SUPERNET, Method, read_method
from nas.errors import BadInput


def test_a_supernet_steps_from_it_epochs_alone_and_a_function_are_told_apart():
    assert read_method(SUPERNET) == Method()
    assert read_method("supernet:200") == Method(steps=200)
    assert read_method("supernet:200").is_supernet
    assert read_method("train:1.5") == Method(epochs=1.5)
    assert read_method("my/own.py:score") == Method(function="my/own.py:score")


@pytest.mark.parametrize("text", ["superhet", "own.py", "own.py:", "", "train"])
def test_what_is_none_of_them_tells_what_there_is(text):
    with pytest.raises(BadInput) as caught:
        read_method(text)
    assert str(caught.value) == (
        f"--accuracy {text}: expected supernet, supernet:STEPS, train:EPOCHS or FILE.py:FUNCTION"
    )


@pytest.mark.parametrize("text", ["supernet:", "supernet:0", "supernet:1.5", "supernet:-1"])
def test_steps_must_be_a_whole_number_above_0(text):
    with pytest.raises(BadInput, match="expected whole steps above 0, as in supernet:200"):
        read_method(text)


@pytest.mark.parametrize("text", ["train:", "train:many", "train:0", "train:-1", "train:nan"])
def test_epochs_must_be_a_number_above_0(text):
    with pytest.raises(BadInput, match="expected epochs above 0, as in train:8"):
        read_method(text)
