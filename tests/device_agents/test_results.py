import copy
import json
from typing import Any

import pytest

from device_agents.conditions import Gate
from device_agents.errors import ProtocolError
from device_agents.jobs import Job, JobKind, Phase
from device_agents.results import JobResult, read_result

DIGEST = "ab" * 32
ANSWER: dict[str, Any] = {
    "phases": [
        {
            "name": "infer",
            "group_ns": [100, 110, 105, 120, 101, 102, 103],
            "visit_groups": [4, 3],
            "runs_per_group": 20,
            "warmup_runs": 10,
            "first_run_ns": 900,
            "latency_ns": 103,
            "low_ns": 100,
            "high_ns": 120,
            "p90_ns": 120,
            "p99_ns": 120,
            "min_ns": 100,
            "mad_ns": 2,
            "quality": "noisy",
            "nodes": [{"name": "a", "op_type": "Add", "provider": "CPU", "duration_ns": 99}],
            "temp_c": 48.686,
            "clock_hz": 1500000000,
            "throttle": [],
            "energy": {
                "sensor": "ina3221:VDD_IN",
                "energy_uj": 900,
                "idle_uw": 2000000,
                "run_ns": 150000,
                "runs": 13334,
            },
        }
    ],
    "load_ns": 5000,
    "peak_bytes": 0,
    "peak_kind": "resident_over_empty_session",
    "provider": "CPUExecutionProvider",
    "threads": 2,
    "cores": [2, 3],
    "canary_before_ns": 50,
    "canary_after_ns": None,
    "canary_between_ns": [],
    "model_sha256": DIGEST,
    "warnings": [],
    "governor": "performance",
    "gate": {"waited_ns": 200000000, "missed": []},
    "retries": 1,
    "energy_absent": None,
}


def read(answer: object, kind: JobKind = "profile") -> JobResult:
    return read_result(
        answer,
        device="board",
        job=Job(kind=kind, phases=(Phase(name="infer", feeds=()),)),
        model_sha256=DIGEST,
        provider="CPUExecutionProvider",
        threads=2,
    )


def test_a_good_answer_is_believed():
    result = read(ANSWER)
    phase = result.phase("infer")
    assert phase.latency_ns == 103
    assert phase.runs == 140
    assert phase.quality == "noisy"
    assert [node.name for node in phase.nodes] == ["a"]
    assert (result.canary_before_ns, result.canary_after_ns) == (50, None)
    with pytest.raises(KeyError):
        result.phase("decode")


def test_what_surrounded_the_measurement_is_told():
    result = read(ANSWER)
    phase = result.phase("infer")
    assert (phase.temp_c, phase.clock_hz, phase.throttle) == (48.686, 1500000000, ())
    assert (result.governor, result.retries, result.energy_absent) == ("performance", 1, None)
    assert result.gate == Gate(waited_ns=200000000, missed=())
    assert phase.energy is not None
    assert phase.energy.over_idle_uj == 600  # 900 uJ, less 150 us of 2 W


def test_what_a_device_does_not_know_is_none_and_never_zero():
    answer = copy.deepcopy(ANSWER)
    answer["phases"][0].update(temp_c=None, clock_hz=None, throttle=None, energy=None)
    answer.update(governor=None, gate=None, energy_absent="no sensor: no RAPL")
    result = read(answer)
    phase = result.phase("infer")
    assert phase.temp_c is phase.clock_hz is phase.throttle is phase.energy is None
    assert result.governor is result.gate is None
    assert result.energy_absent == "no sensor: no RAPL"


def test_time_of_nodes_on_another_provider_than_the_asked_one_is_told_by_its_share():
    answer = copy.deepcopy(ANSWER)
    (node,) = answer["phases"][0]["nodes"]
    asked = {**node, "provider": "CPUExecutionProvider", "duration_ns": 300}
    answer["phases"][0]["nodes"] = [asked]
    assert read(answer).elsewhere() == {}
    answer["phases"][0]["nodes"] = [asked, {**node, "provider": "Other", "duration_ns": 100}]
    assert read(answer).elsewhere() == {"Other": 0.25}
    answer["phases"][0]["nodes"] = []
    assert read(answer, "time").elsewhere() == {}


