"""`nas bench baselines` on a tiny part of `mobile` that holds two hand-made networks."""

import csv

import pytest

from tests.end_to_end.desk import only, open_desk, rows_of

SPACE = (
    *("--space", "mobile", "--data", "digits", "--device", "local"),
    *only("resolution=20", "width=0.5,0.75", "stage*.depth=2", "stage*.kernel=3"),
    *only("stage*.squeeze_excite=false", "stage*.expansion=6", "stage5.block*.expansion=3,6"),
)
"""8 architectures, of which the uniform ones of two widths are hand-made."""
TRAINED = ("--train-minutes", "0.1", "--seed", "1")
NETWORKS = "SELECT count(*) FROM lut_networks"


@pytest.fixture(scope="module")
def verified(tmp_path_factory):
    """A desk of its own with a study `picked` of 4 networks whose front was measured."""
    desk = open_desk(tmp_path_factory.mktemp("picked"))
    desk.ok("profile", *SPACE, "--contexts", "1")
    desk.ok("search", *SPACE, "--study", "picked", "--trials", "4", *TRAINED)
    desk.ok("verify", "picked")
    return desk


@pytest.fixture(scope="module")
def benched(verified, tmp_path_factory):
    folder = tmp_path_factory.mktemp("baselines")
    return verified.ok("bench", "baselines", "picked", "--output", str(folder), "--json").json


def test_each_hand_made_network_is_scored_measured_and_judged(benched):
    names = {row["name"] for row in benched["baselines"]}
    assert names == {"uniform 3x3 e6, 20 px x0.5", "uniform 3x3 e6, 20 px x0.75"}
    for row in benched["baselines"]:
        assert 0 < row["accuracy"] <= 1
        assert row["measured_low_ms"] <= row["measured_ms"] <= row["measured_high_ms"]
        assert row["verdict"] in ("dominated", "matched", "ahead")
    assert sum(benched["counts"].values()) == 2
    assert benched["middle"] == benched["baselines"][0]  # the faster of two
    assert len(benched["left_out"]) == 7  # the third width, and those like MobileNets
    assert benched["failures"] == []


def test_the_front_is_that_of_the_study(verified, benched):
    assert benched["front"] == verified.ok("front", "picked", "--json").json
    assert all(row["verified"] for row in benched["front"])


def test_a_network_gets_the_score_that_the_search_gave_it(benched):
    front = {row["arch"]["id"]: row for row in benched["front"]}
    for row in benched["baselines"]:
        if row["id"] in front:
            assert row["accuracy"] == front[row["id"]]["accuracy"]
            assert row["measured_ms"] == front[row["id"]]["measured_ms"]


def test_a_second_call_measures_nothing_and_shows_a_table_and_files(verified, benched, tmp_path):
    before = rows_of(verified.database, NETWORKS)
    ran = verified.ok("bench", "baselines", "picked", "--output", str(tmp_path))
    assert rows_of(verified.database, NETWORKS) == before
    for words in ("uniform 3x3 e6, 20 px x0.75", "verdict", "of 2 baselines:", "middle baseline:"):
        assert words in ran.out
    with (tmp_path / "baselines.csv").open() as stream:
        written = list(csv.DictReader(stream))
    assert [row["id"] for row in written] == [row["id"] for row in benched["baselines"]]
    assert (tmp_path / "baselines.png").read_bytes().startswith(b"\x89PNG")


def test_a_front_that_is_not_verified_is_refused_with_the_command_that_does_it(verified):
    verified.ok("search", *SPACE, "--study", "predicted", "--trials", "3", *TRAINED)
    said = verified.refused(2, "bench", "baselines", "predicted")
    assert "first run: nas verify predicted" in said


def test_a_part_of_a_space_without_hand_made_networks_is_refused(searched):
    said = searched.refused(2, "bench", "baselines", "tiny")
    assert "holds none of its 9 hand-made networks" in said
