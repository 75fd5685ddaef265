import json
from dataclasses import replace

import pytest

from nas.bench import compare, measure_unseen, read_unseen
from nas.campaign.crew import Crew
from nas.campaign.profiling import profile
from nas.errors import BadInput
from tests.latency_lut.networks import tiny_space
from tests.nas.arithmetic_rig import ArithmeticSession, arithmetic_rig


@pytest.fixture
def session():
    return ArithmeticSession()


@pytest.fixture
def rig(tmp_path, session):
    with arithmetic_rig(tmp_path, tiny_space(phases=("infer", "learn")), session) as opened:
        profile(Crew([opened]))
        yield opened


def rows_of(result, quantity):
    return {row["by"]: row for row in result.rows if row["quantity"] == quantity}


def test_a_device_without_noise_is_predicted_without_error(rig):
    result = compare(rig, rig.predictor(), measure_unseen(rig, networks=8, seed=1))
    assert list(rows_of(result, "infer")) == [
        "this LUT",
        "this LUT, one measurement",
        "blocks timed alone",
        "line on MACs",
        "measured again",
    ]
    for row in (
        rows_of(result, "infer")["this LUT"],
        rows_of(result, "learn")["this LUT"],
        rows_of(result, "infer")["measured again"],
    ):
        assert row["networks"] == 8
        assert row["MAPE"] == pytest.approx(0, abs=1e-9)
        assert row["bias"] == pytest.approx(0, abs=1e-9)
        assert row["within 5 %"] == row["within 10 %"] == 1.0
        assert row["Spearman"] == pytest.approx(1)
    assert rows_of(result, "infer")["this LUT"]["in interval"] == 1.0
    assert rows_of(result, "infer")["measured again"]["in interval"] is None


def test_a_device_that_became_slower_unseen_shows_as_bias_of_the_lut(rig, session):
    session.slowness, session.canary_slowness = 1.25, 1.0
    ours = rows_of(compare(rig, rig.predictor(), measure_unseen(rig, networks=5, seed=1)), "infer")[
        "this LUT"
    ]
    assert ours["bias"] == pytest.approx(-0.2, abs=1e-3)
    assert ours["within 10 %"] == 0.0
    assert ours["Spearman"] == pytest.approx(1)


def test_one_measurement_is_compared_with_the_lut_as_it_is_with_the_other(rig, session):
    unseen = measure_unseen(rig, networks=4, seed=1)
    apart = replace(unseen, second_ns=unseen.first_ns * 1.21)
    rows = rows_of(compare(rig, rig.predictor(), apart), "infer")
    assert rows["this LUT, one measurement"]["MAPE"] == pytest.approx(0, abs=1e-9)
    assert rows["this LUT"]["MAPE"] == pytest.approx(1 - 1 / 1.1)
    assert rows["measured again"]["MAPE"] == pytest.approx(0.21)


def test_networks_are_only_timed_so_that_the_lut_stays_as_it_was(rig, session):
    before = rig.store.lut(rig.profile.id).entries
    session.jobs.clear()
    measure_unseen(rig, networks=3, seed=1)
    assert rig.store.lut(rig.profile.id).entries == before
    assert {job.kind for job in session.jobs} == {"time"}


def test_memory_is_predicted_as_before_the_networks_were_measured(rig, session):
    session.peak_bytes = 10 << 20
    measure_unseen(rig, networks=4, seed=2)  # eight records are enough for a model
    before, session.peak_bytes = rig.predictor(), 20 << 20
    result = compare(rig, before, measure_unseen(rig, networks=4, seed=1))
    for row in result.networks:
        architecture = rig.space.architecture(row["architecture"]["choices"])
        told = before.predict(architecture).memory_bytes
        assert row["memory"]["predicted_mib"] == pytest.approx(told / 2**20)
        assert rig.predictor().predict(architecture).memory_bytes > 1.1 * told


def test_every_network_is_one_that_never_was_a_carrier_and_is_measured_at_two_times(rig):
    carriers = {c.id for c in rig.store.carriers(rig.space, rig.profile.id, rig.precision)}
    result = compare(rig, rig.predictor(), measure_unseen(rig, networks=6, seed=1))
    ids = [network["id"] for network in result.networks]
    assert len(set(ids)) == 6
    assert not carriers & set(ids)
    measured = [r.architecture_id for r in rig.store.networks(rig.profile.id, purpose="measure")]
    assert sorted(measured) == sorted(ids * 2)
    assert measured[:6] == ids


