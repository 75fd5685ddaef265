"""The one file that runs on a device: it measures ONNX models and answers in JSON lines.

It needs Python 3.8 and the standard library to start, onnxruntime and its numpy to measure.

    agent.py serve --folder F     answers requests on stdin, one a line, until stdin ends
    agent.py identify             prints what this machine is, as one JSON document
    agent.py run MODEL.onnx       measures one model, prints one JSON document
    agent.py child                one job, used by the three above

A request is {"id": N, "op": ...}; while it is worked on {"id": N, "beat": "running" | "waiting"}
comes every BEAT_S, then {"id": N, "result": ...} or {"id": N, "error": {"kind", "message"}}.

    op hello      -> protocol, method, python, pid
    op identify   threads, provider -> the facts that make two latencies comparable
    op job        kind profile | time | memory, model and canary (SHA-256 of files in F/models; the
                  canary may be null), phases [{name, feeds [{name, dtype, shape, low, high}]}],
                  threads, provider, max_seconds_per_phase, limit_s, seed,
                  memory_limit_bytes (or null)
                  -> phases, load_ns, peak_bytes, peak_kind, provider, threads, cores,
                     canary_before_ns, canary_after_ns, model_sha256, warnings

Kinds of error: timeout, crash, refused (the runtime will not have the model), memory, bad_request,
busy (other agents kept the device), disk.

Every job is a child process of its own with an end to its time and its memory, so that a model
that crashes, hangs or eats the memory costs that model only. One job runs at a time on a device,
whatever the number of agents: the lock F/lock sees to it. Nothing outside F is written, no setting
of the device is changed.
"""

# ruff: noqa: B905 -- zip has no `strict` before Python 3.10

from __future__ import annotations

import argparse
import base64
import contextlib
import ctypes
import errno
import fcntl
import gc
import glob
import hashlib
import json
import math
import os
import platform
import re
import resource
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

PROTOCOL = 1
METHOD = 1  # raised whenever the way of measuring changes: old latencies are then not comparable
BEAT_S = 5.0  # our choice: rare enough not to disturb what is being measured
REQUEST_CAP_BYTES = 2**20  # our choice: a request of 10,000 feeds
REPLY_CAP_BYTES = 16 * 2**20  # what the host takes in as one line
STDERR_TAIL_BYTES = 4096
MODELS_CAP_BYTES = 512 * 2**20  # our choice: models kept on the device, oldest leave first
MODEL_GRACE_S = 60.0  # a file this young may be waiting for its job
MEMORY_SHARE = 0.75  # our choice: of the memory available, what a job may take

WARM_UP_RUNS, WARM_UP_NS = 10, 300_000_000  # until two windows agree within WARM_UP_AGREEMENT
WARM_UP_CAP_NS, WARM_UP_AGREEMENT = 1_000_000_000, 0.01
GROUP_NS, MIN_GROUPS, MAX_GROUPS = 20_000_000, 7, 1000
STOP_HALF_WIDTH = 0.01  # 95 % interval of the median, as a share of the median
NOISY_HALF_WIDTH = 0.03  # our choice: wider than this is "noisy"
DRIFT_SHARE = 0.10  # our choice: canaries further apart than this are "drifted"
CANARY_NS = 40_000_000
# 40 repeats on a shared machine: the sums of node times spread by 1.0 % (mean over the fastest
# quarter), 1.3 % (half), 1.9 % (median), 18 % (mean); canaries in a row differ by 2.7 % (fastest
# tenth), 4.2 % (half). The quarter keeps enough values to see below the profiler's microsecond.
NODE_SHARE, CANARY_SHARE = 0.25, 0.10
PROFILE_WARM_UP_RUNS, PROFILE_RUNS, PROFILE_NS = 10, 30, 1_000_000_000
CHILD_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",  # numpy only fills arrays; idle threads of its own would disturb
    "OPENBLAS_NUM_THREADS": "1",
    "ORT_DISABLE_TELEMETRY": "1",  # or the runtime writes to ~/.cache and sends from a thread
}
SPINNING = True  # the runtime's default, set so that it cannot change unseen

# y = Identity(x), one float: what is resident with it is the runtime itself, not the model.
EMPTY_MODEL = base64.b64decode(
    "CAcSADo3ChAKAXgSAXkiCElkZW50aXR5EgFlWg8KAXgSCgoICAESBAoCCAFiDwoBeRIKCggIARIECgIIAUIECgAQDQ=="
)
SUBGRAPH_OPS = ("If", "Loop", "Scan")
DTYPES = ("float16", "float32", "float64", "int8", "int32", "int64", "uint8", "bool")

Json = Dict[str, Any]


