import ast
import json
import os
import resource
import signal
import subprocess
import sys
import time

import pytest

from device_agents import agent
from tests.device_agents.agent_host import (
    AGENT,
    FOREVER,
    INFER,
    Json,
    feed,
    is_gone,
    job,
    phase,
)


def test_the_file_is_python_3_8():
    ast.parse(AGENT.read_text(), feature_version=(3, 8))
    assert "from __future__ import annotations" in AGENT.read_text()


def test_it_starts_with_the_standard_library_alone():
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(AGENT), "serve", "--folder", "unused"],
        input='{"id": 7, "op": "hello"}\n',
        capture_output=True,
        text=True,
        cwd=os.environ["HOME"],
    )
    assert json.loads(done.stdout)["result"]["protocol"] == agent.PROTOCOL
    assert done.stderr == ""


def test_a_python_without_the_runtime_is_told_so():
    command = [sys.executable, "-S", str(AGENT), "identify"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert "onnxruntime cannot be imported" in json.loads(done.stdout)["error"]["message"]


def test_identify_tells_what_was_really_used(host):
    facts = host.ask(op="identify", threads=1, provider="CPUExecutionProvider")["result"]
    assert facts["provider"] == "CPUExecutionProvider"
    assert facts["threads"] == len(facts["cores"]) == 1
    assert facts["cores"][0] in os.sched_getaffinity(0)
    assert facts["ram_bytes"] > 2**26


def test_a_provider_that_is_not_there_is_no_silent_fall_back(host):
    error = host.ask(op="identify", threads=1, provider="NoSuchExecutionProvider")["error"]
    assert error["kind"] == "refused"
    assert "CPUExecutionProvider" in error["message"]


def test_more_threads_than_cores_are_a_bad_request(host):
    error = host.ask(op="identify", threads=5000, provider="CPUExecutionProvider")["error"]
    assert error["kind"] == "bad_request"


def test_timings_hold_together(host):
    result = host.run(host.put("network"))
    (timed,) = result["phases"]
    assert len(timed["group_ns"]) >= agent.MIN_GROUPS
    assert timed["min_ns"] <= timed["low_ns"] <= timed["latency_ns"] <= timed["high_ns"]
    assert timed["runs_per_group"] * timed["latency_ns"] > agent.GROUP_NS / 4
    assert timed["warmup_runs"] >= 10
    assert timed["nodes"] == []
    assert result["load_ns"] > 0 and timed["first_run_ns"] > 0


def test_a_profile_names_the_nodes_in_order(host):
    result = host.run(host.put("network"), kind="profile")
    nodes = result["phases"][0]["nodes"]
    convolutions = [node for node in nodes if "Conv" in node["op_type"]]
    assert len(convolutions) == 3
    assert {node["provider"] for node in nodes} == {"CPUExecutionProvider"}
    assert all(node["duration_ns"] > 0 for node in nodes)


def test_nodes_within_a_branch_belong_to_the_branch(host):
    feeds = [feed("x", "float32", 64, 64), feed("condition", "bool", low=1, high=1)]
    result = host.run(host.put("branch"), kind="profile", phases=[phase("infer", *feeds)])
    nodes = {node["name"]: node["duration_ns"] for node in result["phases"][0]["nodes"]}
    assert list(nodes) == ["first", "choice", "final"]
    assert nodes["choice"] > nodes["first"] / 2  # it holds a product of the same size


def test_phases_of_one_model_are_told_apart(host):
    wide = phase("wide", feed("x", "float32", 1, 3, 128, 32))
    result = host.run(host.put("network"), kind="profile", phases=[INFER, wide])
    small, large = result["phases"]
    assert (small["name"], large["name"]) == ("infer", "wide")
    assert large["latency_ns"] > 2 * small["latency_ns"]
    small_ns, large_ns = (sum(n["duration_ns"] for n in p["nodes"]) for p in (small, large))
    assert large_ns > 2 * small_ns


def test_every_type_of_feed_arrives(host):
    feeds = [feed(name, name, 3, 2) for name in agent.DTYPES]
    assert host.run(host.put("typed"), phases=[phase("infer", *feeds)])["warnings"] == []


def test_an_empty_feed_arrives(host):
    """A cache before its first token has no rows."""
    feeds = [feed(name, name, 0, 2) for name in agent.DTYPES]
    assert host.run(host.put("typed"), phases=[phase("infer", *feeds)])["phases"]


def test_feeds_that_the_model_does_not_have_are_named(host):
    phases = [phase("infer", *INFER["feeds"], feed("mask", "bool", 1))]
    error = host.fail(host.put("network"), phases=phases)
    assert error["kind"] == "bad_request"
    assert "mask" in error["message"]


def test_a_memory_job_sees_what_the_model_takes(host):
    size = 50_000_000
    sizes = [phase("infer", feed("size", "int64", 1, low=size, high=size))]
    result = host.run(host.put("hungry"), kind="memory", phases=sizes)
    assert result["phases"] == []
    # Five times at most: twice while it runs, planned anew for the second run, and the copy.
    assert 4 * size < result["peak_bytes"] < 20 * size


def test_the_canary_is_timed_before_between_and_after_visits(host):
    result = host.run(host.put("network"), canary=host.put("other"))
    assert result["canary_before_ns"] > 0
    assert result["canary_after_ns"] > 0
    (phase,) = result["phases"]
    assert len(result["canary_between_ns"]) == len(phase["visit_groups"]) - 1 >= 1
    assert sum(phase["visit_groups"]) == len(phase["group_ns"])


def test_a_hanging_job_is_ended_and_the_next_one_runs(host):
    error = host.fail(host.put("endless"), phases=FOREVER, limit_s=2.0)
    assert error["kind"] == "timeout"
    assert host.run(host.put("network"))["phases"]


def test_a_job_beyond_its_memory_limit_fails_alone(host):
    size = 2**30
    phases = [phase("infer", feed("size", "int64", 1, low=size, high=size))]
    error = host.fail(host.put("hungry"), phases=phases, memory_limit_bytes=2**30)
    assert error["kind"] == "memory"
    assert host.run(host.put("network"))["phases"]


@pytest.mark.parametrize(
    ("number", "kind"), [(signal.SIGSEGV, "crash"), (signal.SIGKILL, "memory")]
)
def test_a_job_that_dies_tells_its_kind_and_the_next_one_runs(host, number, kind):
    host.send(**job(host.put("endless"), phases=FOREVER))
    os.kill(host.wait_for_child(), number)
    while "beat" in (reply := host.receive()):
        pass
    assert reply["error"]["kind"] == kind
    assert host.run(host.put("network"))["phases"]


def test_a_model_that_the_runtime_will_not_have_is_refused(host, models):
    (models / "broken.onnx").write_bytes(b"no model at all")
    error = host.fail(host.put("broken"))
    assert error["kind"] == "refused"
    assert host.run(host.put("network"))["phases"]


def test_a_model_that_changed_on_the_device_is_not_measured(host):
    digest = host.put("network")
    (host.folder / "models" / f"{digest}.onnx").write_bytes(b"damaged")
    assert host.fail(digest)["kind"] == "model"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("../../etc/passwd", "bad_request"),
        ("0" * 64, "model"),
        ("", "bad_request"),
        (None, "bad_request"),
    ],
)
def test_only_a_model_that_is_there_can_be_measured(host, name, kind):
    assert host.fail(name)["kind"] == kind


