import json
import sys
from pathlib import Path

import pytest

from device_agents import BadInventory, HostKeyUnknown, JobFailed, ProtocolError, UnknownDevice
from latency_lut import StoreError
from nas import errors
from nas.cli import main
from nas.cli.app import exit_code
from nas.cli.output import print_json, print_table, progress_bar, time_left
from search_spaces import ExportError, InvalidArchitecture, SpaceError, UnknownSpace, mobile


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.NasError("x"), 1),
        (errors.BadInput("x"), 2),
        (errors.DataError("x"), 2),
        (errors.UnknownStudy("x"), 2),
        (errors.StudyError("x"), 1),
        (errors.TrainingDiverged("x"), 1),
        (errors.NothingMeetsBudget("x"), 3),
        (HostKeyUnknown("x", device="d", fingerprint="f"), 4),
        (BadInventory("x"), 2),
        (UnknownDevice("x", name="n"), 2),
        (JobFailed("x", device="d", kind="crash"), 1),
        (ProtocolError("x", device="d"), 1),
        (SpaceError("x"), 2),
        (UnknownSpace("x"), 2),
        (InvalidArchitecture("x"), 2),
        (ExportError("x"), 1),
        (StoreError("x"), 2),
        (ZeroDivisionError("x"), None),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_every_error_has_the_exit_code_of_the_contract(error, code):
    assert exit_code(error) == code


def run(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["nas", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    return ended.value.code, said.out, said.err


def test_a_command_that_did_its_work_ends_with_0(monkeypatch, capsys):
    code, out, err = run(monkeypatch, capsys, "spaces", "list", "--json")
    assert (code, err) == (0, "")
    assert {row["space"] for row in json.loads(out)} == {"hybrid", "language", "mobile"}


def test_a_failure_is_a_line_and_debug_shows_where(monkeypatch, capsys):
    code, out, err = run(monkeypatch, capsys, "spaces", "show", "mobil")
    assert (code, out) == (2, "")
    assert err.startswith("nas: No space 'mobil'; did you mean 'mobile'?")
    code, _, err = run(monkeypatch, capsys, "spaces", "--debug", "show", "mobil")
    assert code == 2
    assert "Traceback" in err
    assert "registry.py" in err


def test_a_failure_in_a_users_own_file_is_a_line_too(monkeypatch, capsys, tmp_path):
    file = tmp_path / "space.py"
    file.write_text("def odd(task):\n    return 1 / 0\n")
    code, _, err = run(monkeypatch, capsys, "spaces", "show", f"{file}:odd")
    assert code == 2
    assert "ZeroDivisionError" in err
    assert "Traceback" not in err


def test_a_space_tells_its_precisions_and_what_they_are(monkeypatch, capsys):
    code, out, _ = run(monkeypatch, capsys, "spaces", "show", "language", "--json")
    assert (code, json.loads(out)["precisions"]) == (0, ["fp32", "int8", "int4"])
    code, out, _ = run(monkeypatch, capsys, "spaces", "show", "mobile")
    assert "int8: 8-bit weights, " in out
    assert "int4" not in out


@pytest.mark.parametrize(
    "words",
    [
        ("profile", "--precision", "fp32,int4"),
        ("predict", "archs", "--precision", "int4"),
        ("measure", "archs", "--precision", "int4"),
        ("lut", "show", "--precision", "int4"),
        ("lut", "coverage", "--precision", "int4"),
        ("bench", "lut", "--precision", "int4"),
        ("search", "--data", "digits", "--study", "s", "--precision", "int4"),
        ("export", "--arch", "a.json", "--output", "a.onnx", "--precision", "int4"),
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_a_precision_that_a_space_lacks_is_a_line_with_those_that_it_has(
    monkeypatch, capsys, tmp_path, words
):
    monkeypatch.chdir(tmp_path)
    Path("archs").write_text(mobile().smallest().to_json())
    device = () if words[0] == "export" else ("--device", "local")
    code, out, err = run(monkeypatch, capsys, *words, "--space", "mobile", *device)
    assert (code, out) == (2, "")
    assert err.strip() == "nas: space 'mobile' has no precision 'int4'; it has: fp32, int8"


def test_looking_at_devices_writes_nothing(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    main_code, out, _ = run(monkeypatch, capsys, "devices", "list", "--json")
    assert main_code == 0
    assert [row["name"] for row in json.loads(out)] == ["local"]
    assert list(tmp_path.iterdir()) == []


def test_json_has_no_numbers_that_json_does_not_know(capsys):
    print_json({"a": float("nan"), "b": [float("inf"), 1.5], "ä": (True, None)})
    assert capsys.readouterr().out == '{"a": null, "b": [null, 1.5], "ä": [true, null]}\n'


def test_a_table_in_a_pipe_keeps_its_cells_on_one_line(capsys):
    print_table("t", ("name", "ms", "ok"), [("x" * 60, 1.23456, True), ("y", None, False)])
    out = capsys.readouterr().out
    assert "x" * 60 in out
    assert "1.235" in out
    assert "yes" in out
    assert "-" in out


def test_time_left_is_told_in_minutes_and_seconds():
    assert time_left(130.4) == "about 2 min 10 s left"
    assert time_left(9.6) == "about 10 s left"
    assert time_left(None) == ""


def test_progress_goes_to_stderr(capsys):
    with progress_bar("profile") as report:
        report(0.5, 60.0, "3 carriers")
    said = capsys.readouterr()
    assert said.out == ""
    assert "profile" in said.err
    assert "3 carriers" in said.err