class AgentError(Exception):
    """A request that cannot be answered, with its kind from the list at the head of the file."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind

    def as_json(self) -> Json:
        """The error as a reply."""
        return {"error": {"kind": self.kind, "message": str(self)[:500]}}


class HostGone(Exception):  # noqa: N818 -- not an error: the host has hung up
    """Standard input has ended: nobody waits for an answer."""


# ---- what this machine is: every fact is read, or None ------------------------------------------


def _read_text(path: str) -> Optional[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip(" \t\r\n\0") or None
    except OSError:
        return None


def _read_int(path: str) -> Optional[int]:
    try:
        return int(_read_text(path) or "", 0)
    except ValueError:
        return None


def _field(text: Optional[str], key: str) -> Optional[str]:
    """The value of the first `key : value` or `key="value"` line."""
    found = re.search(
        r"^%s[ \t]*[:=][ \t]*\"?([^\"\n]*)" % re.escape(key), text or "", re.MULTILINE
    )
    return found.group(1).strip() or None if found else None


def _cpu_file(core: int, name: str) -> str:
    return "/sys/devices/system/cpu/cpu%d/%s" % (core, name)


def _board() -> Optional[str]:
    model = _read_text("/proc/device-tree/model")
    if model:
        return model
    parts = [_read_text("/sys/class/dmi/id/" + name) for name in ("sys_vendor", "product_name")]
    return " ".join(part for part in parts if part) or None


def _cpu_model() -> Optional[str]:
    text = _read_text("/proc/cpuinfo")
    if _field(text, "model name"):
        return _field(text, "model name")
    makers, parts = _field(text, "CPU implementer"), re.findall(r"CPU part\s*: (\w+)", text or "")
    if makers and parts:
        return "ARM implementer %s parts %s" % (makers, "+".join(sorted(set(parts))))
    return platform.processor() or None


def _cache_bytes(core: int) -> Json:
    sizes: Json = {"l1d": None, "l2": None, "l3": None}
    for index in glob.glob(_cpu_file(core, "cache/index*")):
        level, kind = _read_text(index + "/level"), _read_text(index + "/type")
        name = "l1d" if level == "1" and kind == "Data" else "l%s" % level
        size = re.match(r"(\d+)([KM]?)", _read_text(index + "/size") or "")
        if size and name in sizes:
            sizes[name] = int(size.group(1)) * {"": 1, "K": 2**10, "M": 2**20}[size.group(2)]
    return sizes


def _clock_hz(core: int) -> Json:
    """The range that the governor may use now: a clock fixed by the user shows as one value."""
    khz = {
        end: _read_int(_cpu_file(core, "cpufreq/scaling_%s_freq" % end)) for end in ("min", "max")
    }
    return {end: value and value * 1000 for end, value in khz.items()}


def _allowed_cores() -> List[int]:
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def _core_speed(core: int) -> int:
    return (
        _read_int(_cpu_file(core, "cpu_capacity"))
        or _read_int(_cpu_file(core, "cpufreq/cpuinfo_max_freq"))
        or 0
    )


def choose_cores(threads: int, allowed: List[int], speed: Callable[[int], int]) -> List[int]:
    """The last cores of the fastest cluster that has enough: core 0 serves the interrupts."""
    if not 1 <= threads <= len(allowed):
        message = "%d threads asked for, this device has %d cores" % (threads, len(allowed))
        raise AgentError("bad_request", message)
    by_speed = sorted(allowed, key=lambda core: (speed(core), core))
    for top in sorted({speed(core) for core in allowed}, reverse=True):
        cluster = [core for core in by_speed if speed(core) == top]
        if len(cluster) >= threads:
            return _spread(cluster)[:threads]
    return by_speed[-threads:]


def _spread(cluster: List[int]) -> List[int]:
    """Last core first, cores that share a physical core with an earlier one at the end."""
    seen: Dict[str, int] = {}
    ranked = []
    for core in reversed(cluster):
        twins = _read_text(_cpu_file(core, "topology/thread_siblings_list")) or str(core)
        seen[twins] = seen.get(twins, 0) + 1
        ranked.append((seen[twins], -core))
    return [-core for _, core in sorted(ranked)]


def _identify(threads: int, provider: str) -> Json:
    ort = _import_runtime()
    cores = _pin(threads)
    session = _open_session(ort, EMPTY_MODEL, threads, provider)
    release = _read_text("/etc/os-release")
    return {
        "board": _board(),
        "cpu_model": _cpu_model(),
        "num_cores": os.cpu_count(),
        "cache_bytes": _cache_bytes(cores[-1] if cores else 0),
        "arch": platform.machine() or None,
        "ram_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "os": _field(release, "PRETTY_NAME") or platform.system() or None,
        "kernel": platform.release() or None,
        "python": platform.python_version(),
        "runtime": "onnxruntime",
        "runtime_version": ort.__version__,
        "provider": session.get_providers()[0],
        "threads": threads,
        "cores": cores,
        "governor": _read_text(_cpu_file(cores[-1] if cores else 0, "cpufreq/scaling_governor")),
        "clock_hz": _clock_hz(cores[-1] if cores else 0),
        "spinning": SPINNING,
        "method": METHOD,
    }


def _throttle_signs() -> Tuple[List[int], List[int]]:
    """States that mean "slowed down now" when not 0, and counters that mean it when they grow."""
    states, counters = [], []
    for folder in glob.glob("/sys/class/thermal/cooling_device*"):
        if re.search("cpufreq|Processor", _read_text(folder + "/type") or ""):
            states.append(_read_int(folder + "/cur_state") or 0)
    for path in glob.glob("/sys/devices/system/cpu/cpu*/thermal_throttle/*_throttle_count"):
        counters.append(_read_int(path) or 0)
    word = _read_text("/sys/devices/platform/soc/soc:firmware/get_throttled")  # Raspberry Pi
    if word and re.match(r"^(0x)?[0-9a-fA-F]+$", word):
        states.append(int(word, 16) & 0xF)
        counters.append(int(word, 16) >> 16)
    return states, counters


def _throttled(before: Tuple[List[int], List[int]], after: Tuple[List[int], List[int]]) -> bool:
    return any(before[0]) or any(after[0]) or before[1] != after[1]


# ---- statistics: plain functions of lists of integers ------------------------------------------


def median_interval(values: List[int]) -> Tuple[int, int]:
    """The 95 % interval of the median by order statistics; the whole range below 6 values."""
    ordered, n = sorted(values), len(values)
    outside, tail = 0, 2.0**-n
    while outside + 1 <= n // 2 and tail <= 0.025:
        outside += 1
        tail += math.comb(n, outside) * 2.0**-n
    low = max(outside - 1, 0)
    return ordered[low], ordered[n - 1 - low]


def _median(values: List[int]) -> int:
    ordered, n = sorted(values), len(values)
    return (ordered[(n - 1) // 2] + ordered[n // 2]) // 2


def _percentile(values: List[int], share: float) -> int:
    """The nearest-rank percentile."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def _half_width(values: List[int]) -> float:
    """Half of the median's interval, as a share of the median."""
    low, high = median_interval(values)
    return (high - low) / 2 / max(_median(values), 1)