@pytest.mark.parametrize(
    "line", ["", "no json", "[]", '{"id": 1}', '{"id": 1, "op": "dance"}', '{"id": 1, "op": "job"}']
)
def test_a_line_that_makes_no_sense_is_answered(host, line):
    host.send_line(line)
    assert host.receive()["error"]["kind"] == "bad_request"
    assert host.ask(op="hello")["result"]["protocol"] == agent.PROTOCOL


def test_agents_of_one_device_take_turns(start_host):
    first, second = start_host(), start_host()
    first.send(**job(first.put("endless"), phases=FOREVER))
    first.wait_for_child()
    assert second.fail(second.put("network"), limit_s=0.5)["kind"] == "busy"


def test_the_job_ends_when_the_host_hangs_up(host):
    host.send(**job(host.put("endless"), phases=FOREVER))
    child = host.wait_for_child()
    host.process.stdin.close()
    assert host.process.wait(10) == 0
    assert is_gone(child)


def test_the_job_ends_when_the_agent_is_killed(host):
    host.send(**job(host.put("endless"), phases=FOREVER))
    child = host.wait_for_child()
    host.process.kill()
    assert is_gone(child)


def test_a_job_leaves_nothing_behind(host, lonely_home):
    digest = host.put("network")
    host.run(digest, kind="profile")
    left = {str(path.relative_to(host.folder)) for path in host.folder.rglob("*")}
    assert left == {"lock", "models", f"models/{digest}.onnx"}
    assert list(lonely_home.iterdir()) == []


