import shutil

import pytest

from nas.errors import BadInput, DataError
from nas.open_study import open_study, require_same
from nas.samplers import built_in
from nas.study import StudySettings, create_study, open_storage
from search_spaces import TextTask


@pytest.fixture
def storage(tmp_path):
    """Holds a study of text that is still there."""
    text = tmp_path / "data" / "text"
    text.parent.mkdir()
    text.write_text("In the beginning. " * 100)
    url = f"sqlite:///{tmp_path}/nas.db"
    settings = StudySettings(
        space="language",
        only=("layers=2",),
        task=TextTask(context=64),
        data=f"text:{text}",
        device="board1",
        precision="fp32",
        objective="bits_per_byte",
        supernet="supernet.npz",
        sampler="random",
    )
    create_study(open_storage(url), "s", settings, "profile-1", built_in("random", 0))
    return url


def test_a_study_is_read_with_its_space_although_its_data_are_gone(storage, tmp_path):
    shutil.rmtree(tmp_path / "data")
    opened = open_study("s", storage)
    assert opened.space.task == TextTask(context=64)
    assert opened.space.choice("layers").values == (2,)
    assert opened.front().rows == ()
    assert (opened.name, opened.device_profile) == ("s", "profile-1")
    with pytest.raises(DataError):
        opened.estimator()


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"space": "mobile"}, "with --space language, not mobile"),
        ({"only": ["layers=3"]}, "with --only layers=2, not layers=3"),
        ({"data": "kjv"}, "not kjv"),
    ],
)
def test_what_a_study_does_not_have_is_refused(storage, asked, told):
    opened = open_study("s", storage)
    require_same(opened, space="language", only=["layers=2"], data=None)
    with pytest.raises(BadInput) as caught:
        require_same(opened, **{"space": "language", "only": None, "data": None, **asked})
    assert told in str(caught.value)


def test_a_supernet_that_is_gone_is_told_with_the_way_to_another(storage):
    with pytest.raises(BadInput, match="bring it back, or begin another study"):
        open_study("s", storage).estimator()