def _fast_mean(values: List[int], share: float) -> float:
    """The mean of the fastest `share`: what disturbs a run only ever makes it slower."""
    faster = sorted(values)[: math.ceil(share * len(values))]
    return sum(faster) / len(faster)


# ---- the runtime -------------------------------------------------------------------------------


def _import_runtime() -> Any:
    try:
        import onnxruntime
    except ImportError as exc:
        raise AgentError("refused", "onnxruntime cannot be imported: %s" % exc) from exc
    onnxruntime.set_default_logger_severity(4)
    return onnxruntime


def _pin(threads: int) -> List[int]:
    cores = choose_cores(threads, _allowed_cores(), _core_speed)
    if not hasattr(os, "sched_setaffinity"):
        return []
    os.sched_setaffinity(0, cores)
    return sorted(cores)


def _open_session(ort: Any, model: Any, threads: int, provider: str, profile: str = "") -> Any:
    """A session on `model` (path or bytes) whose first provider is the one asked for."""
    if provider not in ort.get_available_providers():
        names = ", ".join(ort.get_available_providers())
        raise AgentError(
            "refused", "no provider %s in this onnxruntime; it has %s" % (provider, names)
        )
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(SPINNING)))
    options.log_severity_level = 4
    if profile:
        options.enable_profiling, options.profile_file_prefix = True, profile
    session = ort.InferenceSession(model, options, providers=[provider])
    if session.get_providers()[0] != provider:
        used = session.get_providers()[0]
        raise AgentError("refused", "the runtime fell back from %s to %s" % (provider, used))
    return session


def _make_arrays(feeds: List[Json], seed: int) -> Json:
    """Input arrays of seeded random numbers; where low == high, of that constant."""
    import numpy as np

    rng = np.random.default_rng(seed)
    return {feed["name"]: _make_array(np, rng, feed) for feed in feeds}


def _make_array(np: Any, rng: Any, feed: Json) -> Any:
    low, high, shape = feed["low"], feed["high"], tuple(feed["shape"])
    if feed["dtype"] not in DTYPES:
        raise AgentError("bad_request", "feed %(name)s: no dtype %(dtype)s here" % feed)
    if low == high:
        return np.full(shape, low, feed["dtype"])
    if feed["dtype"].startswith("float"):
        return np.asarray(rng.uniform(low, high, shape), feed["dtype"])
    return np.asarray(rng.integers(math.ceil(low), math.floor(high) + 1, shape), feed["dtype"])