def test_the_models_used_longest_ago_make_room(host):
    digest = host.put("network")
    for age_s in (1000, 2000, 3000):
        model = host.folder / "models" / f"old{age_s}.onnx"
        model.touch()
        os.truncate(model, agent.KEPT_BYTES * 2 // 5)  # sparse: takes no disk
        os.utime(model, (time.time() - age_s,) * 2)
    host.run(digest, kind="memory")
    left = {path.name for path in (host.folder / "models").iterdir()}
    assert left == {f"{digest}.onnx", "old1000.onnx", "old2000.onnx"}


def test_a_model_can_be_measured_by_hand(models):
    command = [sys.executable, str(AGENT), "run", str(models / "network.onnx"), "--seconds", "0.1"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["phases"][0]["latency_ns"] > 0


def test_a_missing_model_by_hand_is_an_error(tmp_path):
    command = [sys.executable, str(AGENT), "run", str(tmp_path / "none.onnx")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert json.loads(done.stdout)["error"]["kind"] == "model"


def test_a_profile_that_the_disk_cut_off_is_no_fault_of_the_model(models):
    command = [sys.executable, str(AGENT), "run", str(models / "network.onnx")]
    done = subprocess.run(
        [*command, "--kind", "profile", "--seconds", "0.1"],
        capture_output=True,
        text=True,
        # No file may grow beyond this, which a program sees as it sees a full disk.
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)),
    )
    assert json.loads(done.stdout)["error"]["kind"] == "disk"


def test_cores_are_the_last_of_the_fastest_cluster_that_has_enough():
    speed = {0: 1, 1: 1, 2: 1, 3: 1, 4: 2, 5: 2, 6: 3}.__getitem__
    cores = range(7)
    assert agent.choose_cores(1, list(cores), speed) == [6]
    assert sorted(agent.choose_cores(2, list(cores), speed)) == [4, 5]
    assert sorted(agent.choose_cores(4, list(cores), speed)) == [0, 1, 2, 3]
    assert sorted(agent.choose_cores(5, list(cores), speed)) == [2, 3, 4, 5, 6]


def test_cores_of_one_kind_may_differ_by_a_little():
    capacity = {0: 530, 1: 530, 2: 530, 3: 530, 4: 1024, 5: 1024, 6: 1003, 7: 1003}.__getitem__
    assert sorted(agent.choose_cores(4, list(range(8)), capacity)) == [4, 5, 6, 7]
    assert agent.choose_cores(1, list(range(8)), capacity) == [5]


def test_two_threads_do_not_share_a_physical_core_that_is_a_little_faster(tmp_path):
    clock = {0: 5_759, 1: 5_611, 2: 5_759, 3: 5_611}.__getitem__
    for core in range(4):
        siblings = tmp_path / f"sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list"
        siblings.parent.mkdir(parents=True)
        siblings.write_text(f"{core % 2},{core % 2 + 2}\n")
    chosen = agent.choose_cores(2, list(range(4)), clock, str(tmp_path))
    assert {core % 2 for core in chosen} == {0, 1}


def test_the_interval_of_the_median_has_the_ranks_of_the_tables():
    assert agent.median_interval(list(range(1, 7))) == (1, 6)
    assert agent.median_interval(list(range(1, 10))) == (2, 8)
    assert agent.median_interval(list(range(1, 21))) == (6, 15)
    assert agent.median_interval(list(range(1, 101))) == (40, 61)
    assert agent.median_interval(list(range(1, 5001))) == (2431, 2570)


def test_below_six_values_the_interval_is_all_there_is():
    assert agent.median_interval([5]) == (5, 5)
    assert agent.median_interval([3, 9, 5]) == (3, 9)


def event(name: str, op_type: str, start_us: int, duration_us: int) -> Json:
    args = {"op_name": op_type, "provider": "CPU"}
    return {"name": f"{name}_kernel_time", "ts": start_us, "dur": duration_us, "args": args}


def nested(*events: Json) -> list[object]:
    nodes: list[Json] = []
    for one in events:
        agent.add_node(nodes, one)
    return [node["name"].removesuffix("_kernel_time") for node in nodes]


def test_a_body_is_dropped_when_its_owner_ends():
    assert nested(
        event("first", "Conv", 0, 5),
        event("inner", "Add", 7, 1),
        event("last", "Add", 9, 1),
        event("owner", "If", 6, 5),
        event("after", "Conv", 12, 1),
    ) == ["first", "owner", "after"]


def test_a_body_that_begins_in_its_owners_microsecond_is_dropped():
    assert nested(event("inner", "Add", 6, 1), event("owner", "Loop", 6, 5)) == ["owner"]


def test_neighbours_in_one_microsecond_are_both_kept():
    assert nested(event("a", "Add", 6, 0), event("b", "Mul", 6, 0)) == ["a", "b"]


def test_a_node_takes_the_mean_of_its_fastest_quarter_and_half_a_microsecond():
    runs = [[event("a", "Add", 0, duration)] for duration in (3, 4, 90, 7, 70, 80, 99, 60)]
    (node,) = agent.node_times(runs)
    assert node == {"name": "a", "op_type": "Add", "provider": "CPU", "duration_ns": 4000}


def test_a_run_with_another_sequence_of_nodes_is_left_out():
    usual = [event("a", "Add", 0, 3)]
    runs = [usual, usual, [event("b", "Add", 0, 1), *usual]]
    assert [node["name"] for node in agent.node_times(runs)] == ["a"]


@pytest.mark.parametrize("jump_ns", [0, -3_600_000_000_000])
def test_a_clock_that_stands_or_jumps_back_ends_the_job(jump_ns):
    readings = iter([7_200_000_000_000, 7_200_000_000_000 + jump_ns])
    with pytest.raises(
        agent.AgentError, match="the device's clock says that 5 runs took"
    ) as caught:
        agent.time_runs(lambda: None, 5, clock=readings.__next__)
    assert caught.value.kind == "clock"


def test_time_is_told_by_clocks_that_nobody_sets():
    tree = ast.walk(ast.parse(AGENT.read_text()))
    used = {n.attr for n in tree if isinstance(n, ast.Attribute) and ast.unparse(n.value) == "time"}
    assert used == {"monotonic", "perf_counter_ns"}


def quality(
    *canaries: int, sure: bool = True, usual: int | None = None, throttle: list[str] | None = None
) -> str:
    return agent.quality(throttle=throttle, is_sure=sure, canaries=[*canaries], usual_ns=usual)


def test_quality_names_the_worst_doubt():
    assert quality() == "good"
    assert quality(100, 109, throttle=[]) == "good"
    assert quality(100, 100, sure=False) == "noisy"
    assert quality(100, 112, sure=False) == "drifted"
    assert quality(100, 112, throttle=["under-voltage"]) == "throttled"


def test_a_disturbance_that_passes_is_no_drift_and_a_machine_that_stays_slower_is():
    assert quality(100, 160, 101, 150) == "good"
    assert quality(100, 160, 112, 150) == "drifted"
    assert quality(104, 109, usual=100) == "good"
    assert quality(107, 107, usual=100) == "drifted"


# Timings in visits


class Runs:
    """A model on a made-up clock: each run takes as long as the machine's state makes it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, run_ns: int) -> None:
        self.now_ns, self.run_ns, self.runs = 0, run_ns, 0
        monkeypatch.setattr(agent.time, "perf_counter_ns", lambda: self.now_ns)
        monkeypatch.setattr(agent.time_runs, "__defaults__", (lambda: self.now_ns,))

    def __call__(self) -> None:
        self.runs += 1
        self.now_ns += self.run_ns


def timer(run: Runs, factors: list[float], *, calm: bool = True) -> agent.Timer:
    """After its visits, in each of which the machine is slower by a factor, at last for ever."""
    usual_ns, left = run.run_ns, iter(factors)
    made = agent.Timer(run, 1.0)
    while not made.visits or not made.is_done(is_calm=calm):
        run.run_ns = round(usual_ns * next(left, factors[-1]))
        made.visit()
    return made


def test_a_quiet_machine_is_visited_twice(monkeypatch):
    made = timer(Runs(monkeypatch, 1_000_000), [1.0])
    assert len(made.visits) == 2
    assert made.low_is_sure()
    assert set(made.groups) == {1_000_000}


def test_a_machine_that_seems_disturbed_is_visited_until_the_time_is_up(monkeypatch):
    assert len(timer(Runs(monkeypatch, 1_000_000), [1.5], calm=False).visits) >= 4


def test_visits_go_on_while_only_one_saw_the_fastest_runs(monkeypatch):
    slow = [1.5] * 5
    made = timer(Runs(monkeypatch, 1_000_000), [1.0, *slow, 1.0, *slow])
    assert len(made.visits) == 7
    assert made.low_is_sure()


def test_visits_end_where_the_fastest_runs_never_come_again(monkeypatch):
    made = timer(Runs(monkeypatch, 1_000_000), [1.0, 1.5])
    assert not made.low_is_sure()
    assert 10 <= len(made.visits) <= 20


def test_a_slow_model_is_not_run_more_often_than_eight_groups_need(monkeypatch):
    run = Runs(monkeypatch, 10_000_000_000)
    made = timer(run, [1.0])
    assert len(made.groups) == 8
    assert run.runs <= 12
