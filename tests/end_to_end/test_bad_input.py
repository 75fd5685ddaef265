"""Bad input: the exit code of the contract, one or two lines that help, and nothing lost."""

import contextlib
import json
import shutil
import socket
import sqlite3

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.end_to_end.desk import (
    ON_LOCAL,
    SPACE,
    TINY,
    copy_database,
    only,
    rows_of,
    search_command,
)

BOARD = ("--host", "127.0.0.1", "--port")


def sampled(desk, number):
    """Lines of architectures of the tiny space."""
    space = ("mobile", "-n", str(number), "--seed", "1", *only(*TINY), "--data", "digits")
    return desk.ok("spaces", "sample", *space).out.splitlines()


# A name that does not exist: the nearest one is told.


@pytest.mark.parametrize(
    "command",
    [
        ("spaces", "show", "mobil"),
        ("spaces", "sample", "mobil"),
        ("profile", "--space", "mobil", "--device", "local"),
        ("predict", "--space", "mobil", "--device", "local", "-"),
        (*search_command("s", trials=1), "--space", "mobil"),
    ],
)
def test_an_unknown_space_is_told_with_the_nearest_name(empty_desk, command):
    assert "did you mean 'mobile'?" in empty_desk.refused(2, *command)
    assert not empty_desk.database.exists()


@pytest.mark.parametrize(
    "command",
    [
        ("profile", *SPACE, "--device", "locale"),
        ("profile", *SPACE, "--device", "local,locale"),
        ("lut", "coverage", *SPACE, "--device", "locale"),
        ("devices", "doctor", "locale"),
        ("devices", "remove", "locale"),
        search_command("s", trials=1, device="locale"),
    ],
)
def test_an_unknown_device_is_told_with_the_nearest_name(empty_desk, command):
    assert "did you mean local?" in empty_desk.refused(2, *command)
    assert not empty_desk.database.exists()


def test_an_unknown_sampler_is_told_with_the_nearest_name(empty_desk):
    said = empty_desk.refused(2, *search_command("s", trials=1, sampler="nsga"))
    assert "did you mean 'nsga2'?" in said


@pytest.mark.parametrize("command", ["front", "verify", "report"])
def test_an_unknown_study_is_told_with_the_nearest_name(searched, command):
    assert "did you mean 'tiny'?" in searched.refused(2, command, "tinny")


def test_unknown_data_are_told_with_the_nearest_name(empty_desk):
    command = search_command("s", trials=1)
    assert "did you mean digits?" in empty_desk.refused(2, *command, "--data", "digit")


def test_a_restriction_that_names_no_choice_or_value_is_refused(empty_desk):
    show = ("spaces", "show", "mobile", "--only")
    assert "has no choice 'hue'" in empty_desk.refused(2, *show, "hue=1")
    assert "it offers" in empty_desk.refused(2, *show, "width=9")
    assert "expected CHOICE=VALUE" in empty_desk.refused(2, *show, "width")


def test_a_precision_that_cannot_be_measured_is_refused(empty_desk):
    said = empty_desk.refused(2, "profile", *ON_LOCAL, "--precision", "int4")
    assert "space 'mobile' has no precision 'int4'; it has: fp32, int8" in said


# Lines of architectures.


def test_a_malformed_line_is_told_with_its_number_and_nothing_is_answered(profiled):
    first, second, third = sampled(profiled, 3)
    lines = "\n".join([first, second[:-5], third])
    for command in ("predict", "measure"):
        said = profiled.refused(2, command, *ON_LOCAL, "-", stdin=lines)
        assert "standard input, line 2: not JSON" in said
        assert "--skip-bad" in said


def test_with_skip_bad_the_other_lines_are_answered_in_their_order(profiled):
    first, second, third = sampled(profiled, 3)
    lines = "\n".join([first, second[:-5], third])
    answers = profiled.ok("predict", *ON_LOCAL, "--skip-bad", "-", stdin=lines).lines
    assert [answers[0]["id"], answers[2]["id"]] == [json.loads(x)["id"] for x in (first, third)]
    assert answers[1]["line"] == 2
    assert "not JSON" in answers[1]["error"]


