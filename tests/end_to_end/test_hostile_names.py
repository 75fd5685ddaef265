"""Names and paths that mean something to a shell: refused in a line, or taken as they are."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from PIL import Image

from tests.end_to_end.desk import ON_LOCAL, ROOT, SPACE, TINY, only, search_command
from tests.ssh_board import running_boards, small_board, start_board

__all__ = ["running_boards", "small_board", "start_board"]  # fixtures

PRINTABLE = (
    "two words",
    "$(touch executed)",
    "`touch executed`;touch executed&",
    'it\'s "quoted" \\ and | > executed',
    "-rf --output",
    "%h %r ${HOME} *",
    "n\N{LATIN SMALL LETTER A WITH DIAERESIS}me \N{SNOWMAN}",
)
HOSTILE = (*PRINTABLE, "a\ntouch executed\n", "\x1b]0;owned\x07", "", "..", "../up", "/etc/x")


@pytest.fixture(autouse=True)
def nothing_is_executed(desk):
    yield
    places = (desk.folder.parent, Path.cwd())
    assert [path for place in places for path in place.glob("**/executed")] == []


@pytest.mark.parametrize("option", ["name", "host", "user", "provider"])
def test_a_device_is_not_called_so(empty_desk, option):
    for text in HOSTILE:
        values = {"name": "pi", "host": "pi", "user": "pi", "provider": "CPUExecutionProvider"}
        values[option] = text
        name = values.pop("name")
        options = [f"--{key}={value}" for key, value in values.items()]
        empty_desk.refused(2, "devices", "add", *options, "--", name)
    assert not (empty_desk.folder / "devices.toml").exists()


@pytest.mark.parametrize("option", ["key", "known-hosts"])
def test_a_path_that_cannot_be_shown_is_refused(empty_desk, option):
    for text in ("a\nb", "\x1b[2J", "a\x00b"):
        empty_desk.refused(2, "devices", "add", "pi", "--host", "pi", f"--{option}", text)


@pytest.mark.parametrize("field", ["key_file", "known_hosts_file", "folder"])
def test_nor_is_it_taken_from_the_inventory(empty_desk, field):
    for text in ("a\nb", "\x1b[2J", "a\x00b"):
        file = empty_desk.folder / "devices.toml"
        file.write_text(f'[devices.pi]\nhost = "pi"\n{field} = {json.dumps(text)}\n')
        empty_desk.refused(2, "devices", "doctor", "pi")


def test_a_home_of_nobody_is_no_path(empty_desk):
    paths = ("--key", "~nobody-at-all/key", "--known-hosts", "~nobody-at-all/hosts")
    empty_desk.ok("devices", "add", "pi", "--host", "127.0.0.1", "--port", "1", *paths)
    said = empty_desk.refused(2, "devices", "trust", "pi", "--yes")
    assert "~nobody-at-all" in said
    command = search_command("s", trials=1)
    assert "~nobody-at-all" in empty_desk.refused(2, *command, "--data", "text:~nobody-at-all/x")


@pytest.mark.parametrize("text", PRINTABLE)
def test_a_board_is_reached_by_files_of_any_name(empty_desk, small_board, text):
    small_board.add_python("python3", packages=Path(onnxruntime.__file__).parents[1])
    device, desk = small_board.device, empty_desk
    folder = desk.folder / f"{text} folder"
    folder.mkdir()
    key = shutil.copy(device.key_file, folder / f"{text}.key")
    where = ("--devices", str(folder / f"{text}.toml"))
    paths = ("--key", str(key), "--known-hosts", str(folder / "sub" / f"{text}.hosts"))
    address = ("--host", device.host, "--port", str(device.port))
    desk.ok("devices", "add", "board", *address, *paths, *where)
    inventory = Path(where[1])
    inventory.write_text(inventory.read_text() + f"folder = {json.dumps(f'.nas/{text}')}\n")
    desk.ok("devices", "trust", "board", "--yes", *where)
    checks = desk.ok("devices", "doctor", "board", "--json", *where).json
    assert all(check["ok"] is not False for check in checks)
    assert (small_board.home / ".nas" / text / "models").is_dir()
    desk.ok("devices", "remove", "board", "--purge", *where)
    assert list((small_board.home / ".nas").iterdir()) == []
    assert [path.name for path in small_board.home.iterdir()] == [".nas"]


def test_a_study_is_called_so_or_refused(searched):
    before = set(searched.folder.rglob("*"))
    for text in HOSTILE:
        command = search_command("S", trials=1)
        command[command.index("S")] = text
        if text.isprintable() and text and not text.startswith(("-", ".", "/")):
            searched.ok(*command)
            assert len(searched.ok("front", text, "--json").json) == 1
            searched.ok("report", text)
            page = (searched.folder / "results" / text / "report.html").read_text()
            assert "<b>" not in text or "<b>" not in page
        else:
            searched.refused(2, *command[:1], f"--study={text}", *without_study(command))
    made = {path.relative_to(searched.folder) for path in set(searched.folder.rglob("*")) - before}
    assert {path.parts[0] for path in made} == {"results"}


def without_study(command):
    place = command.index("--study")
    return [*command[1:place], *command[place + 2 :]]


def test_what_is_told_to_be_typed_next_can_be_typed(searched):
    said = searched.ok(*search_command("$(touch executed) it's", trials=1)).err
    assert "nas verify '$(touch executed) it'\"'\"'s'" in said


@pytest.mark.parametrize("text", [*PRINTABLE, "a\nb"])
def test_data_spaces_and_results_are_in_files_of_any_name(searched, empty_desk, text):
    folder = empty_desk.folder / text
    for label in "ab":
        (folder / label).mkdir(parents=True)
        for number in range(12):
            pixels = np.random.default_rng(number).integers(256, size=(20, 20), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / label / f"{text} {number}.png")
    data = ("--data", f"images:{folder}")
    empty_desk.ok("spaces", "show", "mobile", *data)
    space = shutil.copy(ROOT / "examples" / "own_space.py", folder / f"{text}.py")
    empty_desk.ok("spaces", "show", f"{space}:mixers")
    sample = ("mobile", "-n", "1", "--data", "digits", *only(*TINY))
    (folder / f"{text}.json").write_text(empty_desk.ok("spaces", "sample", *sample).out)
    network = folder / f"{text}.onnx"
    arch = ("--arch", str(folder / f"{text}.json"))
    empty_desk.ok("export", *SPACE, *arch, "--output", str(network))
    assert network.stat().st_size > 1000
    csv = folder / "sub" / f"{text}.csv"
    searched.ok("front", "tiny", "--csv", str(csv))
    searched.ok("report", "tiny", "--output", str(folder / f"{text} report"))
    lut = folder / f"{text}.parquet"
    searched.ok("lut", "export", "--device", "local", str(lut))
    storage = ("--storage", f"sqlite:///{folder / 'nas.db'}")
    if "%" not in text:
        empty_desk.ok("lut", "import", "--device", "local", str(lut), *storage)
        empty_desk.ok("lut", "coverage", *ON_LOCAL, *storage)
