"""`nas bench ranking` as a user runs it, on a tiny part of a space."""

import shutil

from tests.end_to_end.desk import SPACE

RANKING = ("bench", "ranking", *SPACE, "--epochs", "0.2", "--train-minutes", "0.05")


def test_networks_are_scored_both_ways_and_what_was_trained_is_kept(empty_desk):
    first = empty_desk.ok(*RANKING, "--networks", "4", "--json").json
    assert len({network["id"] for network in first["networks"]}) == 4
    assert all(0 <= n["supernet"] <= 1 and 0 <= n["alone"] <= 1 for n in first["networks"])
    assert -1 <= first["kendall"]["low"] <= first["kendall"]["value"] <= first["kendall"]["high"]
    assert first["alone_s"] > 0
    again = empty_desk.ok(*RANKING, "--networks", "4", "--json").json
    assert {**again, "supernet_scoring_s": 0} == {**first, "supernet_scoring_s": 0}
    assert "Kendall's tau: " in empty_desk.ok(*RANKING, "--networks", "4").out


def test_what_an_earlier_run_trained_alone_is_not_trained_again(empty_desk):
    earlier = empty_desk.ok(*RANKING, "--networks", "3", "--json")
    (empty_desk.folder / "earlier.json").write_text(earlier.out)
    shutil.rmtree(empty_desk.supernets)
    known = ("--trained", "earlier.json")
    found = empty_desk.ok(*RANKING, *known, "--networks", "4", "--json").json
    alone = {n["id"]: (n["alone"], n["alone_s"]) for n in found["networks"]}
    assert {n["id"]: (n["alone"], n["alone_s"]) for n in earlier.json["networks"]}.items() < (
        alone.items()
    )
    assert len(list(empty_desk.supernets.glob("*-alone-*/*.npz"))) == 1
    said = empty_desk.refused(2, *RANKING, *known, "--epochs", "0.4")
    assert "its networks were trained with steps 36, here it is 72" in said


def test_bad_input_is_told_in_a_line(empty_desk):
    (empty_desk.folder / "other.json").write_text('{"networks": []}')
    said = empty_desk.refused(2, *RANKING, "--trained", "other.json")
    assert "other.json was not written by nas bench ranking --json" in said
    said = empty_desk.refused(2, *RANKING, "--trained", "none.json")
    assert "none.json cannot be read: No such file" in said
    assert "--epochs 0: must be above 0" in empty_desk.refused(2, *RANKING, "--epochs", "0")
    said = empty_desk.refused(2, *RANKING, "--images", "99999")
    assert "digits: 99999 images of the 1438 to train on" in said