def test_what_the_lut_cost_is_told_beside_what_blocks_alone_cost(rig):
    rows = rows_of(compare(rig, rig.predictor(), measure_unseen(rig, networks=4, seed=1)), "infer")
    carriers = len(rig.store.networks(rig.profile.id, purpose="carrier"))
    assert rows["this LUT"]["runs"] == rows["line on MACs"]["runs"] == carriers
    assert 0 < rows["blocks timed alone"]["runs"] <= 7
    assert rows["measured again"]["runs"] is None


def test_what_the_lut_of_a_part_of_the_space_cost_is_told_without_the_rest(rig):
    networks = [rig.store.carriers(rig.space, rig.profile.id, "fp32")[0]]
    part = replace(rig, space=rig.space.restricted({"size": [networks[0].choices["size"]]}))
    unseen = measure_unseen(part, networks=2, seed=1)
    rows = [
        rows_of(compare(of, rig.predictor(), unseen), "infer")["this LUT"] for of in (part, rig)
    ]
    assert 0 < rows[0]["runs"] < rows[1]["runs"]
    assert 0 < rows[0]["minutes"] < rows[1]["minutes"]


def test_blocks_alone_of_a_device_that_just_adds_up_are_as_good_as_the_lut(rig):
    rows = rows_of(compare(rig, rig.predictor(), measure_unseen(rig, networks=4, seed=1)), "infer")
    assert rows["blocks timed alone"]["MAPE"] == pytest.approx(0, abs=1e-6)


def test_the_steps_are_told_and_the_share_done_never_falls(rig):
    told = []
    measure_unseen(rig, networks=3, seed=1, on_step=lambda done, words: told.append((done, words)))
    shares = [done for done, _ in told]
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1)
    assert told[0][1] == "network 1 of 3"
    assert told[-1][1] == "network again 3 of 3"


def test_a_space_with_too_few_unseen_networks_is_refused(rig):
    with pytest.raises(BadInput, match="networks that never taught the LUT"):
        measure_unseen(rig, networks=100, seed=1)


@pytest.fixture
def earlier(rig, tmp_path):
    """What `nas bench lut --json` wrote of this device, and the file."""
    result = compare(rig, rig.predictor(), measure_unseen(rig, networks=6, seed=1))
    of = {"device_profile": rig.profile.id, "space": rig.space.name, "precision": "fp32"}
    document = {**of, "rows": result.rows, "networks": result.networks}
    path = tmp_path / "earlier.json"
    path.write_text(json.dumps(document))
    return document, path


def test_what_an_earlier_run_measured_is_scored_again_to_the_same(rig, session, earlier):
    document, path = earlier
    ran = len(session.jobs)
    again = compare(rig, rig.predictor(), read_unseen(rig, path))
    assert len(session.jobs) == ran
    for row, before in zip(again.rows, document["rows"], strict=True):
        if row["quantity"] == "memory":
            assert row["networks"] == 0  # they have taught it since
            assert row["in interval"] is None
        else:
            assert row == pytest.approx(before, nan_ok=True)


def test_a_block_that_did_not_run_alone_is_none_in_the_file_and_no_number_here(rig, earlier):
    document, path = earlier
    document["networks"][0]["infer"]["alone_ms"] = None
    path.write_text(json.dumps(document))
    alone = rows_of(compare(rig, rig.predictor(), read_unseen(rig, path)), "infer")[
        "blocks timed alone"
    ]
    assert alone["networks"] == 5


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("device_profile", "ffff", "of device profile ffff"),
        ("precision", "int8", "of precision int8"),
        ("space", "other", "of space other"),
        ("networks", [{}], "not written by nas bench lut"),
        ("rows", [], "not written by nas bench lut"),
    ],
)
def test_what_was_measured_of_something_else_is_refused(rig, earlier, name, value, complaint):
    document, path = earlier
    path.write_text(json.dumps({**document, name: value}))
    with pytest.raises(BadInput, match=complaint):
        read_unseen(rig, path)


def test_a_file_that_is_not_there_is_named(rig, tmp_path):
    with pytest.raises(BadInput, match=r"none\.json cannot be read: No such file"):
        read_unseen(rig, tmp_path / "none.json")


@pytest.mark.parametrize("purpose", ["carrier", "verify"])
def test_networks_that_have_taught_the_lut_since_are_refused(rig, earlier, purpose):
    unseen = read_unseen(rig, earlier[1])
    rig.measure(unseen.architectures[0], purpose=purpose)
    with pytest.raises(BadInput, match="1 networks of .* have taught the LUT since"):
        read_unseen(rig, earlier[1])