LIES = [
    ("load_ns", float("nan")),
    ("load_ns", 0),
    ("load_ns", -5),
    ("load_ns", 10**20),
    ("load_ns", 5000.0),
    ("load_ns", True),
    ("load_ns", None),
    ("peak_bytes", -1),
    ("provider", "CUDAExecutionProvider"),
    ("threads", 1),
    ("cores", [-1]),
    ("model_sha256", "cd" * 32),
    ("warnings", ["x" * 501]),
    ("warnings", "text"),
    ("phases", []),
    ("phases", {}),
    ("phases.0", 7),
    ("phases.0.name", "decode"),
    ("phases.0.group_ns", []),
    ("phases.0.group_ns", [1] * 10_001),
    ("phases.0.group_ns", [100, float("inf")]),
    ("phases.0.latency_ns", 99),
    ("phases.0.latency_ns", 121),
    ("phases.0.low_ns", 130),
    ("phases.0.high_ns", 102),
    ("phases.0.min_ns", 101),
    ("phases.0.p90_ns", 90),
    ("phases.0.quality", "excellent"),
    ("phases.0.quality", ["good"]),
    ("phases.0.nodes", []),
    ("phases.0.nodes.0.duration_ns", 0),
    ("phases.0.nodes.0.name", None),
    ("phases.0.group_ns", [100, -3]),
    ("phases.0.group_ns", [100, 0]),
    ("phases.0.group_ns", [100, 10**18]),
    ("phases.0.temp_c", float("nan")),
    ("phases.0.temp_c", -256.0),
    ("phases.0.temp_c", True),
    ("phases.0.temp_c", "48"),
    ("phases.0.clock_hz", 0),
    ("phases.0.throttle", "under-voltage"),
    ("phases.0.throttle", [7]),
    ("phases.0.energy", 900),
    ("phases.0.energy.energy_uj", 0),
    ("phases.0.energy.energy_uj", float("inf")),
    ("phases.0.energy.idle_uw", -1),
    ("phases.0.energy.run_ns", 0),
    ("phases.0.energy.runs", 0),
    ("phases.0.energy.sensor", None),
    ("governor", 3),
    ("gate", []),
    ("gate.waited_ns", -1),
    ("gate.missed", None),
    ("retries", -1),
    ("energy_absent", 0),
]


@pytest.mark.parametrize(("place", "lie"), LIES)
def test_a_lie_is_refused_with_its_place(place, lie):
    answer = copy.deepcopy(ANSWER)
    *steps, last = [int(step) if step.isdigit() else step for step in place.split(".")]
    holder: Any = answer
    for step in steps:
        holder = holder[step]
    holder[last] = lie
    named = last if isinstance(last, str) else steps[-1]
    with pytest.raises(ProtocolError, match=rf"^board: the result.*{named}"):
        read(json.loads(json.dumps(answer)))


@pytest.mark.parametrize("field", [*ANSWER, "nonsense"])
def test_only_what_is_asked_for_is_needed(field):
    answer = {key: value for key, value in ANSWER.items() if key != field}
    if field == "nonsense":
        assert read({**answer, field: 1}) == read(ANSWER)
        return
    with pytest.raises(ProtocolError, match=field):
        read(answer)


def test_nodes_come_only_when_they_were_asked_for():
    with pytest.raises(ProtocolError, match="nodes"):
        read(ANSWER, kind="time")


def test_a_memory_job_has_no_timings():
    assert read({**ANSWER, "phases": []}, kind="memory").phases == ()
    with pytest.raises(ProtocolError, match="phases"):
        read(ANSWER, kind="memory")


def test_names_cannot_carry_control_characters():
    answer = copy.deepcopy(ANSWER)
    answer["phases"][0]["nodes"][0]["name"] = "a\x1b[2Jb"
    assert read(answer).phases[0].nodes[0].name == "a\N{REPLACEMENT CHARACTER}[2Jb"