def _declared_feeds(session: Any) -> List[Json]:
    """One feed an input; axes without a size are taken as 1."""
    types = {"float": "float32", "double": "float64"}
    feeds = []
    for node in session.get_inputs():
        name = node.type[len("tensor(") : -1]
        shape = [size if isinstance(size, int) and size > 0 else 1 for size in node.shape]
        dtype = types.get(name, name)
        feeds.append({"name": node.name, "dtype": dtype, "shape": shape, "low": 0, "high": 1})
    return feeds


class PhaseRun:
    """One phase of a job: its inputs, its outputs, and the facts to report about it."""

    def __init__(self, name: str, arrays: Optional[Json]) -> None:
        self.arrays = arrays
        self.outputs: List[Any] = []
        self.facts: Json = {"name": name, "first_run_ns": 0, "nodes": []}

    def first_run(self, session: Any) -> None:
        """Run once by the plain way, which also tells the shapes of the outputs."""
        if self.arrays is None:
            self.arrays = _make_arrays(_declared_feeds(session), seed=0)
        differ = set(self.arrays) ^ {node.name for node in session.get_inputs()}
        if differ:
            message = "feeds and model inputs differ in: %s" % ", ".join(sorted(differ))
            raise AgentError("bad_request", message)
        start = time.perf_counter_ns()
        self.outputs = session.run(None, self.arrays)
        self.facts["first_run_ns"] = time.perf_counter_ns() - start

    def bind(self, ort: Any, session: Any) -> Callable[[], Any]:
        """A function that runs once, with inputs and outputs in place before the clock starts."""
        binding = session.io_binding()
        for name, array in (self.arrays or {}).items():
            binding.bind_cpu_input(name, array)
        for node, value in zip(session.get_outputs(), self.outputs):
            if getattr(value, "dtype", None) is None or value.dtype == object:
                binding.bind_output(node.name)  # strings, sequences: the runtime's own buffers
                continue
            binding.bind_ortvalue_output(node.name, ort.OrtValue.ortvalue_from_numpy(value))
        return lambda: session.run_with_iobinding(binding)

    def warnings(self) -> List[str]:
        """What makes the timings doubtful: arithmetic with NaN can have another speed."""
        import numpy as np

        floats = [v for v in self.outputs if getattr(v, "dtype", None) in ("float32", "float64")]
        if all(np.isfinite(value).all() for value in floats):
            return []
        return ["phase %s: the outputs hold NaN or infinity" % self.facts["name"]]


# ---- measuring ---------------------------------------------------------------------------------


