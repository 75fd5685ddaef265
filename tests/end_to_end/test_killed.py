"""Killed in the middle and started again: nothing measured is lost or measured twice."""

import json
import signal

import pytest

from tests.end_to_end.desk import kill, only, rows_of, running_until, search_command

# 1024 architectures with 22 segment keys: four networks hold each key once.
WIDER = only("resolution=20", "width=0.75", "stage*.depth=1", "stage*.kernel=3,5")
WIDER += only("stage*.expansion=3,6", "stage*.squeeze_excite=false")

NETWORKS = "SELECT digest, architecture_id FROM lut_networks ORDER BY id"
GOOD = (
    "SELECT architecture_id FROM lut_networks n WHERE NOT EXISTS "
    "(SELECT 1 FROM lut_phases p WHERE p.network_id = n.id AND p.quality != 'good')"
)


def test_a_killed_profile_goes_on_after_the_last_network_it_kept(empty_desk):
    command = ["profile", "--space", "mobile", "--data", "digits", *WIDER]
    command += ["--device", "local", "--contexts", "1", "--json"]
    process = empty_desk.start(*command)
    with running_until(process, lambda: len(rows_of(empty_desk.database, NETWORKS)) >= 2):
        kill(process)
    before = rows_of(empty_desk.database, NETWORKS)

    outcome = empty_desk.ok(*command).json

    after = rows_of(empty_desk.database, NETWORKS)
    good = rows_of(empty_desk.database, GOOD)
    assert outcome["ended"] == "complete"
    assert outcome["known"] == outcome["total"] == 22
    assert after[: len(before)] == before
    assert outcome["runs"] == len(after) - len(before)
    assert len(set(after)) == len(after)
    assert len(set(good)) == len(good)  # a flagged one may be measured again
    assert empty_desk.ok(*command).json["carriers"] == 0


def trials(desk, study, state="COMPLETE"):
    """Number, architecture and values of a study's trials, in their order."""
    return rows_of(
        desk.database,
        "SELECT t.number, a.value_json, "
        "(SELECT group_concat(v.value) FROM trial_values v WHERE v.trial_id = t.trial_id) "
        "FROM trials t JOIN studies s USING (study_id) "
        "JOIN trial_user_attributes a ON a.trial_id = t.trial_id AND a.key = 'id' "
        f"WHERE s.study_name = '{study}' AND t.state = '{state}' "
        "AND NOT EXISTS (SELECT 1 FROM trial_user_attributes d "
        "WHERE d.trial_id = t.trial_id AND d.key = 'duplicate_of') ORDER BY t.number",
    )


def supernets(desk):
    return {path.name: path.read_bytes() for path in desk.supernets.glob("*.npz")}


def test_a_killed_search_goes_on_after_the_last_network_it_evaluated(searched):
    command = search_command("killed", trials=12)
    networks, trained = rows_of(searched.database, NETWORKS), supernets(searched)
    process = searched.start(*command)
    with running_until(process, lambda: len(trials(searched, "killed")) >= 3):
        kill(process)
    before = trials(searched, "killed")
    assert 3 <= len(before) < 12

    searched.ok(*command)

    after = trials(searched, "killed")
    ids = [json.loads(architecture) for _, architecture, _ in after]
    assert after[: len(before)] == before
    assert len(ids) == len(set(ids)) == 12
    assert rows_of(searched.database, NETWORKS) == networks
    assert supernets(searched) == trained


@pytest.fixture
def interrupted(searched):
    """A search that got Ctrl-C while it evaluated networks."""
    process = searched.start(*search_command("interrupted", trials=30))
    with running_until(process, lambda: len(trials(searched, "interrupted")) >= 2):
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def test_ctrl_c_ends_a_search_with_a_word_and_keeps_what_was_evaluated(searched, interrupted):
    code, out, err = interrupted
    assert code == 1
    assert out == ""
    assert "study 'interrupted' keeps what was evaluated" in err
    assert "Traceback" not in err
    evaluated = trials(searched, "interrupted")
    assert 2 <= len(evaluated) < 30
    assert trials(searched, "interrupted", state="RUNNING") == []
    rows = searched.ok("front", "interrupted", "--json").json
    assert {row["trial"] for row in rows} <= {number for number, _, _ in evaluated}
