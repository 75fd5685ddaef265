"""Accuracies by other ways than the supernet."""

import json
from pathlib import Path

from tests.end_to_end.desk import search_command

OWN = Path(__file__).parents[2] / "examples" / "own_accuracy.py"


def search(study, accuracy, trials=2):
    return [*search_command(study, trials=trials), "--accuracy", accuracy]


def test_a_function_of_ones_own_is_searched_by_and_its_front_is_verified(profiled):
    front = profiled.ok(*search("own", f"{OWN}:two_epochs"), "--json").json
    assert all(0.2 < row["accuracy"] <= 1 for row in front)
    assert all(row["verified"] for row in profiled.ok("verify", "own", "--json").json)
    network = profiled.folder / "network.json"
    network.write_text(json.dumps(front[0]["arch"]))
    export = ("export", "--space", "mobile", "--arch", str(network), "--study", "own")
    assert profiled.ok(*export, "--output", "own.onnx", "--json").json["weights"] == "random"


def test_networks_trained_alone_are_searched_by_and_taken_home(profiled):
    front = profiled.ok(*search("alone", "train:0.5"), "--json").json
    assert front
    network = profiled.folder / "network.json"
    network.write_text(json.dumps(front[0]["arch"]))
    export = ("export", "--space", "mobile", "--arch", str(network), "--study", "alone")
    exported = profiled.ok(*export, "--output", "alone.onnx", "--json").json
    assert exported["weights"] == "study alone"


def test_steps_of_a_networks_own_follow_the_supernet_and_are_taken_home(profiled):
    front = profiled.ok(*search("tuned", "supernet:20"), "--json").json
    assert len(list(profiled.supernets.glob("*-tuned-20/*.npz"))) == 2
    assert all(row["verified"] for row in profiled.ok("verify", "tuned", "--json").json)
    network = profiled.folder / "network.json"
    network.write_text(json.dumps(front[0]["arch"]))
    export = ("export", "--space", "mobile", "--arch", str(network), "--study", "tuned")
    exported = profiled.ok(*export, "--output", "tuned.onnx", "--json").json
    assert exported["weights"] == "study tuned"


def test_a_function_that_fails_ends_the_search_with_its_own_words_and_is_mended(profiled):
    own = profiled.folder / "own.py"
    own.write_text("def score(network, architecture):\n    return missing\n")
    said = profiled.nas(*search("mended", "own.py:score")).err
    assert "own.py:score failed: NameError: name 'missing' is not defined (line 2)" in said
    assert "Mend it, and the same command goes on" in said
    own.write_text("def score(network, architecture):\n    return 0.5\n")
    assert profiled.ok(*search("mended", "own.py:score"), "--json").json


def test_a_way_that_there_is_not_is_told_before_any_work(empty_desk):
    assert "expected supernet, supernet:STEPS, train:EPOCHS or" in empty_desk.refused(
        2, *search("s", "train")
    )
    assert "No file none.py" in empty_desk.refused(2, *search("s", "none.py:score"))
    said = empty_desk.refused(2, *search("s", "train:1"), "--accuracy-minutes", "0")
    assert "--accuracy-minutes 0: must be above 0" in said
    assert not empty_desk.database.exists()


def test_a_study_keeps_its_way(searched):
    said = searched.refused(2, *search_command("tiny", trials=9), "--accuracy", "train:1")
    assert 'was made with accuracy = "supernet", not "train:1"' in said