def test_a_file_of_architectures_that_is_not_there_or_empty_is_refused(profiled, tmp_path):
    (tmp_path / "empty").write_text("\n")
    predict = ("predict", *ON_LOCAL)
    assert "cannot be read" in profiled.refused(2, *predict, str(tmp_path / "none"))
    assert "holds no architecture" in profiled.refused(2, *predict, str(tmp_path / "empty"))


def test_a_prediction_without_any_measurement_says_how_to_fill_a_lut(empty_desk, profiled):
    (line,) = sampled(profiled, 1)
    said = empty_desk.refused(2, "predict", *ON_LOCAL, "-", stdin=line)
    assert "nas profile --space SPACE --device local" in said


# Data.


def save_picture(path, side):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(0).integers(256, size=(side, side), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def refused_data(desk, reference, space="mobile"):
    said = desk.refused(2, *search_command("s", trials=1), "--space", space, "--data", reference)
    assert not desk.database.exists()
    return said


def test_a_data_folder_that_is_not_there_or_empty_is_refused(empty_desk):
    (empty_desk.folder / "pictures").mkdir()
    assert "there is no such folder" in refused_data(empty_desk, "images:nowhere")
    assert "no pictures" in refused_data(empty_desk, "images:pictures")
    assert "idx:pictures" in refused_data(empty_desk, "idx:pictures")


def test_a_picture_that_cannot_be_read_is_named(empty_desk):
    save_picture(empty_desk.folder / "pictures/cats/a.png", 24)
    (empty_desk.folder / "pictures/cats/b.png").write_bytes(b"no picture")
    assert "pictures/cats/b.png" in refused_data(empty_desk, "images:pictures")


def test_images_of_mixed_sizes_are_refused_with_two_of_them(empty_desk):
    save_picture(empty_desk.folder / "pictures/cats/a.png", 24)
    save_picture(empty_desk.folder / "pictures/dogs/b.png", 28)
    said = refused_data(empty_desk, "images:pictures")
    assert "24x24" in said
    assert "28x28" in said


def test_one_class_is_refused(empty_desk):
    for name in "ab":
        save_picture(empty_desk.folder / f"pictures/cats/{name}.png", 24)
    assert "only one class (cats)" in refused_data(empty_desk, "images:pictures")


def test_a_text_smaller_than_a_context_is_refused(empty_desk):
    (empty_desk.folder / "short.txt").write_text("In the beginning.")
    said = refused_data(empty_desk, "text:short.txt", space="language")
    assert "17 bytes are less than two contexts of 256" in said


def test_data_of_the_wrong_kind_for_a_space_are_refused(empty_desk):
    (empty_desk.folder / "long.txt").write_text("In the beginning. " * 100)
    assert "mobile" in refused_data(empty_desk, "text:long.txt")
    assert "language" in refused_data(empty_desk, "digits", space="language")


# Budgets.


def test_a_budget_that_nothing_meets_ends_with_3_and_shows_the_nearest(searched):
    budget = ("--max-latency-ms", "0.001")
    ran = searched.nas(*search_command("tight", trials=3), *budget)
    assert ran.code == 3
    assert "none of 3 networks of study 'tight' meets the budget. Nearest: " in ran.err
    nearest = json.loads(ran.err.strip().splitlines()[-1])
    assert nearest["space"] == "mobile"
    assert searched.nas("front", "tight", "--json").code == 3
    said = searched.refused(2, *search_command("tight", trials=3), "--max-latency-ms", "5")
    assert "was made with max_latency_ms = 0.001, not 5.0" in said


# Devices.


def test_a_device_that_cannot_be_reached_ends_with_4_and_loses_nothing(searched):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    searched.ok("devices", "add", "gone", *BOARD, port)
    (line,) = sampled(searched, 1)
    networks = rows_of(searched.database, "SELECT count(*) FROM lut_networks")
    for command in (
        ("profile", *SPACE, "--device", "gone"),
        ("measure", *SPACE, "--device", "gone", "-"),
        search_command("far", trials=1, device="gone"),
        ("devices", "trust", "gone", "--yes"),
        ("devices", "remove", "gone", "--purge"),
    ):
        assert "gone" in searched.refused(4, *command, stdin=line)
    assert rows_of(searched.database, "SELECT count(*) FROM lut_networks") == networks
    assert searched.nas("devices", "doctor", "gone", "--json").code == 4
    searched.ok("devices", "remove", "gone")


def test_a_search_that_no_device_could_serve_leaves_no_study_behind(profiled):
    profiled.ok("devices", "add", "nowhere", *BOARD, "1")
    profiled.refused(4, *search_command("stillborn", trials=1, device="nowhere"))
    assert "no study 'stillborn'" in profiled.refused(2, "front", "stillborn")
    profiled.ok("devices", "remove", "nowhere")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--host", "-oProxyCommand=x"), "host is '-oProxyCommand=x'"),
        ((*BOARD, "70000"), "port is 70000"),
        (("--host", "pi", "--provider", "CUDA"), "provider is 'CUDA'"),
        (("--host", "pi", "--threads", "0"), "threads is 0"),
    ],
)
def test_a_device_that_cannot_be_is_not_added(empty_desk, options, complaint):
    command = ("devices", "add", "board", *[f"{options[0]}={options[1]}", *options[2:]])
    assert complaint in empty_desk.refused(2, *command)
    assert not (empty_desk.folder / "devices.toml").exists()


