from dataclasses import replace

import pytest

from device_agents.errors import BadInventory, UnknownDevice
from device_agents.inventory import Device, Inventory

PI = Device(name="pi5", host="192.0.2.7", port=2222, user="agent", key_file="~/.ssh/pi", threads=4)


def test_local_is_always_there_and_cannot_be_added_or_removed(tmp_path):
    inventory = Inventory.load(tmp_path / "missing.toml")
    assert [device.name for device in inventory] == ["local"]
    assert inventory.get("local").host is None
    with pytest.raises(BadInventory, match="always there"):
        inventory.with_device(Device(name="local"))
    with pytest.raises(BadInventory, match="cannot be removed"):
        inventory.without("local")


def test_what_is_saved_is_loaded_again(tmp_path):
    path = tmp_path / "sub" / "devices.toml"
    Inventory().with_device(PI).save(path)
    assert Inventory.load(path).get("pi5") == PI
    assert 'host = "192.0.2.7"' in path.read_text()
    assert "provider" not in path.read_text()


def test_a_device_that_is_removed_or_changed_leaves_all_else_of_the_file_alone(tmp_path):
    path = tmp_path / "devices.toml"
    text = '# our boards\n\n[devices.a]\nhost = "a"  # in the rack\n\n[devices.b]\nhost = "b"\n'
    path.write_text(text)
    inventory = Inventory.load(path)
    inventory.without("b").with_device(replace(inventory.get("a"), threads=2)).save(path)
    assert path.read_text().startswith('# our boards\n\n[devices.a]\nhost = "a"  # in the rack\n')
    assert [(device.name, device.threads) for device in Inventory.load(path)] == [
        ("local", 1),
        ("a", 2),
    ]
    assert [file.name for file in tmp_path.iterdir()] == ["devices.toml"]


def test_the_file_may_say_how_this_machine_is_used(tmp_path):
    path = tmp_path / "devices.toml"
    path.write_text("[devices.local]\nthreads = 2\n")
    inventory = Inventory.load(path)
    assert inventory.get("local").threads == 2
    inventory.with_device(PI).save(path)
    assert Inventory.load(path).get("local").threads == 2


def test_a_device_may_keep_its_governor(tmp_path):
    path = tmp_path / "devices.toml"
    path.write_text('[devices.pi5]\nhost = "pi5"\ngovernor = "keep"\n')
    assert Inventory.load(path).get("pi5").governor == "keep"
    path.write_text('[devices.pi5]\nhost = "pi5"\ngovernor = "powersave"\n')
    with pytest.raises(BadInventory, match="governor is 'powersave'; it must be: performance or"):
        Inventory.load(path)


def test_an_unknown_device_is_told_with_the_nearest_name():
    inventory = Inventory().with_device(PI)
    with pytest.raises(UnknownDevice, match="'pi4'; did you mean pi5") as caught:
        inventory.get("pi4")
    assert caught.value.nearest == "pi5"
    with pytest.raises(UnknownDevice, match="see: nas devices list"):
        inventory.without("zzzzzz")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "a b"),
        ("name", "-a"),
        ("name", "../a"),
        ("name", ""),
        ("host", "-oProxyCommand=x"),
        ("host", "a;b"),
        ("host", "a b"),
        ("host", ""),
        ("host", None),
        ("user", "a b"),
        ("user", "-l"),
        ("port", 0),
        ("port", 65536),
        ("port", "22"),
        ("threads", 0),
        ("threads", True),
        ("provider", "gpu"),
        ("folder", "/opt"),
        ("folder", ""),
        ("folder", "."),
        ("folder", "a/../../b"),
        ("folder", "~"),
    ],
)
def test_values_that_no_device_can_have_are_refused_by_name(field, value):
    with pytest.raises(BadInventory, match=field):
        replace(PI, **{field: value})


def test_addresses_names_and_folders_of_all_usual_kinds_are_accepted():
    for host in ("pi.local", "10.0.0.1", "fe80::1%eth0", "2001:db8::1", "my_board"):
        assert replace(PI, host=host).host == host
    assert replace(PI, folder="data/edge nas").folder == "data/edge nas"


GROUPED = """
[devices.board1]
host = "board1"
groups = ["kitchen", "pi4"]

[devices.board2]
host = "board2"
groups = ["kitchen"]
"""


def test_devices_are_called_by_name_and_by_group_each_once(tmp_path):
    path = tmp_path / "devices.toml"
    path.write_text(GROUPED)
    inventory = Inventory.load(path)

    def names(text):
        return [device.name for device in inventory.select(text)]

    assert names("board2") == ["board2"]
    assert names("group:kitchen") == ["board1", "board2"]
    assert names("board2, group:kitchen,local,board2") == ["board2", "board1", "local"]
    with pytest.raises(UnknownDevice, match=r"group 'kitchn'; did you mean group:kitchen\?"):
        inventory.select("group:kitchn")
    with pytest.raises(UnknownDevice, match="did you mean board2"):
        inventory.select("group:pi4,board3")
    inventory.save(path)
    assert path.read_text() == GROUPED


@pytest.mark.parametrize("groups", ["'kitchen'", "[1]", "['a b']", "['']"])
def test_groups_are_a_list_of_names(tmp_path, groups):
    path = tmp_path / "devices.toml"
    path.write_text(f'[devices.board1]\nhost = "board1"\ngroups = {groups}\n')
    with pytest.raises(BadInventory, match="groups"):
        Inventory.load(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("devices = 3", "only tables like"),
        ("[boards.a]\nhost = 'a'", "only tables like"),
        ("[devices.a\n", "cannot be read as TOML"),
        ("[devices.a]\nhost = 'a'\npassword = 'x'", "devices.a.password is unknown; known: host"),
        ("[devices.a]\nuser = 'a'", "host is None; it must be: missing"),
        ("[devices.a]\nhost = 'a'\nname = 'b'", "devices.a.name is unknown"),
        ("[devices]\na = 1", "must be a table"),
        ("[devices.a]\nhost = 5", "host is 5; it must be: a text"),
        ("[devices.local]\nhost = 'a'", "not for this machine"),
    ],
)
def test_a_file_that_is_wrong_is_told_with_its_place(tmp_path, text, message):
    path = tmp_path / "devices.toml"
    path.write_text(text)
    with pytest.raises(BadInventory, match=message) as caught:
        Inventory.load(path)
    assert str(path) in str(caught.value)


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(BadInventory, match="cannot be written"):
        Inventory().with_device(PI).save(tmp_path / "file" / "devices.toml")
