import pytest

from device_agents import Device, DeviceUnreachable, Inventory, UnknownDevice
from latency_lut import DeviceProfile, open_store
from nas.campaign.crew import Crew
from nas.campaign.profiling import profile
from nas.errors import BadInput
from nas.measuring.access import (
    check_precision,
    newest_profile,
    open_lut,
    open_predictor,
    parse_precisions,
    require_profile,
    rigs,
)
from search_spaces import mobile
from tests.latency_lut.networks import tiny_space
from tests.nas.arithmetic_rig import arithmetic_rig


@pytest.fixture
def inventory(tmp_path):
    """Knows board1, at a port where nobody listens."""
    device = Device(name="board1", host="127.0.0.1", port=1)
    Inventory().with_device(device).save(tmp_path / "devices.toml")
    return tmp_path / "devices.toml"


@pytest.fixture
def storage(tmp_path):
    return f"sqlite:///{tmp_path}/nas.db"


@pytest.fixture
def filled(tmp_path):
    """The storage holds what board1 measured of the tiny space."""
    with arithmetic_rig(tmp_path, tiny_space()) as rig:
        profile(Crew([rig]), contexts_wanted=1)


def test_every_name_is_looked_up_before_any_device_is_touched(inventory, storage):
    with pytest.raises(UnknownDevice, match="did you mean board1"):
        next(rigs("board1,board2", inventory, storage, tiny_space()))


def test_a_device_that_cannot_be_reached_is_told(inventory, storage):
    with pytest.raises(DeviceUnreachable, match="board1"):
        next(rigs("board1", inventory, storage, tiny_space()))


def test_a_precision_that_cannot_be_measured_is_refused_before_all_else(inventory, storage):
    with pytest.raises(BadInput, match="has no precision 'int4'; it has: fp32"):
        next(rigs("board2", inventory, storage, tiny_space(), "int4"))
    with pytest.raises(BadInput, match="has no precision 'int8'; it has: fp32"):
        parse_precisions(tiny_space(), "fp32,int8")
    check_precision(tiny_space(), "fp32")


def test_a_list_of_precisions_names_each_once():
    assert parse_precisions(mobile(), "int8, fp32,int8") == ("int8", "fp32")
    with pytest.raises(
        BadInput, match="space 'mobile' has no precision 'int4'; it has: fp32, int8"
    ):
        parse_precisions(mobile(), "fp32,int4")


def test_a_predictor_needs_no_connection(inventory, storage, filled):
    space = tiny_space()
    with open_predictor("board1", inventory, storage, space) as predictor:
        prediction = predictor.predict(space.largest())
    assert prediction.missing == ()
    assert prediction.phases[0].latency_ns > 0


def test_a_device_without_a_lut_is_told_how_to_get_one(inventory, storage):
    with pytest.raises(BadInput, match="nas profile --space SPACE --device board1"):
        with open_lut("board1", inventory, storage, "fp32"):
            pass


def test_a_device_that_changed_is_asked_by_its_newest_profile(inventory, storage, filled):
    with open_store(storage) as store:
        store.add_profile(DeviceProfile("profile-2", "board1", {"threads": 2}))
        assert newest_profile(store, Inventory.load(inventory).get("board1")).id == "profile-2"
    with open_lut("board1", inventory, storage, "fp32") as lut:
        assert lut.entries == {}


def test_a_device_that_changed_since_its_study_began_is_refused_with_what_changed(storage):
    old = DeviceProfile("profile-1", "board1", {"kernel": "6.1", "threads": 1, "python": "3.11"})
    new = DeviceProfile("profile-2", "board1", {"kernel": "6.6", "threads": 1, "python": "3.12"})
    with open_store(storage) as store:
        store.add_profile(old)
        store.add_profile(new)
        require_profile(store, old.id, old, "mine")
        with pytest.raises(BadInput, match=r"study 'mine' began: kernel 6\.1 is now 6\.6\. "):
            require_profile(store, old.id, new, "mine")