def test_an_inventory_that_is_no_toml_is_refused_and_left_alone(empty_desk):
    file = empty_desk.folder / "devices.toml"
    file.write_text("[devices.pi\nhost = ")
    assert "devices.toml" in empty_desk.refused(2, "devices", "list")
    assert "devices.toml" in empty_desk.refused(2, "devices", "add", "pi", "--host", "pi")
    assert file.read_text() == "[devices.pi\nhost = "


# Files of LUTs and studies.


def write_letter(file):
    file.write_text("This is a letter to my aunt, and no database at all. " * 40)


def write_foreign(file):
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE bookmarks (url TEXT)")
        connection.execute("INSERT INTO bookmarks VALUES ('about:blank')")
        connection.commit()


@pytest.fixture(params=[write_letter, write_foreign])
def foreign(request, empty_desk):
    """A desk whose storage is not ours."""
    empty_desk.database.parent.mkdir()
    request.param(empty_desk.database)
    return empty_desk


@pytest.mark.parametrize(
    "command",
    [
        ("front", "tiny"),
        ("verify", "tiny"),
        ("report", "tiny"),
        ("lut", "coverage", *ON_LOCAL),
        ("profile", *ON_LOCAL),
        search_command("tiny", trials=1),
    ],
    ids=lambda command: command[0],
)
def test_a_storage_that_is_not_ours_is_refused_and_left_alone(foreign, command):
    before = foreign.database.read_bytes()
    assert "--storage" in foreign.refused(2, *command)
    assert foreign.database.read_bytes() == before


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE lut_alembic_version SET version_num = '9999'",
        "UPDATE alembic_version SET version_num = 'v99.0.0.a'",
    ],
    ids=["lut", "studies"],
)
def test_a_storage_that_another_version_wrote_is_refused_and_left_alone(
    searched, empty_desk, change
):
    copy_database(searched.database, empty_desk.database)
    with contextlib.closing(sqlite3.connect(empty_desk.database)) as connection:
        connection.execute(change)
        connection.commit()
    before = empty_desk.database.read_bytes()
    assert "--storage" in empty_desk.refused(2, "front", "tiny")
    assert "--storage" in empty_desk.refused(2, *search_command("tiny", trials=9))
    assert empty_desk.database.read_bytes() == before


def test_a_storage_out_of_reach_is_refused_without_showing_its_password(empty_desk):
    storage = ("--storage", "postgresql://me:secret@127.0.0.1:1/nas")
    for command in (("front", "tiny"), ("lut", "coverage", *ON_LOCAL)):
        said = empty_desk.refused(2, *command, *storage)
        assert "127.0.0.1" in said
        assert "secret" not in said