def _time_runs(run: Callable[[], Any], count: int) -> int:
    """Nanoseconds of one run, the mean of `count` in a row."""
    start = time.perf_counter_ns()
    for _ in range(count):
        run()
    return max((time.perf_counter_ns() - start) // count, 1)


def _warm_up(run: Callable[[], Any], cap_ns: int) -> Tuple[int, int]:
    """Run until two windows agree, or the cap. Returns runs made, nanoseconds of one run."""
    start = time.perf_counter_ns()
    made, last_ns = 1, _time_runs(run, 1)
    while True:
        count = min(max(WARM_UP_RUNS // 2, 50_000_000 // last_ns), 10**6)
        if count * last_ns > cap_ns:  # a slow network: one run a window
            count = 1
        run_ns = _time_runs(run, count)
        made += count
        spent = time.perf_counter_ns() - start
        agree = abs(run_ns - last_ns) <= WARM_UP_AGREEMENT * last_ns
        if spent >= cap_ns or (agree and made >= WARM_UP_RUNS and spent >= WARM_UP_NS):
            return made, run_ns
        last_ns = run_ns


def _measure(run: Callable[[], Any], max_s: float) -> Json:
    """Timings of one phase: warm-up, then groups until the median is known well enough."""
    start, signs = time.perf_counter_ns(), _throttle_signs()
    made, run_ns = _warm_up(run, min(WARM_UP_CAP_NS, int(max_s * 1e9 / 2)))
    runs_per_group = -(-GROUP_NS // run_ns)
    groups: List[int] = []
    while len(groups) < MAX_GROUPS:
        groups.append(_time_runs(run, runs_per_group))
        late = time.perf_counter_ns() - start > max_s * 1e9
        if len(groups) >= MIN_GROUPS and (late or _half_width(groups) <= STOP_HALF_WIDTH):
            break
    hot = _throttled(signs, _throttle_signs())
    return dict(_summary(groups), runs_per_group=runs_per_group, warmup_runs=made, throttled=hot)


def _summary(groups: List[int]) -> Json:
    middle, (low, high) = _median(groups), median_interval(groups)
    return {
        "group_ns": groups,
        "latency_ns": middle,
        "low_ns": low,
        "high_ns": high,
        "p90_ns": _percentile(groups, 0.90),
        "p99_ns": _percentile(groups, 0.99),
        "min_ns": min(groups),
        "mad_ns": _median([abs(value - middle) for value in groups]),
    }


def quality(phase: Json, before_ns: Optional[int], after_ns: Optional[int]) -> str:
    """The worst that is known against a phase, or "good"; the canaries' times may be absent."""
    if phase.pop("throttled"):
        return "throttled"
    if before_ns and after_ns and abs(after_ns - before_ns) > DRIFT_SHARE * before_ns:
        return "drifted"
    noisy = phase["high_ns"] - phase["low_ns"] > 2 * NOISY_HALF_WIDTH * phase["latency_ns"]
    return "noisy" if noisy else "good"


class Canary:
    """A fixed model, timed before and after, that tells how fast the machine is just now."""

    def __init__(self, ort: Any, path: str, threads: int, provider: str) -> None:
        session = _open_session(ort, path, threads, provider)
        phase = PhaseRun("canary", None)
        phase.first_run(session)
        self._run = phase.bind(ort, session)

    def time_ns(self) -> int:
        """Nanoseconds of one run: the fastest CANARY_SHARE of the runs in CANARY_NS."""
        count = -(-CANARY_NS // _time_runs(self._run, 5))
        times = [_time_runs(self._run, 1) for _ in range(count)]
        return int(_fast_mean(times, CANARY_SHARE))


class Memory:
    """Peak resident size of this process over what it had when this was made."""

    def __init__(self) -> None:
        gc.collect()
        with contextlib.suppress(AttributeError, OSError):
            ctypes.CDLL(None).malloc_trim(0)  # or the model would hide in what import left free
        self._baseline, self.kind = self._status("VmRSS"), "resident_over_empty_session"
        try:
            with open("/proc/self/clear_refs", "w") as file:
                file.write("5")  # resets VmHWM
        except OSError:
            self.kind = "resident_over_empty_session_since_process_start"

    def peak_bytes(self) -> int:
        """Bytes above the baseline, at the worst moment so far."""
        return max(self._status("VmHWM") - self._baseline, 0)

    @staticmethod
    def _status(key: str) -> int:
        value = _field(_read_text("/proc/self/status"), key)
        if value:
            return int(value.split()[0]) * 1024
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


# ---- the runtime's own profile -----------------------------------------------------------------


def profiled_runs(path: str) -> List[List[Json]]:
    """The top-level node events of each run, in order, from a profile file of the runtime."""
    with open(path, encoding="utf-8") as file:
        events = json.load(file)
    runs: List[List[Json]] = []
    nodes: List[Json] = []
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            add_node(nodes, event)
        if event.get("cat") == "Session" and event["name"] == "model_run":
            runs.append(nodes)
            nodes = []
    return runs


def add_node(nodes: List[Json], event: Json) -> None:
    """Add a node that has just ended; what began within it (the body of an If) is dropped.

    Times are whole microseconds, so a node that begins in the same one as the next is nested
    only if the next is of a kind that has a body.
    """
    has_body = event["args"].get("op_name") in SUBGRAPH_OPS
    while nodes and (nodes[-1]["ts"] > event["ts"] or has_body and nodes[-1]["ts"] == event["ts"]):
        nodes.pop()
    nodes.append(event)


def node_times(runs: List[List[Json]]) -> List[Json]:
    """The typical time of each node in one run: the mean of the fastest NODE_SHARE of the runs.

    The runtime cuts each time down to whole microseconds, half of one is given back. Runs whose
    nodes differ from the usual sequence are left out.
    """
    names = [tuple(event["name"] for event in run) for run in runs]
    usual = max(set(names), key=names.count)
    kept = [run for run, key in zip(runs, names) if key == usual]
    return [
        {
            "name": events[0]["name"][: -len("_kernel_time")],
            "op_type": events[0]["args"].get("op_name", ""),
            "provider": events[0]["args"].get("provider", ""),
            "duration_ns": int(1000 * _fast_mean([e["dur"] for e in events], NODE_SHARE)) + 500,
        }
        for events in zip(*kept)
    ]


def _add_profile(ort: Any, job: Json, phases: List[PhaseRun]) -> None:
    """Put the node times of each phase into its facts, from a second session that profiles."""
    session = _open_session(ort, job["path"], job["threads"], job["provider"], profile="profile")
    counts = []
    for phase in phases:
        run_ns = phase.facts["latency_ns"]
        warm = min(PROFILE_WARM_UP_RUNS, 1 + WARM_UP_NS // run_ns)
        count = min(PROFILE_RUNS, max(MIN_GROUPS, PROFILE_NS // run_ns))
        _time_runs(phase.bind(ort, session), warm + count)
        counts.append((warm, count))
    path = session.end_profiling()
    runs = profiled_runs(path)
    os.remove(path)
    for phase, (warm, count) in zip(phases, counts):
        phase.facts["nodes"] = node_times(runs[warm : warm + count])
        runs = runs[warm + count :]


# ---- one job, in the child ---------------------------------------------------------------------


def _run_job(job: Json) -> Json:
    threads, provider = job["threads"], job["provider"]
    cores, ort = _pin(threads), _import_runtime()
    digest = _checked_sha256(job)
    phases = [
        PhaseRun(phase["name"], _make_arrays(phase["feeds"], job["seed"]))
        for phase in job["phases"] or []
    ] or [PhaseRun("infer", None)]
    _open_session(ort, EMPTY_MODEL, threads, provider).run(None, {"x": [1.0]})
    # 1. load, first runs, peak memory
    memory = Memory()
    start = time.perf_counter_ns()
    session = _open_session(ort, job["path"], threads, provider)
    load_ns = time.perf_counter_ns() - start
    for phase in phases:
        phase.first_run(session)
    result = {
        "load_ns": load_ns,
        "peak_bytes": memory.peak_bytes(),
        "peak_kind": memory.kind,
        "provider": session.get_providers()[0],
        "threads": threads,
        "cores": cores,
        "model_sha256": digest,
        "canary_before_ns": None,
        "canary_after_ns": None,
        "phases": [],
        "warnings": [text for phase in phases for text in phase.warnings()],
    }
    if job["kind"] == "memory":
        return result
    # 2. timings, then the nodes
    result.update(_time_phases(ort, session, job, phases))
    if job["kind"] == "profile":
        _add_profile(ort, job, phases)
    return dict(result, phases=[phase.facts for phase in phases])


def _time_phases(ort: Any, session: Any, job: Json, phases: List[PhaseRun]) -> Json:
    """Time each phase, between two canaries if there is one. Returns the canaries' times."""
    canary = None
    if job["canary_path"]:
        canary = Canary(ort, job["canary_path"], job["threads"], job["provider"])
    gc.disable()
    before_ns = canary.time_ns() if canary else None
    for phase in phases:
        phase.facts.update(_measure(phase.bind(ort, session), job["max_seconds_per_phase"]))
    after_ns = canary.time_ns() if canary else None
    for phase in phases:
        phase.facts["quality"] = quality(phase.facts, before_ns, after_ns)
    return {"canary_before_ns": before_ns, "canary_after_ns": after_ns}


def _checked_sha256(job: Json) -> str:
    """The hash of the model's bytes as they lie on this disk now, compared with the one asked."""
    digest = hashlib.sha256()
    try:
        with open(job["path"], "rb") as file:
            for chunk in iter(lambda: file.read(2**20), b""):
                digest.update(chunk)
    except OSError as exc:
        raise AgentError("bad_request", "the model cannot be read: %s" % exc.strerror) from exc
    if job["model"] not in (None, digest.hexdigest()):
        raise AgentError("bad_request", "the model on the device is not the one that was sent")
    return digest.hexdigest()


def _limit_child(job: Json) -> None:
    """Bound the memory, and be the first to go when the device runs out of it, or the agent ends.

    Address space would be the wrong bound, the runtime reserves much more than it uses.
    """
    limit = job.get("memory_limit_bytes") or _default_memory_limit()
    with contextlib.suppress(OSError, ValueError):
        if limit:
            resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    with contextlib.suppress(OSError):
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("1000")
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def _default_memory_limit() -> Optional[int]:
    available = _field(_read_text("/proc/meminfo"), "MemAvailable")
    return int(int(available.split()[0]) * 1024 * MEMORY_SHARE) if available else None


def _child() -> None:
    """Read one request on stdin, write one reply on what was stdout, end at once."""
    reply_fd = _private_stdout()
    request = json.loads(sys.stdin.readline())
    try:
        _limit_child(request)
        if request["op"] == "identify":
            reply = {"result": _identify(request["threads"], request["provider"])}
        else:
            reply = {"result": _run_job(request)}
    except AgentError as exc:
        reply = exc.as_json()
    except Exception as exc:  # noqa: BLE001 -- the runtime's own errors have no common base
        reply = AgentError(_failure_kind(exc), "%s: %s" % (type(exc).__name__, exc)).as_json()
    _write_all(reply_fd, json.dumps(reply).encode() + b"\n")
    os._exit(0)  # the runtime's own tidying up has been known to crash after the work is done


def _failure_kind(exc: Exception) -> str:
    if isinstance(exc, OSError) and exc.errno in (errno.ENOSPC, errno.EROFS, errno.EDQUOT):
        return "disk"
    return "memory" if isinstance(exc, MemoryError) or _short_of_memory(str(exc)) else "refused"


def _short_of_memory(text: str) -> bool:
    words = "bad_alloc|MemoryError|annot allocate memory|ailed to allocate memory"
    return re.search(words, text) is not None


def _private_stdout() -> int:
    """What was stdout, for replies only: whatever a library prints goes to stderr from now on."""
    reply_fd = os.dup(1)
    os.dup2(2, 1)
    return reply_fd


def _write_all(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]


# ---- the child's keeper ------------------------------------------------------------------------


def _supervise(request: Json, work: str, on_idle: Callable[[], None]) -> Json:
    """The reply of a child to `request`, whatever becomes of the child.

    Args:
        request: with limit_s, after which the child is killed.
        work: a folder of its own to run in; profiles are written there.
        on_idle: called several times a second; what it raises ends the child.
    """
    same_packages = ["-S"] if sys.flags.no_site else []
    with tempfile.TemporaryFile(dir=work) as message:
        message.write(json.dumps(request).encode() + b"\n")
        message.seek(0)
        process = subprocess.Popen(
            [sys.executable, *same_packages, os.path.abspath(__file__), "child"],
            stdin=message,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=work,
            env=dict(os.environ, **CHILD_ENVIRONMENT),
            start_new_session=True,
        )
    try:
        out, err, late = _drain(process, request["limit_s"], on_idle)
    finally:
        _kill_group(process)
    if late:
        return AgentError("timeout", "no result within %g s" % request["limit_s"]).as_json()
    return _verdict(out, err, process.returncode)


def _drain(
    process: subprocess.Popen[bytes], limit_s: float, on_idle: Callable[[], None]
) -> Tuple[bytes, bytes, bool]:
    """All of stdout, the end of stderr, and whether the time ran out first."""
    end = time.monotonic() + limit_s
    text: Dict[Any, bytes] = {process.stdout: b"", process.stderr: b""}
    is_open = list(text)
    while is_open and time.monotonic() < end:
        ready = select.select(is_open, [], [], 0.2)[0]
        for pipe in ready:
            chunk = os.read(pipe.fileno(), 65536)
            text[pipe] = (text[pipe] + chunk)[-REPLY_CAP_BYTES:]
            if not chunk:
                is_open.remove(pipe)
        on_idle()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(max(end - time.monotonic(), 0))
    late = process.returncode is None
    return text[process.stdout], text[process.stderr][-STDERR_TAIL_BYTES:], late


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in filter(None, (process.stdout, process.stderr)):
        pipe.close()


def _verdict(out: bytes, err: bytes, code: int) -> Json:
    """The child's own reply, or what its death tells."""
    with contextlib.suppress(ValueError):
        reply = json.loads(out)
        if isinstance(reply, dict):
            return reply
    tail = err.decode("utf-8", "replace").strip()
    last = tail.splitlines()[-1] if tail else "it left no word"
    if _short_of_memory(tail):
        return AgentError("memory", "the job ran out of memory: %s" % last).as_json()
    if code == -signal.SIGKILL:
        return AgentError("memory", "the system killed the job, most likely for memory").as_json()
    cause = signal.Signals(-code).name if code < 0 else "exit code %d" % code
    return AgentError("crash", "the job died by %s: %s" % (cause, last)).as_json()


# ---- serving -----------------------------------------------------------------------------------


class Wire:
    """Requests from stdin and replies to stdout, both without buffers that hide what is there."""

    def __init__(self, in_fd: int, out_fd: int) -> None:
        self._in_fd, self._out_fd = in_fd, out_fd
        self._pending = b""

    def requests(self) -> Iterator[bytes]:
        """The lines of stdin, until it ends."""
        with contextlib.suppress(HostGone):
            while True:
                while b"\n" not in self._pending:
                    self._take()
                line, self._pending = self._pending.split(b"\n", 1)
                yield line

    def check_host(self) -> None:
        """Raise HostGone if stdin has ended; what it holds is kept for later."""
        if select.select([self._in_fd], [], [], 0)[0]:
            self._take()

    def send(self, reply: Json) -> None:
        """Send one line."""
        try:
            _write_all(self._out_fd, json.dumps(reply).encode() + b"\n")
        except BrokenPipeError as exc:
            raise HostGone from exc

    def _take(self) -> None:
        chunk = os.read(self._in_fd, 65536)
        self._pending += chunk
        if not chunk or len(self._pending) > REQUEST_CAP_BYTES:
            raise HostGone


class Server:
    """Answers the requests of one host."""

    def __init__(self, wire: Wire, folder: str) -> None:
        self._wire, self._folder = wire, folder
        self._models = os.path.join(folder, "models")
        self._beat: Json = {}
        self._next_beat = 0.0

    def serve(self) -> None:
        """Answer until the host hangs up."""
        os.makedirs(self._models, exist_ok=True)
        with contextlib.suppress(HostGone):
            for line in self._wire.requests():
                self._wire.send(self._reply(line))

    def _reply(self, line: bytes) -> Json:
        number = None
        try:
            request = json.loads(line)
            number = request["id"]
            return dict(self._answer(request), id=number)
        except AgentError as exc:
            return dict(exc.as_json(), id=number)
        except (KeyError, TypeError, ValueError) as exc:
            message = "%s: %s" % (type(exc).__name__, exc)
            return dict(AgentError("bad_request", message).as_json(), id=number)
        except OSError as exc:
            return dict(AgentError("disk", str(exc)).as_json(), id=number)

    def _answer(self, request: Json) -> Json:
        if request["op"] == "hello":
            hello = {"protocol": PROTOCOL, "method": METHOD, "pid": os.getpid()}
            return {"result": dict(hello, python=platform.python_version())}
        if request["op"] not in ("identify", "job"):
            raise AgentError("bad_request", "no op %r here" % request["op"])
        request.setdefault("limit_s", 60.0)
        if request["op"] == "job":
            request["path"] = self._model_path(request["model"])
            canary = request["canary"]
            request["canary_path"] = canary and self._model_path(canary)
        with self._alone(request) as work:
            self._say(request, "running")
            reply = _supervise(request, work, self._on_idle)
            _prune(self._models)
        return reply

    def _model_path(self, sha256: str) -> str:
        """Where a model lies; a use makes it young again."""
        if not re.match(r"^[0-9a-f]{64}$", sha256):
            raise AgentError("bad_request", "a model is named by its SHA-256, not %.80r" % sha256)
        path = os.path.join(self._models, sha256 + ".onnx")
        try:
            os.utime(path)
        except OSError as exc:
            raise AgentError("bad_request", "model %s is not here" % sha256[:12]) from exc
        return path

    @contextlib.contextmanager
    def _alone(self, request: Json) -> Iterator[str]:
        """An empty folder to work in, while no other agent of this folder measures."""
        self._say(request, "waiting")
        end = time.monotonic() + request["limit_s"]
        with open(os.path.join(self._folder, "lock"), "w") as lock:
            while not _try_lock(lock.fileno()):
                if time.monotonic() > end:
                    raise AgentError("busy", "other agents kept this device busy all the time")
                time.sleep(0.05)
                self._on_idle()
            work = os.path.join(self._folder, "work")
            shutil.rmtree(work, ignore_errors=True)  # of a job whose agent was killed
            os.makedirs(work)
            try:
                yield work
            finally:
                shutil.rmtree(work, ignore_errors=True)

    def _say(self, request: Json, word: str) -> None:
        self._beat = {"id": request["id"], "beat": word}
        self._next_beat = time.monotonic() + BEAT_S

    def _on_idle(self) -> None:
        self._wire.check_host()
        if time.monotonic() >= self._next_beat:
            self._wire.send(self._beat)
            self._next_beat = time.monotonic() + BEAT_S


def _try_lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _prune(models: str) -> None:
    """Delete the models used longest ago until the rest fits the cap, and half of the free disk."""
    files = [(e.stat().st_mtime, e.stat().st_size, e.path) for e in os.scandir(models)]
    total = sum(size for _, size, _ in files)
    cap = min(MODELS_CAP_BYTES, shutil.disk_usage(models).free // 2)
    for used, size, path in sorted(files):
        if total <= cap or used > time.time() - MODEL_GRACE_S:
            return
        os.remove(path)
        total -= size


# ---- by hand -----------------------------------------------------------------------------------


def _by_hand(request: Json) -> int:
    """Print the reply to one request. Returns the exit code."""
    with tempfile.TemporaryDirectory() as work:
        reply = _supervise(request, work, lambda: None)
    print(json.dumps(reply.get("result", reply), indent=2))
    return 1 if "error" in reply else 0


def _hand_job(arguments: argparse.Namespace) -> Json:
    return {
        "op": "job",
        "kind": arguments.kind,
        "model": None,
        "path": os.path.abspath(arguments.model),
        "canary_path": None,
        "phases": None,
        "seed": 0,
        "max_seconds_per_phase": arguments.seconds,
    }


def _parse_arguments(argv: List[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measures ONNX models on this machine.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("child", help="one job, from stdin to stdout")
    serve = commands.add_parser("serve", help="answer requests on stdin")
    serve.add_argument("--folder", required=True)
    run, facts = commands.add_parser("run", help="measure a model"), commands.add_parser("identify")
    run.add_argument("model")
    run.add_argument("--kind", choices=("profile", "time", "memory"), default="time")
    run.add_argument("--seconds", type=float, default=3.0)
    for command in (run, facts):
        command.add_argument("--threads", type=int, default=1)
        command.add_argument("--provider", default="CPUExecutionProvider")
        command.add_argument("--limit", dest="limit_s", type=float, default=300.0)
    return parser.parse_args(argv)


def main(argv: List[str]) -> int:
    """Run one of the commands at the head of the file. Returns the exit code."""
    arguments = _parse_arguments(argv)
    if arguments.command == "child":
        _child()
    if arguments.command == "serve":
        Server(Wire(0, _private_stdout()), os.path.abspath(arguments.folder)).serve()
        return 0
    request = {name: getattr(arguments, name) for name in ("threads", "provider", "limit_s")}
    is_run = arguments.command == "run"
    return _by_hand(dict(request, **(_hand_job(arguments) if is_run else {"op": "identify"})))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