def test_a_folder_in_which_no_storage_can_be_made_is_refused(empty_desk):
    (empty_desk.folder / "results").write_text("a file where a folder should be")
    for command in (("front", "tiny"), ("lut", "coverage", *ON_LOCAL)):
        assert "results" in empty_desk.refused(2, *command)


def test_a_lut_file_that_is_damaged_or_foreign_is_refused_and_nothing_is_added(profiled, tmp_path):
    file = tmp_path / "lut.parquet"
    profiled.ok("lut", "export", "--device", "local", str(file))
    content = file.read_bytes()
    pd.DataFrame({"x": [1, 2]}).to_parquet(tmp_path / "theirs.parquet")
    (tmp_path / "cut.parquet").write_bytes(content[: len(content) // 2])
    (tmp_path / "letter.parquet").write_text("Dear aunt")
    tables = "SELECT count(*) FROM lut_networks UNION ALL SELECT count(*) FROM lut_profiles"
    before = rows_of(profiled.database, tables)
    for name, complaint in (
        ("theirs", "not written by nas lut export"),
        ("cut", "damaged"),
        ("letter", "no Parquet file"),
        ("none", "there is no file"),
    ):
        path = str(tmp_path / f"{name}.parquet")
        assert complaint in profiled.refused(2, "lut", "import", "--device", "local", path)
    assert rows_of(profiled.database, tables) == before


# A supernet and an architecture that do not go with the rest.


@pytest.mark.parametrize("harm", ["gone", "cut"])
def test_a_study_whose_supernet_is_gone_or_damaged_keeps_its_front(searched, empty_desk, harm):
    copy_database(searched.database, empty_desk.database)
    shutil.copytree(searched.supernets, empty_desk.supernets)
    for file in empty_desk.supernets.glob("*.npz"):
        content = file.read_bytes()
        file.unlink()
        if harm == "cut":
            file.write_bytes(content[: len(content) // 2])
    assert "supernet" in empty_desk.refused(2, "verify", "tiny")
    assert empty_desk.ok("front", "tiny", "--json").json


def test_what_cannot_be_written_is_told_by_its_name(searched, tmp_path):
    file = tmp_path / "taken"
    file.write_text("")
    for command in (
        ("report", "tiny", "--output", str(file / "inside")),
        ("front", "tiny", "--csv", str(file / "inside" / "front.csv")),
    ):
        assert f"{file}" in searched.refused(2, *command)
    lut = ("lut", "export", "--device", "local", str(tmp_path))
    (tmp_path / "one.json").write_text(sampled(searched, 1)[0])
    network = ("export", *SPACE, "--arch", str(tmp_path / "one.json"), "--output", str(tmp_path))
    for command in (lut, (*network, "--study", "tiny")):
        assert "is a folder; name a file in it" in searched.refused(2, *command)


def test_a_seed_below_zero_is_refused(empty_desk):
    assert "--seed" in empty_desk.refused(2, "spaces", "sample", "mobile", "--seed", "-1")


def test_only_one_architecture_of_the_right_space_is_exported(searched, tmp_path):
    lines = sampled(searched, 2)
    (tmp_path / "two.json").write_text("\n".join(lines))
    (tmp_path / "other.json").write_text(lines[0].replace('"mobile"', '"hybrid"'))
    output = ("--output", str(tmp_path / "net.onnx"))
    for name, complaint in (("two", "holds 2 architectures"), ("other", "hybrid")):
        arch = ("--arch", str(tmp_path / f"{name}.json"))
        assert complaint in searched.refused(2, "export", *SPACE, *arch, *output)
    assert not (tmp_path / "net.onnx").exists()


# The command line itself.


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        (("serach",), "'serach'"),
        (("front",), "STUDY"),
        (("front", "tiny", "--jsn"), "--jsn"),
        (("search", "--space", "mobile"), "--device"),
        ((*search_command("s", trials=1), "--trials", "some"), "--trials"),
        ((*search_command("s", trials=1), "--trials", "0"), "--trials"),
    ],
    ids=["command", "argument", "option", "missing", "no number", "too small"],
)
def test_wrong_usage_is_told_in_two_lines(empty_desk, command, complaint):
    said = empty_desk.refused(2, *command)
    assert complaint in said
    assert "--help" in said
