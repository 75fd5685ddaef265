"""The one file that runs on a device: it measures ONNX models and answers in JSON lines.

It needs Python 3.8 and the standard library to start, onnxruntime and its numpy to measure.

    agent.py serve --folder F     answers requests on stdin, one a line, until stdin ends
    agent.py identify             prints what this machine is, as one JSON document
    agent.py state [--folder F]   prints how it is just now: heat, throttling, clocks, load, sensor,
                                  and who has the lease of F
    agent.py run MODEL.onnx       measures one model, prints one JSON document
    agent.py child                one job, used by serve, identify and run

A request is {"id": N, "op": ...}; while it is worked on {"id": N, "beat": "running" | "waiting"}
comes every BEAT_S, then {"id": N, "result": ...} or {"id": N, "error": {"kind", "message"}}.

    op hello      -> protocol, method, python, pid
    op confirm    tickets: their results need not be kept any more -> forgotten
    op lease      owner, wait_s: this host alone may measure here until it hangs up -> waited_s
    op identify   threads, provider, governor -> the facts that make two latencies comparable
    op job        kind profile | time | memory, model and canary (SHA-256 of files in F/models; the
                  canary may be null), phases [{name, feeds [{name, dtype, shape, low, high}]}],
                  threads, provider, governor, max_seconds_per_phase, limit_s, seed,
                  energy (whether to sample it), memory_limit_bytes (or null), ticket (64
                  hexadecimal digits, may be absent)
                  -> phases, load_ns, peak_bytes, peak_kind, provider, threads, cores,
                     canary_before_ns, canary_between_ns, canary_after_ns, model_sha256,
                     warnings, governor, gate, retries, energy_absent

The governor is "performance" (have it while measuring, where that is allowed) or null (leave it).

A result with a ticket is kept in F/results until op confirm names it, and the same job with the
same ticket is answered with it and not measured again. A job with a ticket that runs when its host
vanishes is measured to its end. A host that leaves on purpose sends the line "bye": what runs ends.

While another host has the lease, beats are {"id": N, "beat": "leased", "lease": {owner, held_s,
silent_s}}. A host with a lease sends the line "alive" now and then; one that is silent for
HOST_SILENCE_S has gone: its agent ends, and with it the lease.

Kinds of error: timeout, crash, refused (the runtime will not have the model), memory, bad_request,
clock (it stands still or runs backwards), busy (other agents kept the device), leased (another host
kept it), disk, hot (identify only: the clock range is not the board's own until it has cooled).
Nothing of a request is done before every field of it has the right type and size.

F is for this user alone: it is made so, or refused. What was not used for long leaves it.

Every job is a child process of its own with an end to its time and its memory, so that a model
that crashes, hangs or eats the memory costs that model only. One job runs at a time on a device,
whatever the number of agents: the lock F/lock sees to it. It begins when the device is cool and
idle enough, or has not become so in good time, which is told. Nothing outside F is written but the
governor of the cores measured, and that is given back after every job, also when this is killed.
"""

# ruff: noqa: B905 -- zip has no `strict` before Python 3.10

from __future__ import annotations

import argparse
import base64
import contextlib
import ctypes
import errno
import fcntl
import functools
import gc
import glob
import hashlib
import importlib.util
import json
import math
import os
import platform
import re
import resource
import select
import shutil
import signal
import stat
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Tuple, Union

PROTOCOL = 3
METHOD = 3  # raised whenever the way of measuring changes: old latencies are then not comparable
BEAT_S = 5.0  # our choice: rare enough not to disturb what is being measured
HOST_SILENCE_S = 30.0  # our choice: a host that has a lease and is silent for so long has gone
LEASE_POLL_S, LEASE_WRITE_S = 0.2, 5.0  # our choice
OWNER_CAP, LEASE_BYTES = 100, 1024  # characters, of which each may take six bytes
REQUEST_CAP_BYTES = 2**20  # our choice: a request of 10,000 feeds
REPLY_CAP_BYTES = 16 * 2**20  # what the host takes in as one line
STDERR_TAIL_BYTES = 4096
# All our choice. Of the models, and of the results that nobody confirmed, the oldest leave first.
KEPT_BYTES, KEPT_FILES, KEPT_S = 512 * 2**20, 1000, 30 * 86400.0
DRAFT_KEPT_S = 86400.0  # what an interrupted upload has left
GRACE_S = 60.0  # a file that came this shortly before the last may be waiting for its job
MOST_S = 1e9  # of any time that is asked for
MEMORY_SHARE = 0.75  # our choice: of the memory available, what a job may take

WARM_UP_RUNS, WARM_UP_NS = 10, 300_000_000  # until two windows agree within WARM_UP_AGREEMENT
WARM_UP_CAP_NS, WARM_UP_AGREEMENT = 1_000_000_000, 0.01
GROUP_NS, MIN_GROUPS, MAX_GROUPS = 20_000_000, 7, 1000
STOP_HALF_WIDTH = 0.01  # 95 % interval of the median, as a share of the median
# On a shared machine a run takes 1.0 or 1.5 times as long, for half a second to two at a time
# (results/LOG.md). So a phase is timed in visits, with all else in between, until its LOW_GROUPS
# fastest groups agree and another visit saw one as fast. All of these are our choice.
VISIT_NS, MIN_VISIT_GROUPS, MIN_VISITS, REWARM_NS = 200_000_000, 4, 2, 5_000_000
LOW_GROUPS, LOW_AGREEMENT = 3, 0.02
PATIENCE = 3  # times max_seconds_per_phase, while the fastest groups do not agree
CALM_SHARE = 0.05  # canaries slower than usual by more say that the machine is disturbed
DRIFT_SHARE = 0.10  # canaries of a job further apart are "drifted"
CANARY_NS = 40_000_000
USUAL_JOBS = 50  # of so many the usual canary is the median
# 40 repeats on a shared machine: the sums of node times spread by 1.0 % (mean over the fastest
# quarter), 1.3 % (half), 1.9 % (median), 18 % (mean); canaries in a row differ by 2.7 % (fastest
# tenth), 4.2 % (half). The quarter keeps enough values to see below the profiler's microsecond.
NODE_SHARE, CANARY_SHARE = 0.25, 0.10
PROFILE_WARM_UP_RUNS, PROFILE_RUNS, PROFILE_NS = 10, 30, 1_000_000_000

# The gate, all our choice. Boards throttle from 80 to 85 degrees on, so that 70 leaves room for one
# job; after throttling the device rests until it is cooler than where it may begin (hysteresis).
# A load that passes by itself passes soon; what stays is told, and the canary knows its price.
START_C, RESUME_C = 70.0, 60.0
HEAT_S, LOAD_S, GATE_POLL_S = 60.0, 2.0, 0.2
RETRIES = 3  # of a timing that throttling made void
GOVERNOR = "performance"
# Energy: the spread of a sample levels off at 200 inferences. The cap and the periods: our choice.
ENERGY_RUNS, ENERGY_NS, ENERGY_CAP_NS = 200, 2_000_000_000, 20_000_000_000
IDLE_S, IDLE_KEEP_S, POWER_PERIOD_S = 2.0, 600.0, 0.05
MIN_POWER_UW, MAX_POWER_UW = 1_000, 2_000_000_000  # our choice: no board is outside of it
TOOL_LIMIT_S = 5.0  # our choice: vcgencmd answers in milliseconds
TOOL_FOLDERS = ("usr/local/bin", "usr/bin", "bin", "usr/sbin", "sbin", "opt/vc/bin")
CHILD_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",  # numpy only fills arrays; idle threads of its own would disturb
    "OPENBLAS_NUM_THREADS": "1",
    "ORT_DISABLE_TELEMETRY": "1",  # or the runtime writes to ~/.cache and sends from a thread
}
SPINNING = True  # the runtime's default, set so that it cannot change unseen
# Memory, so that it is the model's and not the allocators' luck. While a model loads, the C library
# gives freed blocks of LOADING_BLOCK_BYTES back at once; with its own limit, which moves, the peaks
# of one network differed by 2.3 %. Runs then keep theirs as usual: up to RUNNING_BLOCK_BYTES, the
# most that the limit moves to by itself. The runtime's arena begins as one region, of which only
# what is used is resident; regions that double as it grows hold up to 1.7 times as much.
LOADING_BLOCK_BYTES, RUNNING_BLOCK_BYTES = 2**15, 2**25
ARENA_BYTES = 2**26  # our choice: networks for boards fit in, larger ones add regions

CLUSTER_SHARE = 0.85  # our choice: cores of one kind differ by less, those of two by more

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
    """Standard input has ended, or was silent for too long: nobody waits for an answer."""


class HostLeft(HostGone):
    """The host said that it leaves."""


def sleep(seconds: float) -> None:
    """Wait; time.sleep fails where libfaketime shifts the clock, as it does to test a device."""
    select.select([], [], [], seconds)


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


def _paths(root: str, pattern: str) -> List[str]:
    """What a file tree has of a pattern that is relative to its root."""
    return sorted(glob.glob(os.path.join(glob.escape(root), pattern)))


def _cpu_file(root: str, core: int, name: str) -> str:
    return os.path.join(root, "sys/devices/system/cpu/cpu%d" % core, name)


def _board(root: str) -> Optional[str]:
    model = _read_text(os.path.join(root, "proc/device-tree/model"))
    if model:
        return model
    folder = os.path.join(root, "sys/class/dmi/id")
    parts = [_read_text(os.path.join(folder, name)) for name in ("sys_vendor", "product_name")]
    return " ".join(part for part in parts if part) or None


def _cpu_model(root: str) -> Optional[str]:
    text = _read_text(os.path.join(root, "proc/cpuinfo"))
    if _field(text, "model name"):
        return _field(text, "model name")
    makers, parts = _field(text, "CPU implementer"), re.findall(r"CPU part\s*: (\w+)", text or "")
    if makers and parts:
        return "ARM implementer %s parts %s" % (makers, "+".join(sorted(set(parts))))
    return platform.processor() or None


def _cache_bytes(root: str, core: int) -> Json:
    sizes: Json = {"l1d": None, "l2": None, "l3": None}
    for index in _paths(root, "sys/devices/system/cpu/cpu%d/cache/index*" % core):
        level, kind = _read_text(index + "/level"), _read_text(index + "/type")
        name = "l1d" if level == "1" and kind == "Data" else "l%s" % level
        size = re.match(r"(\d+)([KM]?)", _read_text(index + "/size") or "")
        if size and name in sizes:
            sizes[name] = int(size.group(1)) * {"": 1, "K": 2**10, "M": 2**20}[size.group(2)]
    return sizes


def _clock_range_hz(root: str, core: int) -> Json:
    """What the governor may use now: a clock fixed by the user shows as one value."""
    return {end: _clock_hz(root, core, end) for end in ("min", "max")}


def _clock_hz(root: str, core: int, which: str) -> Optional[int]:
    """The clock `which` of a core: cur, min or max."""
    khz = _read_int(_cpu_file(root, core, "cpufreq/scaling_%s_freq" % which))
    return khz * 1000 if khz else None


def _highest_hz(root: str, core: int) -> Optional[int]:
    """What a core can do, whatever limits it now."""
    khz = _read_int(_cpu_file(root, core, "cpufreq/cpuinfo_max_freq"))
    return khz * 1000 if khz else None


def _governor(root: str, core: int) -> Optional[str]:
    return _read_text(_cpu_file(root, core, "cpufreq/scaling_governor"))


def power_mode(root: str = "/") -> Optional[str]:
    """The power mode of a Jetson, such as "0: 15W": how many cores there are, and their clocks."""
    status = _read_text(os.path.join(root, "var/lib/nvpmodel/status"))
    number = re.search(r"pmode:0*(\d+)", status or "")
    if number:
        table = _read_text(os.path.join(root, "etc/nvpmodel.conf")) or ""
        name = re.search(r"<\s*POWER_MODEL\s+ID=0*%s\s+NAME=(\S+)" % number.group(1), table)
        return number.group(1) + (": " + name.group(1) if name else "")
    said = _tool_output(root, "nvpmodel", "-q") or ""
    found = re.search(r"Power Mode: *(\S+)\s+(\d+)\s*$", said)
    return "%s: %s" % (found.group(2), found.group(1)) if found else None


def _tool_output(root: str, name: str, *arguments: str) -> Optional[str]:
    """What a tool of the board prints; None where it is absent, or has no answer for this user."""
    folders = [os.path.join(root, folder) for folder in TOOL_FOLDERS]
    if root == "/":
        folders = os.environ.get("PATH", os.defpath).split(os.pathsep) + folders
    tool = shutil.which(name, path=os.pathsep.join(folders))
    if tool is None:
        return None
    try:
        done = subprocess.run(
            [tool, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=TOOL_LIMIT_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None


def _allowed_cores() -> List[int]:
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def _core_speed(root: str, core: int) -> int:
    return _read_int(_cpu_file(root, core, "cpu_capacity")) or _highest_hz(root, core) or 0


def _cores_for(root: str, threads: int) -> List[int]:
    return choose_cores(threads, _allowed_cores(), lambda core: _core_speed(root, core), root)


def choose_cores(
    threads: int, allowed: List[int], speed: Callable[[int], int], root: str = "/"
) -> List[int]:
    """The last cores of the fastest cluster that has enough: core 0 serves the interrupts.

    Cores of one kind may have limits of their own, by how each came out of the factory.
    """
    if not 1 <= threads <= len(allowed):
        message = "%d threads asked for, this device has %d cores" % (threads, len(allowed))
        raise AgentError("bad_request", message)
    by_speed = sorted(allowed, key=lambda core: (speed(core), core))
    for top in sorted({speed(core) for core in allowed}, reverse=True):
        cluster = [core for core in by_speed if CLUSTER_SHARE * top <= speed(core) <= top]
        if len(cluster) >= threads:
            return _spread(root, cluster)[:threads]
    return by_speed[-threads:]


def _spread(root: str, cluster: List[int]) -> List[int]:
    """Last first, cores that share a physical core with an earlier one at the end."""
    seen: Dict[str, int] = {}
    ranked: List[Tuple[int, int, int]] = []
    for core in reversed(cluster):
        twins = _read_text(_cpu_file(root, core, "topology/thread_siblings_list")) or str(core)
        seen[twins] = seen.get(twins, 0) + 1
        ranked.append((seen[twins], len(ranked), core))
    return [core for _, _, core in sorted(ranked)]


def _identify(root: str, threads: int, provider: str) -> Json:
    ort = _import_runtime()
    cores = _pin(root, threads)
    session = _open_session(ort, EMPTY_MODEL, threads, provider)
    release = _read_text(os.path.join(root, "etc/os-release"))
    core = cores[-1] if cores else 0
    return {
        "board": _board(root),
        "cpu_model": _cpu_model(root),
        "num_cores": os.cpu_count(),
        "cache_bytes": _cache_bytes(root, core),
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
        "governor": _governor(root, core),
        "clock_hz": _clock_range_hz(root, core),
        "power_mode": power_mode(root),
        "spinning": SPINNING,
        "method": METHOD,
    }


# ---- how the board is just now: each reader takes the root of a file tree -----------------------

# Zones of the processor. Others mean something else: PMIC-Die of a Jetson is always at 100 degrees,
# acpitz of a laptop is often a fixed number, a battery or a radio has a life of its own.
CPU_ZONE = re.compile(r"cpu|soc|pkg|core|\btj", re.IGNORECASE)
CPU_HWMON = ("coretemp", "cpu_thermal", "k10temp", "zenpower")
THROTTLE_BITS = ("under-voltage", "frequency capped", "throttled", "soft temperature limit")
SLOWING = re.compile("cpufreq|Processor|intel_powerclamp|throttle-alert")
COUNTERS = (
    "sys/devices/system/cpu/cpu*/thermal_throttle/*_throttle_count",  # x86
    "sys/class/hwmon/hwmon*/oc*_event_cnt",  # Jetson: too much current
)


def temperature_c(root: str = "/") -> Optional[float]:
    """The hottest sensor of the processor in degrees Celsius; where none is named so, of all."""
    zones = [
        (_read_text(folder + "/type") or "", _read_int(folder + "/temp"))
        for folder in _paths(root, "sys/class/thermal/thermal_zone*")
    ]
    processor = [value for name, value in zones if CPU_ZONE.search(name)]
    others = [value for name, value in zones if name != "PMIC-Die"]
    for values in (processor, _hwmon_values(root), others):
        believable = [value for value in values if value and 0 < value < 150_000]
        if believable:
            return max(believable) / 1000
    return None


def _hwmon_values(root: str) -> List[Optional[int]]:
    return [
        _read_int(path)
        for folder in _paths(root, "sys/class/hwmon/hwmon*")
        if _read_text(folder + "/name") in CPU_HWMON
        for path in _paths(folder, "temp*_input")
    ]


def throttle_word(root: str = "/") -> Optional[int]:
    """The throttle word of a Raspberry Pi: bits 0 to 3 are true now, 16 to 19 have been."""
    for path in _paths(root, "sys/devices/platform/soc*/soc*:firmware/get_throttled"):
        text = _read_text(path) or ""
        if re.match(r"^(0x)?[0-9a-fA-F]{1,8}$", text):
            return int(text, 16)
    said = _tool_output(root, "vcgencmd", "get_throttled") or ""
    found = re.match(r"throttled=0x([0-9a-fA-F]{1,8})\s*$", said)
    return int(found.group(1), 16) if found else None


class Signs(NamedTuple):
    """What slows the processor down now, and what counts or remembers that it was slowed down."""

    now: List[str]
    seen: Dict[str, int]


def throttle_signs(root: str = "/") -> Optional[Signs]:
    """All signs of throttling; None where the machine has none that could be read."""
    states: Dict[str, int] = {}
    for folder in _paths(root, "sys/class/thermal/cooling_device*"):
        kind, state = _read_text(folder + "/type") or "", _read_int(folder + "/cur_state")
        if SLOWING.search(kind) and state is not None:
            states[kind] = max(states.get(kind, 0), state)
    seen: Dict[str, int] = {}
    for path in (path for pattern in COUNTERS for path in _paths(root, pattern)):
        name, count = os.path.basename(path), _read_int(path)
        if count is not None:  # of all cores together: none of them ever shrinks
            seen[name] = seen.get(name, 0) + count
    word = throttle_word(root)
    if word is not None:
        for bit, name in enumerate(THROTTLE_BITS):
            states[name], seen[name] = word >> bit & 1, word >> bit + 16 & 1
    if not states and not seen:
        return None
    return Signs([name for name, state in states.items() if state > 0], seen)


class Mark(NamedTuple):
    """The state of the board between two steps of a job."""

    signs: Optional[Signs]
    temp_c: Optional[float]

    @classmethod
    def read(cls, root: str) -> Mark:
        """The state now."""
        return cls(throttle_signs(root), temperature_c(root))


def throttling(*spans: List[Mark]) -> Optional[List[str]]:
    """What slowed the processor down within spans of time, each a mark before and one after.

    A sticky bit that is gone counts as well: somebody has reset it, and nobody knows when.
    Returns: names in order; none at all is good; None where the machine has no signs.
    """
    names = set()
    for before, after in spans:
        if before.signs is None or after.signs is None:
            return None
        names |= {*before.signs.now, *after.signs.now}
        for name, count in after.signs.seen.items():
            if count != before.signs.seen.get(name, count):
                names.add(name)
    return sorted(names)[:20]  # as many as anybody reads


def load(root: str = "/") -> Optional[Json]:
    """How many processes run or wait for a core: averaged over a minute, and at this moment."""
    found = re.match(
        r"([0-9.]+) \S+ \S+ (\d+)/", _read_text(os.path.join(root, "proc/loadavg")) or ""
    )
    return {"one_minute": float(found.group(1)), "running": int(found.group(2))} if found else None


def board_state(root: str = "/", folder: Optional[str] = None) -> Json:
    """All that is read here, for somebody who wants to look; the lease is that of a folder."""
    signs, sensor, reason = throttle_signs(root), None, None
    try:
        sensor = find_sensor(root).name
    except NoSensor as exc:
        reason = str(exc)
    return {
        "temp_c": temperature_c(root),
        "throttle_now": signs and signs.now,
        "throttle_seen": signs and [name for name, count in signs.seen.items() if count],
        "governor": _governor(root, _allowed_cores()[-1]),
        "clock_hz": _clock_hz(root, _allowed_cores()[-1], "cur"),
        "power_mode": power_mode(root),
        "load": load(root),
        "energy_sensor": sensor,
        "energy_absent": reason,
        "lease": Lease(folder).look() if folder else None,
    }


# ---- energy ------------------------------------------------------------------------------------


class NoSensor(Exception):  # noqa: N818 -- not an error: few boards have one
    """There is no reading of energy; the text says why."""


class EnergyCounter:
    """A sensor that counts microjoules, and begins again at the end of its range."""

    def __init__(self, name: str, counters: List[Tuple[str, int]]) -> None:
        self.name = name
        self._counters = counters
        self._before: List[int] = []

    def start(self) -> None:
        """Begin a sample."""
        self._before = self._read()

    def stop(self) -> int:
        """Microjoules since `start`."""
        total = 0
        for before, after, (path, range_uj) in zip(self._before, self._read(), self._counters):
            if after < before and not range_uj:
                raise NoSensor("%s ran backwards" % path)
            total += after - before + (range_uj if after < before else 0)
        return total

    def _read(self) -> List[int]:
        values = [_read_int(path) for path, _ in self._counters]
        if None in values:
            raise NoSensor("%s cannot be read any more" % self.name)
        return [value or 0 for value in values]


class PowerMeter:
    """A sensor of power, read all the time by a thread that keeps off the cores measured."""

    def __init__(self, name: str, read_uw: Callable[[], int]) -> None:
        self.name = name
        self._read_uw = read_uw
        self._readings: List[Tuple[int, int]] = []
        self._failure: Optional[NoSensor] = None
        self._over = threading.Event()
        self._thread: Optional[threading.Thread] = None
        self._start_ns = 0

    def start(self) -> None:
        """Begin a sample."""
        self._readings, self._failure = [(time.perf_counter_ns(), self._read_uw())], None
        self._over.clear()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()
        self._start_ns = time.perf_counter_ns()

    def stop(self) -> int:
        """Microjoules since `start`: the mean power, weighted by time, over all of it."""
        elapsed_ns = time.perf_counter_ns() - self._start_ns
        self._over.set()
        if self._thread:
            self._thread.join()
        if self._failure:
            raise self._failure
        pairs = list(zip(self._readings, self._readings[1:]))
        area = sum((p0 + p1) * (t1 - t0) for (t0, p0), (t1, p1) in pairs)
        span_ns = self._readings[-1][0] - self._readings[0][0]
        return area * elapsed_ns // (2 * max(span_ns, 1) * 10**9)

    def _follow(self) -> None:
        with contextlib.suppress(AttributeError, OSError, ValueError):
            others = set(range(os.cpu_count() or 1)) - set(_allowed_cores())
            os.sched_setaffinity(0, others)  # of this thread alone; refused when none is left
        is_over = False
        while not is_over:
            is_over = self._over.wait(POWER_PERIOD_S)
            try:
                self._readings.append((time.perf_counter_ns(), self._read_uw()))
            except NoSensor as exc:
                self._failure = exc
                return


Sensor = Union[EnergyCounter, PowerMeter]


def find_sensor(root: str = "/") -> Sensor:
    """The board's own sensor of energy.

    Raises:
        NoSensor: it has none, or none that this user may read.
    """
    reasons = []
    for find in (_rapl, _ina3221, _pmic):
        try:
            return find(root)
        except NoSensor as exc:
            reasons.append(str(exc))
    raise NoSensor("no sensor: " + ", ".join(reasons))


def _rapl(root: str) -> Sensor:
    names, counters = [], []
    for folder in _paths(root, "sys/class/powercap/intel-rapl:*"):
        name = _read_text(folder + "/name") or ""
        if name.startswith("package"):  # the parts of a package are in it
            names.append(name)
            range_uj = _read_int(folder + "/max_energy_range_uj") or 0
            counters.append((folder + "/energy_uj", range_uj))
    if not counters:
        raise NoSensor("no RAPL")
    if any(_read_int(path) is None for path, _ in counters):
        raise NoSensor("RAPL is there for root alone")
    return EnergyCounter("rapl:" + "+".join(names), counters)


def _ina3221(root: str) -> Sensor:
    """The rail that feeds the whole board, or all rails together where none does."""
    rails = ina3221_rails(root)
    whole = [name for name in rails if name in ("VDD_IN", "POM_5V_IN")]
    names = whole or sorted(rails)
    if not names:
        raise NoSensor("no INA3221")

    def read_uw() -> int:
        return sum(rails[name]() for name in names)

    read_uw()
    return PowerMeter("ina3221:" + "+".join(names), read_uw)


def ina3221_rails(root: str = "/") -> Dict[str, Callable[[], int]]:
    """The power of each rail that a Jetson names, as a function that gives microwatts."""
    rails = {}
    for chip in _paths(root, "sys/bus/i2c/drivers/ina3221*/*"):
        for path in _paths(chip, "hwmon/hwmon*/in[123]_label"):
            folder, number = os.path.dirname(path), path[-len("1_label")]
            factors = (folder + "/in%s_input" % number, folder + "/curr%s_input" % number)
            rails[_read_text(path) or ""] = _product_of(factors, 1)  # mV mA
        for path in _paths(chip, "iio:device*/rail_name_*"):
            watts = os.path.join(os.path.dirname(path), "in_power%s_input" % path[-1])
            rails[_read_text(path) or ""] = _product_of((watts,), 1000)  # mW
    return {name: read for name, read in rails.items() if name not in ("", "NC")}


def _product_of(paths: Tuple[str, ...], scale: int) -> Callable[[], int]:
    def read() -> int:
        product = scale
        for path in paths:
            value = _read_int(path)
            if value is None:
                raise NoSensor("%s cannot be read" % path)
            product *= value
        return product

    return read


def _pmic(root: str) -> Sensor:
    pmic_uw(root)
    return PowerMeter("pmic", functools.partial(pmic_uw, root))


def pmic_uw(root: str = "/") -> int:
    """Microwatts on all rails of a Raspberry Pi 5's power chip; what hangs on its USB is not in it.

    Raises:
        NoSensor: the firmware does not tell.
    """
    said = _tool_output(root, "vcgencmd", "pmic_read_adc") or ""
    found = re.findall(r"(\S+)_([AV]) (?:current|volt)\(\d+\)=([0-9.]+)[AV]", said)
    values = {(name, unit): float(number) for name, unit, number in found}
    rails = [name for name, unit in values if unit == "A" and (name, "V") in values]
    if not rails:
        raise NoSensor("no PMIC that vcgencmd can read")
    return int(1e6 * sum(values[name, "A"] * values[name, "V"] for name in rails))


class Sample(NamedTuple):
    """Energy in a stretch of time."""

    energy_uj: int
    elapsed_ns: int

    @property
    def power_uw(self) -> int:
        """The mean power."""
        return self.energy_uj * 10**9 // max(self.elapsed_ns, 1)


def metered(sensor: Sensor, work: Callable[[], Any]) -> Sample:
    """What a piece of work took.

    Raises:
        NoSensor: the sensor failed, or says what no board can take.
    """
    sensor.start()
    start = time.perf_counter_ns()
    try:
        work()
    finally:
        elapsed_ns = time.perf_counter_ns() - start
        energy_uj = sensor.stop()
    sample = Sample(energy_uj, elapsed_ns)
    if not MIN_POWER_UW <= sample.power_uw <= MAX_POWER_UW:
        raise NoSensor("%s says %d uW, which is absurd" % (sensor.name, sample.power_uw))
    return sample


def energy_runs(run_ns: int) -> int:
    """How many runs make a sample: ENERGY_RUNS or ENERGY_NS, the longer, but within the cap."""
    enough = max(ENERGY_RUNS, -(-ENERGY_NS // run_ns))
    return max(min(enough, ENERGY_CAP_NS // run_ns), 1)


# ---- statistics: plain functions of lists of integers ------------------------------------------


def median_interval(values: List[int]) -> Tuple[int, int]:
    """The 95 % interval of the median by order statistics; the whole range below 6 values."""
    ordered, n = sorted(values), len(values)
    # Of the 2^n ways in which n values may lie below and above the median, those with so few below.
    # Whole numbers: those of a thousand values are beyond any float.
    outside, ways, tail = 0, 1, 1
    while outside + 1 <= n // 2 and 40 * tail <= 2**n:
        ways = ways * (n - outside) // (outside + 1)
        outside += 1
        tail += ways
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
    _share_arena(onnxruntime)
    return onnxruntime


def _share_arena(ort: Any) -> None:
    """One arena of one region, for all sessions; a runtime without such makes its own."""
    with contextlib.suppress(AttributeError):
        cpu = ort.OrtMemoryInfo(
            "Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT
        )
        arena = ort.OrtArenaCfg({"initial_chunk_size_bytes": ARENA_BYTES})
        ort.create_and_register_allocator(cpu, arena)


def _pin(root: str, threads: int) -> List[int]:
    cores = _cores_for(root, threads)
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
    options.add_session_config_entry("session.use_env_allocators", "1")  # of _share_arena
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
        self.facts: Json = {"name": name, "first_run_ns": 0, "nodes": [], "energy": None}

    def first_run(self, session: Any) -> None:
        """Run once by the plain way, which also tells the shapes of the outputs.

        The outputs are copies: the runtime's own would stay in its arena, in the way of later runs.
        """
        if self.arrays is None:
            self.arrays = _make_arrays(_declared_feeds(session), seed=0)
        differ = set(self.arrays) ^ {node.name for node in session.get_inputs()}
        if differ:
            message = "feeds and model inputs differ in: %s" % ", ".join(sorted(differ))
            raise AgentError("bad_request", message)
        start = time.perf_counter_ns()
        outputs = session.run(None, self.arrays)
        self.facts["first_run_ns"] = time.perf_counter_ns() - start
        self.outputs = [v.copy() if hasattr(v, "dtype") else v for v in outputs]

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


def time_runs(
    run: Callable[[], Any], count: int, clock: Callable[[], int] = time.perf_counter_ns
) -> int:
    """Nanoseconds of one run, the mean of `count` in a row. A time that is none never gets out."""
    start = clock()
    for _ in range(count):
        run()
    elapsed = clock() - start
    if elapsed < count:
        message = "the device's clock says that %d runs took %d ns" % (count, elapsed)
        raise AgentError("clock", message + ". Nothing can be measured by it")
    return elapsed // count


def _warm_up(run: Callable[[], Any], cap_ns: int) -> Tuple[int, int]:
    """Run until two windows agree, or the cap. Returns runs made, nanoseconds of one run."""
    start = time.perf_counter_ns()
    made, last_ns = 1, time_runs(run, 1)
    while True:
        count = min(max(WARM_UP_RUNS // 2, 50_000_000 // last_ns), 10**6)
        if count * last_ns > cap_ns:  # a slow network: one run a window
            count = 1
        run_ns = time_runs(run, count)
        made += count
        spent = time.perf_counter_ns() - start
        agree = abs(run_ns - last_ns) <= WARM_UP_AGREEMENT * last_ns
        if spent >= cap_ns or (agree and made >= WARM_UP_RUNS and spent >= WARM_UP_NS):
            return made, run_ns
        last_ns = run_ns


class Timer:
    """The timings of one phase: a warm-up, then groups of runs in visits at different times.

    Args:
        run: runs the model once.
        max_s: for warm-up and timing together.
    """

    def __init__(self, run: Callable[[], Any], max_s: float) -> None:
        self._run, self._max_ns = run, int(max_s * 1e9)
        start = time.perf_counter_ns()
        self._warm_up_runs, self._run_ns = _warm_up(run, min(WARM_UP_CAP_NS, self._max_ns // 2))
        self._spent_ns = time.perf_counter_ns() - start
        self._runs_per_group = -(-GROUP_NS // self._run_ns)
        self.visits: List[List[int]] = []

    @property
    def groups(self) -> List[int]:
        """Nanoseconds of a run, by group."""
        return [value for visit in self.visits for value in visit]

    def visit(self) -> None:
        """Time some groups; what ran since the last visit has emptied the caches."""
        start = time.perf_counter_ns()
        time_runs(self._run, max(1, REWARM_NS // self._run_ns))
        groups: List[int] = []
        while len(groups) < MIN_VISIT_GROUPS or time.perf_counter_ns() - start < VISIT_NS:
            groups.append(time_runs(self._run, self._runs_per_group))
        self.visits.append(groups)
        self._spent_ns += time.perf_counter_ns() - start

    def is_done(self, *, is_calm: bool) -> bool:
        """Whether more visits are not worth it; none is early on a machine that is disturbed."""
        groups = self.groups
        if len(groups) < MIN_GROUPS or len(self.visits) < MIN_VISITS:
            return False
        if len(groups) >= MAX_GROUPS or self._spent_ns > PATIENCE * self._max_ns:
            return True
        if not self.low_is_sure():
            return False
        is_known = is_calm and _half_width(groups) <= STOP_HALF_WIDTH
        return is_known or self._spent_ns > self._max_ns

    def low_is_sure(self) -> bool:
        """Whether the fastest groups agree, and two visits saw groups as fast."""
        fastest = sorted(self.groups)[:LOW_GROUPS]
        visits = sorted(map(min, self.visits))[:MIN_VISITS]
        return max(*fastest, *visits) <= (1 + LOW_AGREEMENT) * fastest[0]

    def facts(self) -> Json:
        """What is reported of the timings."""
        return dict(
            _summary(self.groups),
            visit_groups=[len(visit) for visit in self.visits],
            runs_per_group=self._runs_per_group,
            warmup_runs=self._warm_up_runs,
        )


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


def quality(
    *, throttle: Optional[List[str]], is_sure: bool, canaries: List[int], usual_ns: Optional[int]
) -> str:
    """The worst that is known against a phase, or "good".

    Args:
        throttle: what slowed the processor down.
        is_sure: whether the phase's fastest groups agree.
        canaries: of the job, in order; none without a canary.
        usual_ns: the canary of other jobs, if there is one.
    """
    if throttle:
        return "throttled"
    if canaries:
        half = (len(canaries) + 1) // 2  # disturbances pass, the best of each half tells the state
        first, second = min(canaries[:half]), min(canaries[-half:])
        apart = max(first, second) > (1 + DRIFT_SHARE) * min(first, second)
        unusual = usual_ns and min(first, second) > (1 + CALM_SHARE) * usual_ns
        if apart or unusual:
            return "drifted"
    return "good" if is_sure else "noisy"


class Canary:
    """A fixed model, timed before and after, that tells how fast the machine is just now."""

    def __init__(self, ort: Any, path: str, threads: int, provider: str) -> None:
        session = _open_session(ort, path, threads, provider)
        phase = PhaseRun("canary", None)
        phase.first_run(session)
        self._run = phase.bind(ort, session)

    def time_ns(self) -> int:
        """Nanoseconds of one run: the fastest CANARY_SHARE of the runs in CANARY_NS."""
        count = -(-CANARY_NS // time_runs(self._run, 5))
        times = [time_runs(self._run, 1) for _ in range(count)]
        return int(_fast_mean(times, CANARY_SHARE))


class Memory:
    """Peak resident size of this process over what it had when this was made."""

    def __init__(self) -> None:
        self._settle(LOADING_BLOCK_BYTES)  # or the model would hide in what import left free
        self._baseline, self.kind = self._status("VmRSS"), "resident_over_empty_session"
        try:
            with open("/proc/self/clear_refs", "w") as file:
                file.write("5")  # resets VmHWM
        except OSError:
            self.kind = "resident_over_empty_session_since_process_start"

    def loaded(self) -> None:
        """To be called between loading and the first run."""
        self._settle(RUNNING_BLOCK_BYTES)

    @staticmethod
    def _settle(block_bytes: int) -> None:
        """Give back what is free, and from now on free blocks of `block_bytes` and more at once."""
        gc.collect()
        with contextlib.suppress(AttributeError, OSError):
            library = ctypes.CDLL(None)
            library.malloc_trim(0)
            for parameter in (-1, -3):  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD
                library.mallopt(parameter, block_bytes)

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
    counts: List[Tuple[int, int]] = []
    for phase in phases:
        run_ns = phase.facts["latency_ns"]
        warm = min(PROFILE_WARM_UP_RUNS, 1 + WARM_UP_NS // run_ns)
        count = min(PROFILE_RUNS, max(MIN_GROUPS, PROFILE_NS // run_ns))
        time_runs(phase.bind(ort, session), warm + count)
        counts.append((warm, count))
    path = session.end_profiling()
    try:
        runs = profiled_runs(path)
    except ValueError as exc:  # the runtime writes on when the disk takes no more
        raise AgentError("disk", "the runtime's profile was cut off: %s" % exc) from exc
    finally:
        os.remove(path)
    if len(runs) < sum(warm + count for warm, count in counts):
        raise AgentError("refused", "the runtime's profile has lost runs: %d are left" % len(runs))
    for phase, (warm, count) in zip(phases, counts):
        phase.facts["nodes"] = node_times(runs[warm : warm + count])
        runs = runs[warm + count :]


# ---- one job, in the child ---------------------------------------------------------------------


def _run_job(job: Json) -> Json:
    job["end"] = time.monotonic() + job["limit_s"]
    cores, ort = _pin(job["root"], job["threads"]), _import_runtime()
    result = {
        "threads": job["threads"],
        "cores": cores,
        "model_sha256": _checked_sha256(job["path"], job["model"]),
        "canary_before_ns": None,
        "canary_between_ns": [],
        "canary_after_ns": None,
        "phases": [],
        "energy_absent": job["energy_absent"],
        "gate": None,
        "retries": 0,
    }
    phases = [
        PhaseRun(phase["name"], _make_arrays(phase["feeds"], job["seed"]))
        for phase in job["phases"] or []
    ] or [PhaseRun("infer", None)]
    # 1. load, first runs, peak memory
    session, facts = _load_and_run(ort, job, phases)
    result.update(facts)
    # 2. timings, then the nodes, then what it took
    if job["kind"] != "memory":
        result.update(_time_phases(ort, session, job, phases))
        if job["kind"] == "profile":
            _add_profile(ort, job, phases)
        if job["idle_uw"]:
            result["energy_absent"] = _add_energy(ort, session, job, phases)
        result["phases"] = [phase.facts for phase in phases]
    return dict(result, governor=_governor(job["root"], cores[-1] if cores else 0))


def _load_and_run(ort: Any, job: Json, phases: List[PhaseRun]) -> Tuple[Any, Json]:
    """A session that has run each phase twice, and what that took.

    Of the memory that it plans in a phase's first run, the runtime takes hold in the second.
    """
    _open_session(ort, EMPTY_MODEL, job["threads"], job["provider"]).run(None, {"x": [1.0]})
    memory = Memory()
    start = time.perf_counter_ns()
    session = _open_session(ort, job["path"], job["threads"], job["provider"])
    load_ns = time.perf_counter_ns() - start
    memory.loaded()
    for phase in phases:
        phase.first_run(session)
    for phase in phases:
        phase.bind(ort, session)()
    return session, {
        "load_ns": load_ns,
        "peak_bytes": memory.peak_bytes(),
        "peak_kind": memory.kind,
        "provider": session.get_providers()[0],
        "warnings": [text for phase in phases for text in phase.warnings()],
    }


def _time_phases(ort: Any, session: Any, job: Json, phases: List[PhaseRun]) -> Json:
    """Time the phases in turns, a canary between any two visits. Returns the canaries' times."""
    canary = None
    if job["canary_path"]:
        _checked_sha256(job["canary_path"], job["canary"])
        canary = Canary(ort, job["canary_path"], job["threads"], job["provider"])
    gc.disable()
    timers = [Timer(phase.bind(ort, session), job["max_seconds_per_phase"]) for phase in phases]
    marks = [Mark.read(job["root"])]
    canaries = [canary.time_ns() if canary else None]
    marks.append(Mark.read(job["root"]))
    spans: List[List[List[Mark]]] = [[] for _ in phases]
    waiting = list(range(len(phases)))
    while waiting:
        for i in tuple(waiting):
            timers[i].visit()
            phases[i].facts["clock_hz"] = _slowest_clock_hz(job["root"])
            marks.append(Mark.read(job["root"]))
            spans[i].append(marks[-2:])
            canaries.append(canary.time_ns() if canary else None)
            if timers[i].is_done(is_calm=_is_calm(canaries[-2:], job["canary_usual_ns"])):
                waiting.remove(i)
    marks.append(Mark.read(job["root"]))
    timed = [ns for ns in canaries if ns]
    for phase, timer, own in zip(phases, timers, spans):
        temps = [mark.temp_c for span in own for mark in span if mark.temp_c is not None]
        # What slows a canary down makes every timing wrong that is scaled by it.
        throttle = throttling(marks[:2], *own, marks[-2:])
        phase.facts.update(
            timer.facts(),
            temp_c=max(temps, default=None),
            throttle=throttle,
            quality=quality(
                throttle=throttle,
                is_sure=timer.low_is_sure(),
                canaries=timed,
                usual_ns=job["canary_usual_ns"],
            ),
        )
    return {
        "canary_before_ns": canaries[0],
        "canary_between_ns": timed[1:-1],
        "canary_after_ns": canaries[-1],
    }


def _is_calm(canaries: List[Optional[int]], usual_ns: Optional[int]) -> bool:
    """Whether the canaries around a visit were as fast as usual, as far as anybody knows."""
    known = [ns for ns in canaries if ns]
    return not known or not usual_ns or max(known) <= (1 + CALM_SHARE) * usual_ns


def _slowest_clock_hz(root: str) -> Optional[int]:
    clocks = [_clock_hz(root, core, "cur") for core in _allowed_cores()]
    return min([hz for hz in clocks if hz], default=None)


def _add_energy(ort: Any, session: Any, job: Json, phases: List[PhaseRun]) -> Optional[str]:
    """Put the energy of a run into each phase's facts. Returns why there is none, or None."""
    try:
        sensor = find_sensor(job["root"])
        for phase in phases:
            run, run_ns = phase.bind(ort, session), phase.facts["latency_ns"]
            count = energy_runs(run_ns)
            if 2 * count * run_ns > (job["end"] - time.monotonic()) * 1e9:
                raise NoSensor("no time was left for %d runs" % count)
            sample = metered(sensor, functools.partial(time_runs, run, count))
            phase.facts["energy"] = {
                "sensor": sensor.name,
                "energy_uj": max(sample.energy_uj // count, 1),
                "idle_uw": job["idle_uw"],
                "run_ns": sample.elapsed_ns // count,
                "runs": count,
            }
    except NoSensor as exc:
        return str(exc)
    return None


def _checked_sha256(path: str, wanted: Optional[str]) -> str:
    """The hash of a model's bytes as they lie on this disk now, compared with the one asked."""
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            for chunk in iter(lambda: file.read(2**20), b""):
                digest.update(chunk)
    except OSError as exc:
        raise AgentError("model", "the model cannot be read: %s" % exc.strerror) from exc
    if wanted not in (None, digest.hexdigest()):
        raise AgentError("model", "the model on the device is not the one that was sent")
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
            facts = _identify(request["root"], request["threads"], request["provider"])
            reply = {"result": facts}
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
    while process.poll() is None and time.monotonic() < end:
        sleep(0.001)
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


# ---- the device around a job: its governor, its gate --------------------------------------------


@contextlib.contextmanager
def steady_clock(root: str, cores: List[int], wish: Optional[str]) -> Iterator[bool]:
    """Have the cores' governor as wished where that is allowed, and give back what they had.

    A process of its own gives it back, so that it is also done when this one is killed.
    Yields: whether anything was changed; where nothing may be, the device stays as it is.
    """
    if wish not in (GOVERNOR, None):
        raise AgentError("bad_request", "the governor is %s or null" % GOVERNOR)
    old = _changeable_governors(root, cores) if wish else {}
    if not old:
        yield False
        return
    pid, hold_fd = _start_watchdog(old)
    try:
        yield any([_write_setting(path, GOVERNOR) for path in old])
    finally:
        os.close(hold_fd)
        os.waitpid(pid, 0)
        _give_back(old)  # should somebody have killed the watchdog


def _changeable_governors(root: str, cores: List[int]) -> Dict[str, str]:
    """The files that may be changed and should be, with what they hold."""
    old = {}
    for core in cores:
        path, clock = _cpu_file(root, core, "cpufreq/scaling_governor"), _clock_range_hz(root, core)
        governor = _read_text(path)
        choice = _read_text(_cpu_file(root, core, "cpufreq/scaling_available_governors")) or ""
        is_fixed = governor == "userspace" or clock["min"] and clock["min"] == clock["max"]
        if not governor or governor == GOVERNOR or is_fixed:  # a clock fixed by the user stays
            continue
        if GOVERNOR in choice.split() and os.access(path, os.W_OK):
            old[path] = governor
    return old


def _write_setting(path: str, value: str) -> bool:
    try:
        with open(path, "w") as file:
            file.write(value)
    except OSError:
        return False
    return True


def _give_back(old: Dict[str, str]) -> None:
    """Undo what was changed here; what somebody else has changed since is theirs."""
    for path, governor in old.items():
        if _read_text(path) == GOVERNOR:
            _write_setting(path, governor)


def _start_watchdog(old: Dict[str, str]) -> Tuple[int, int]:
    """A process that waits for the end of this one. Returns its id, and the pipe that holds it.

    It keeps what this process has open, the lock too: no other agent measures before it is done.
    """
    end_fd, hold_fd = os.pipe()
    pid = os.fork()
    if pid:
        os.close(end_fd)
        return pid, hold_fd
    try:
        os.setsid()
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        os.close(hold_fd)
        os.read(end_fd, 1)  # returns when the other end is closed, however that came about
        _give_back(old)
    finally:
        os._exit(0)


class Passage(NamedTuple):
    """How it went at the gate: what spoke against measuring to the last, and what of it is news.

    A load is no news: it comes and goes, and the canary and the flags tell what it did.
    """

    waited_ns: int
    missed: List[str]
    news: List[str]


class Gate:
    """Waits until the device is cool, not throttled and idle enough, but not for ever.

    Where waiting was in vain, the next wait for the same is a quarter as long.
    """

    def __init__(
        self,
        root: str,
        on_idle: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = sleep,
    ) -> None:
        self._root, self._on_idle = root, on_idle
        self._clock, self._sleep = clock, sleep
        self._full = {"heat": HEAT_S, "load": LOAD_S}
        self._patience_s = dict(self._full)

    def wait(self, end: float, threads: Optional[int] = None, below_c: float = START_C) -> Passage:
        """Wait, at the latest until `end` of the clock; without threads, whatever the load."""
        start = self._clock()
        while True:
            missed = {"heat": self._heat(below_c), "load": self._load(threads)}
            now = self._clock()
            patience = [s for kind, s in self._patience_s.items() if missed[kind]]
            if now >= end or now - start >= max(patience, default=0.0):
                break
            self._on_idle()
            self._sleep(GATE_POLL_S)
        return self._passage(int((now - start) * 1e9), missed)

    def _passage(self, waited_ns: int, missed: Dict[str, List[str]]) -> Passage:
        is_first = self._patience_s["heat"] == self._full["heat"]
        for kind, texts in missed.items():
            self._patience_s[kind] = self._patience_s[kind] / 4 if texts else self._full[kind]
        news = missed["heat"] if is_first else []
        return Passage(waited_ns, missed["heat"] + missed["load"], news)

    def _heat(self, below_c: float) -> List[str]:
        signs, temp_c = throttle_signs(self._root), temperature_c(self._root)
        texts = ["it was slowed down: %.400s" % ", ".join(signs.now)] if signs and signs.now else []
        if temp_c is not None and temp_c >= below_c:
            texts.append("it had %.1f degrees Celsius, not below %g" % (temp_c, below_c))
        return texts

    def _load(self, threads: Optional[int]) -> List[str]:
        if threads is None:
            return []
        others, cores = self._others_running(), os.cpu_count() or 1
        if others is None or others + threads <= cores:
            return []
        return ["%d other processes ran on %d cores" % (others, cores)]

    def _others_running(self) -> Optional[int]:
        """Processes that want a core, without this one: the middle of five looks."""
        looks = []
        for _ in range(5):
            now = load(self._root)
            if now is None:
                return None
            looks.append(max(now["running"] - 1, 0))
            self._sleep(0.004)
        return _median(looks)


class Bench:
    """Where jobs are done: a child each, on a device that is made ready for it and left as it was.

    Args:
        root: of the file tree that tells about the board.
        on_idle: called several times a second; what it raises ends the child.
    """

    def __init__(self, root: str, on_idle: Callable[[], None]) -> None:
        self._root, self._on_idle = root, on_idle
        self._gate = Gate(root, on_idle)
        self._retries = RETRIES
        self._idle: Json = {}
        self._idle_until = 0.0
        self._canaries: List[int] = []  # the fastest of each job; a session has one canary

    def reply(self, request: Json, work: str, end: float, say: Callable[[str], None]) -> Json:
        """The reply to a request.

        Args:
            request: identify or job.
            work: a folder to run in.
            end: until when it may wait at the gate, by the monotonic clock.
            say: takes "waiting" and "running".
        """
        request = dict(request, root=self._root, idle_uw=None, energy_absent=None)
        request["canary_usual_ns"] = _median(self._canaries) if self._canaries else None
        is_timed = request["op"] == "job" and request["kind"] != "memory"
        cores = _cores_for(self._root, request["threads"])
        with steady_clock(self._root, cores, request.get("governor")) as was_set:
            if is_timed:
                passage = self._gate.wait(end, request["threads"])
                request.update(self._idle_power(is_wanted=request["energy"]))
            else:
                passage = self._gate.wait(end, below_c=math.inf)
                self._check_clock_range(cores)
            say("running")
            reply = self._attempts(request, work, say)
        result = reply.get("result", {})
        if request["op"] == "identify":
            result["governor_set"] = was_set
        elif is_timed and result:
            result["gate"] = {"waited_ns": passage.waited_ns, "missed": passage.missed}
            self._remember_canary(result)
            news = [] if _is_void(reply) else passage.news
            result["warnings"] += ["measured although " + text for text in news]
        return reply

    def _check_clock_range(self, cores: List[int]) -> None:
        """A board that cools its processor by a lower limit would seem to be another board."""
        signs = throttle_signs(self._root)
        cooling = [name for name in signs.now if SLOWING.search(name)] if signs else []
        for core in cores if cooling else ():
            limit_hz, highest_hz = _clock_hz(self._root, core, "max"), _highest_hz(self._root, core)
            if limit_hz and highest_hz and limit_hz < highest_hz:
                mhz = (limit_hz // 10**6, highest_hz // 10**6)
                text = ", ".join(cooling)[:200]
                raise AgentError("hot", "%s holds its clock at %d of %d MHz" % (text, *mhz))

    def _remember_canary(self, result: Json) -> None:
        ends = [result["canary_before_ns"], result["canary_after_ns"]]
        timed = [ns for ns in (*ends, *result["canary_between_ns"]) if ns]
        self._canaries = [*self._canaries, min(timed)][-USUAL_JOBS:] if timed else self._canaries

    def _attempts(self, request: Json, work: str, say: Callable[[str], None]) -> Json:
        """The reply of a child, or of a later one where throttling made the first one's void."""
        end, start = time.monotonic() + request["limit_s"], time.monotonic()
        reply, made = _supervise(request, work, self._on_idle), 0
        took_s = time.monotonic() - start
        while _is_void(reply) and made < self._retries:
            say("waiting")
            passage = self._gate.wait(end - 2 * took_s, below_c=RESUME_C)
            left_s = end - time.monotonic()
            if passage.missed or left_s < took_s:
                break
            say("running")
            again = _supervise(dict(request, limit_s=left_s), work, self._on_idle)
            if "error" in again:
                break
            reply, made = again, made + 1
        if "result" in reply and request["op"] == "job":
            reply["result"]["retries"] = made
            self._judge(reply["result"], _is_void(reply))
        return reply

    def _judge(self, result: Json, is_void: bool) -> None:
        """Say that a timing stayed void; a device that always throttles is retried less often."""
        if not is_void:
            self._retries = RETRIES
            return
        self._retries //= 2
        names = sorted({name for phase in result["phases"] for name in phase["throttle"] or []})
        text = "the device throttled (%s), so that its timings are void" % ", ".join(names)
        if result["retries"]:
            text += "; %d repeats were no better" % result["retries"]
        result["warnings"].append(text[:400])

    def _idle_power(self, is_wanted: bool) -> Json:
        """The power of the device at rest, measured anew when the last time is long ago."""
        if not is_wanted:
            return {"energy_absent": "not asked for"}
        if time.monotonic() < self._idle_until:
            return self._idle
        try:
            sample = metered(find_sensor(self._root), self._rest)
            self._idle = {"idle_uw": sample.power_uw}
        except NoSensor as exc:
            self._idle = {"energy_absent": str(exc)[:400]}
        self._idle_until = time.monotonic() + IDLE_KEEP_S
        return self._idle

    def _rest(self) -> None:
        end = time.monotonic() + IDLE_S
        while time.monotonic() < end:
            self._on_idle()
            sleep(0.1)


def _is_void(reply: Json) -> bool:
    phases = reply.get("result", {}).get("phases", [])
    return any(phase["quality"] == "throttled" for phase in phases)


# ---- serving -----------------------------------------------------------------------------------


ALIVE, BYE = b"alive", b"bye"  # lines that are no requests
TEXT_CAP = 10_000  # characters; our choice: the names in a request are our own
Check = Callable[[Any], bool]


def _whole(low: int, high: int) -> Check:
    return lambda value: type(value) is int and low <= value <= high


def _number(low: float, high: float) -> Check:
    return lambda value: type(value) in (int, float) and low <= value <= high  # NaN is not


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= TEXT_CAP


def _digest(value: Any) -> bool:
    """A SHA-256; a name of this kind is no path."""
    return isinstance(value, str) and re.match(r"^[0-9a-f]{64}\Z", value) is not None


def _one_of(*words: str) -> Check:
    return lambda value: isinstance(value, str) and value in words


def _maybe(check: Check) -> Check:
    return lambda value: value is None or check(value)


def _list_of(check: Check, most: int) -> Check:
    return lambda value: isinstance(value, list) and len(value) <= most and all(map(check, value))


def _fields(checks: Dict[str, Check]) -> Check:
    return lambda value: (
        isinstance(value, dict) and all(check(value.get(name)) for name, check in checks.items())
    )


FEED = {
    "name": _text,
    "dtype": _text,
    "shape": _list_of(_whole(0, 2**40), 64),
    "low": _number(-1e300, 1e300),
    "high": _number(-1e300, 1e300),
}
PHASE = {"name": _text, "feeds": _list_of(_fields(FEED), 10_000)}
ALONE = {
    "threads": _whole(1, 4096),
    "provider": _text,
    "governor": _maybe(_text),
    "limit_s": _number(0, MOST_S),
    "ticket": _maybe(_digest),
    "tickets": _maybe(_list_of(_digest, 10_000)),
}
REQUESTS: Dict[str, Dict[str, Check]] = {
    "hello": {},
    "confirm": {"tickets": _list_of(_digest, 10_000)},
    "lease": {"owner": _text, "wait_s": _number(0, MOST_S)},
    "identify": ALONE,
    "job": dict(
        ALONE,
        kind=_one_of("profile", "time", "memory"),
        model=_digest,
        canary=_maybe(_digest),
        phases=_list_of(_fields(PHASE), 100),
        max_seconds_per_phase=_number(0, MOST_S),
        seed=_whole(0, 2**63),
        energy=_maybe(_flag),
        memory_limit_bytes=_maybe(_whole(1, 2**62)),
    ),
}


def read_request(line: bytes) -> Json:
    """The object in a line, which has a number; or AgentError."""
    try:
        request = json.loads(line, parse_int=_short_int)
    except (ValueError, RecursionError) as exc:
        raise AgentError("bad_request", "no JSON: %s" % exc) from exc
    if not isinstance(request, dict) or not _whole(0, 2**53)(request.get("id")):
        raise AgentError("bad_request", "a request is an object with a whole number as its id")
    return request


def _short_int(text: str) -> int:
    """As `int`, which takes time by the square of the length before Python 3.11."""
    if len(text) > 40:
        raise ValueError("a number of %d digits" % len(text))
    return int(text)


def check_request(request: Json) -> None:
    """Raise AgentError, naming the field, unless each is as it must be. What is absent is null."""
    request.setdefault("limit_s", 60.0)
    op = request.get("op")
    if not isinstance(op, str) or op not in REQUESTS:
        raise AgentError("bad_request", "no such op here; there are: %s" % ", ".join(REQUESTS))
    for name, check in REQUESTS[op].items():
        if not check(request.setdefault(name, None)):
            raise AgentError("bad_request", "%s is missing, or not as it must be" % name)


class Wire:
    """Requests from stdin and replies to stdout, both without buffers that hide what is there.

    Attributes:
        heard: when the host last said anything, by the monotonic clock.
        silence_s: a host that says nothing for so long has gone; None: it may be silent.
    """

    def __init__(self, in_fd: int, out_fd: int) -> None:
        self._in_fd, self._out_fd = in_fd, out_fd
        self._pending = bytearray()
        self.heard = time.monotonic()
        self.silence_s: Optional[float] = None

    def requests(self, on_idle: Callable[[], None]) -> Iterator[bytes]:
        """The lines of stdin, until it ends; `on_idle` is called while there is none."""
        with contextlib.suppress(HostGone):
            while True:
                while b"\n" not in self._pending:
                    on_idle()
                    self.check_host(1.0)
                end = self._pending.index(b"\n")
                line = bytes(self._pending[:end])
                del self._pending[: end + 1]
                if line == BYE:
                    return
                if line != ALIVE:
                    yield line

    def check_host(self, wait_s: float = 0.0) -> None:
        """Raise HostGone if stdin has ended or is silent; what it holds is kept for later."""
        if select.select([self._in_fd], [], [], wait_s)[0]:
            self._take()
        elif self.silence_s is not None and time.monotonic() - self.heard > self.silence_s:
            raise HostGone

    def send(self, reply: Json) -> None:
        """Send one line; raise HostGone where a host does not read it and is silent as well."""
        data = json.dumps(reply).encode() + b"\n"
        try:
            while data:
                while not select.select([], [self._out_fd], [], 1.0)[1]:
                    self.check_host()
                data = data[os.write(self._out_fd, data[: select.PIPE_BUF]) :]  # never blocks
        except BrokenPipeError as exc:
            raise HostGone from exc

    def _take(self) -> None:
        chunk = os.read(self._in_fd, 65536)
        self._pending += chunk
        self.heard = time.monotonic()
        if self._pending == BYE + b"\n" or self._pending.endswith(b"\n" + BYE + b"\n"):
            raise HostLeft
        if len(self._pending) > REQUEST_CAP_BYTES:
            text = "a request of more than %d bytes; this agent ends" % REQUEST_CAP_BYTES
            self.send(dict(AgentError("bad_request", text).as_json(), id=None))
            raise HostGone
        if not chunk:
            raise HostGone


class Lease:
    """That one host alone measures here: a lock of the agent that serves it.

    The kernel frees the lock when that agent ends, however it ends. What the file says is for
    those who wait, and is believed by none of them.
    """

    def __init__(self, folder: str) -> None:
        self._path = os.path.join(folder, "lease")
        self._fd = -1
        self._said: Json = {}
        self._next_write = 0.0

    def take(self, owner: str, end: float, on_wait: Callable[[Json], None]) -> None:
        """Have it, or raise AgentError at `end` of the monotonic clock.

        Args:
            owner: for those who wait.
            end: when to give up.
            on_wait: called while another host has it, with what is known of that.
        """
        if self._fd < 0:
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                while not _try_lock(fd):
                    if time.monotonic() >= end:
                        raise AgentError("leased", "another host has the device")
                    on_wait(self.holder())
                    sleep(LEASE_POLL_S)
            except BaseException:
                os.close(fd)
                raise
            self._fd = fd
        self._said = {"owner": owner, "since": time.monotonic()}
        self.note(time.monotonic())

    def note(self, heard: float) -> None:
        """Write down when the host was last heard, now and then."""
        now = time.monotonic()
        if self._fd >= 0 and now >= self._next_write:
            self._next_write = now + LEASE_WRITE_S
            text = json.dumps(dict(self._said, heard=heard)).encode()
            with contextlib.suppress(OSError):  # a full disk ends no measurement
                os.pwrite(self._fd, text.ljust(LEASE_BYTES), 0)

    def look(self) -> Optional[Json]:
        """The holder, or null while nobody has it; waits for nobody and keeps it from nobody.

        Who asks for it in the instant of a look asks again a moment later.
        """
        try:
            fd = os.open(self._path, os.O_RDONLY)
        except OSError:  # nobody ever had it
            return None
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return None
        except BlockingIOError:
            return self.holder()
        finally:
            os.close(fd)

    def holder(self) -> Json:
        """Who has it, for how long, and for how long that host was not heard; null: not known."""
        try:
            said = json.loads(_read_text(self._path) or "")
            now, owner = time.monotonic(), str(said["owner"])[:OWNER_CAP]
            held_s, silent_s = now - said["since"], now - said["heard"]
        except (ValueError, TypeError, KeyError, ArithmeticError, RecursionError):
            return {"owner": None, "held_s": None, "silent_s": None}
        return {"owner": owner, "held_s": max(held_s, 0.0), "silent_s": max(silent_s, 0.0)}


class Kept:
    """Results on disk, each under its ticket, until their host says that it has them."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def keep(self, ticket: str, result: Json) -> None:
        """Have it on disk whole, or not at all where the disk takes nothing."""
        path = self._path(ticket)
        draft = "%s.%d.part" % (path, os.getpid())
        try:
            os.makedirs(self._folder, exist_ok=True)
            with open(draft, "w") as file:
                json.dump(result, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(draft, path)
            prune(self._folder)
        except OSError:  # a full disk costs what a cut now would cost: this job again
            with contextlib.suppress(OSError):
                os.remove(draft)

    def find(self, ticket: str) -> Optional[Json]:
        """The result, if it was kept."""
        try:
            found = json.loads(_read_text(self._path(ticket)) or "")
        except (ValueError, RecursionError):
            return None
        return found if isinstance(found, dict) else None

    def forget(self, tickets: List[str]) -> int:
        """Delete results. Returns how many there were."""
        forgotten = 0
        for path in [self._path(ticket) for ticket in tickets]:
            with contextlib.suppress(OSError):
                os.remove(path)
                forgotten += 1
        return forgotten

    def _path(self, ticket: str) -> str:
        return os.path.join(self._folder, ticket + ".json")


class Server:
    """Answers the requests of one host."""

    def __init__(self, wire: Wire, folder: str, root: str) -> None:
        self._wire, self._folder = wire, folder
        self._models = os.path.join(folder, "models")
        self._lease = Lease(folder)
        self._kept = Kept(os.path.join(folder, "results"))
        self._outlives_host = self._host_is_gone = False
        self._bench = Bench(root, self._on_idle)
        self._beat: Json = {}
        self._next_beat = 0.0

    def serve(self) -> None:
        """Answer until the host hangs up."""
        os.makedirs(self._models, exist_ok=True)
        with contextlib.suppress(HostGone):
            for line in self._wire.requests(self._note_host):
                self._wire.send(self._reply(line))

    def _reply(self, line: bytes) -> Json:
        number = None
        try:
            request = read_request(line)
            number = request["id"]
            check_request(request)
            return dict(self._answer(request), id=number)
        except AgentError as exc:
            return dict(exc.as_json(), id=number)
        except OSError as exc:
            return dict(AgentError("disk", str(exc)).as_json(), id=number)
        except (ArithmeticError, LookupError, TypeError, ValueError) as exc:  # no line ends us
            message = "%s: %s" % (type(exc).__name__, exc)
            return dict(AgentError("bad_request", message).as_json(), id=number)

    def _answer(self, request: Json) -> Json:
        if request["op"] == "hello":
            hello = {"protocol": PROTOCOL, "method": METHOD, "pid": os.getpid()}
            return {"result": dict(hello, python=platform.python_version())}
        if request["op"] == "lease":
            return {"result": self._take_lease(request)}
        forgotten = self._kept.forget(request.get("tickets") or [])
        if request["op"] == "confirm":
            return {"result": {"forgotten": forgotten}}
        ticket = request.get("ticket")
        if ticket is not None and (result := self._kept.find(ticket)) is not None:
            return {"result": result}
        if request["op"] == "job":
            request["path"] = self._model_path(request["model"])
            canary = request["canary"]
            request["canary_path"] = canary and self._model_path(canary)
        end = time.monotonic() + request["limit_s"]
        with self._alone(request, end) as work:
            self._outlives_host = ticket is not None
            reply = self._bench.reply(request, work, end, lambda word: self._say(request, word))
            self._outlives_host = False
            if ticket is not None and "result" in reply:
                self._kept.keep(ticket, reply["result"])
            prune(self._models, min(KEPT_BYTES, shutil.disk_usage(self._models).free // 2))
            drop_drafts(self._folder)
        if self._host_is_gone:
            raise HostGone
        return reply

    def _take_lease(self, request: Json) -> Json:
        self._wire.silence_s = HOST_SILENCE_S
        start = time.monotonic()

        def on_wait(holder: Json) -> None:
            self._beat = {"id": request["id"], "beat": "leased", "lease": holder}
            self._on_idle()

        self._next_beat = 0.0  # who waits is told at once
        end = start + request["wait_s"]
        self._lease.take(request["owner"][:OWNER_CAP], end, on_wait)
        return {"waited_s": time.monotonic() - start}

    def _note_host(self) -> None:
        self._lease.note(self._wire.heard)

    def _model_path(self, sha256: str) -> str:
        """Where a model lies; a use makes it young again."""
        path = os.path.join(self._models, sha256 + ".onnx")
        try:
            os.utime(path)
        except OSError as exc:
            raise AgentError("model", "model %s is not here" % sha256[:12]) from exc
        return path

    @contextlib.contextmanager
    def _alone(self, request: Json, end: float) -> Iterator[str]:
        """An empty folder to work in, while no other agent of this folder measures."""
        self._say(request, "waiting")
        with open(os.path.join(self._folder, "lock"), "w") as lock:
            while not _try_lock(lock.fileno()):
                if time.monotonic() > end:
                    raise AgentError("busy", "other agents kept this device busy all the time")
                sleep(0.05)
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
        if self._host_is_gone:
            return
        try:
            self._wire.check_host()
            self._note_host()
            if time.monotonic() >= self._next_beat:
                self._wire.send(self._beat)
                self._next_beat = time.monotonic() + BEAT_S
        except HostLeft:
            raise
        except HostGone:
            if not self._outlives_host:
                raise
            self._host_is_gone = True


def _try_lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def prune(folder: str, cap: int = KEPT_BYTES) -> None:
    """Delete what was not used for KEPT_S, and the oldest until KEPT_FILES and `cap` are kept.

    Ages are counted from the last use of any: that the clock was set does not make all of them old.
    """
    files = []
    for entry in os.scandir(folder):
        with contextlib.suppress(OSError):  # another agent has just renamed or deleted it
            files.append((entry.stat().st_mtime, entry.stat().st_size, entry.path))
    total = sum(size for _, size, _ in files)
    last = max([used for used, _, _ in files], default=0.0)
    for deleted, (used, size, path) in enumerate(sorted(files)):
        fits = total <= cap and len(files) - deleted <= KEPT_FILES
        if used > last - GRACE_S or (fits and used > last - KEPT_S):
            return
        with contextlib.suppress(OSError):
            os.remove(path)
        total -= size


def drop_drafts(folder: str) -> None:
    """Delete what interrupted uploads have left long ago, by the age of F/lock, touched now."""
    lock = os.path.join(folder, "lock")
    os.utime(lock)
    now = os.stat(lock).st_mtime
    for path in _paths(folder, "*/*.part"):
        with contextlib.suppress(OSError):
            if os.lstat(path).st_mtime < now - DRAFT_KEPT_S:
                os.remove(path)


def claim_folder(path: str) -> None:
    """Have a folder for this user alone: made, or closed to others, or refused.

    What others could have written into is not taken over, whatever its mode is by now.

    Raises:
        OSError: it is somebody else's, or no folder, or cannot be made; the text says which.
    """
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        os.mkdir(path, 0o700)
    except FileExistsError:
        pass
    facts = os.lstat(path)
    if not stat.S_ISDIR(facts.st_mode):
        raise OSError("%s is a link or a file; a folder is wanted. Delete it there" % path)
    if facts.st_uid != os.geteuid():
        text = "%s belongs to user %d, not to this one (%d). Delete it there"
        raise OSError(text % (path, facts.st_uid, os.geteuid()))
    if facts.st_mode & stat.S_IWOTH:
        text = "%s could be written by everybody, so nothing in it can be trusted. Delete it there"
        raise OSError(text % path)
    if stat.S_IMODE(facts.st_mode) & 0o077:
        os.chmod(path, 0o700)


# ---- by hand -----------------------------------------------------------------------------------


def _find_runtime() -> None:
    """Let children, which run elsewhere, find onnxruntime: here, or where a workstation put it."""
    paths = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    if importlib.util.find_spec("onnxruntime") is None:
        abi = (sysconfig.get_config_var("SOABI") or "-").split("-")[1]
        folder = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        paths.append(os.path.join(folder, "site-cp" + abi))
    os.environ["PYTHONPATH"] = os.pathsep.join(os.path.abspath(path) for path in paths)


def _by_hand(request: Json, root: str) -> int:
    """Print the reply to one request. Returns the exit code."""
    _find_runtime()
    bench, end = Bench(root, lambda: None), time.monotonic() + request["limit_s"]
    with tempfile.TemporaryDirectory() as work:
        try:
            reply = bench.reply(request, work, end, lambda word: None)
        except AgentError as exc:
            reply = exc.as_json()
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
        "energy": True,
        "max_seconds_per_phase": arguments.seconds,
    }


def _parse_arguments(argv: List[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Measures ONNX models on this machine. By hand: agent.py run MODEL.onnx; "
        "each command prints one JSON document, and an error ends with exit code 1."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("child", help="one job, from stdin to stdout")
    serve = commands.add_parser("serve", help="answer requests on stdin")
    serve.add_argument("--folder", required=True)
    run = commands.add_parser("run", help="measure a model")
    facts = commands.add_parser("identify", help="what makes latencies of this machine comparable")
    state = commands.add_parser("state", help="how this machine is just now")
    state.add_argument("--folder", help="of agents: whose lease to look at")
    for command in (serve, run, facts, state):
        command.add_argument("--root", default="/", help=argparse.SUPPRESS)  # of a recorded board
    run.add_argument("model")
    run.add_argument("--kind", choices=("profile", "time", "memory"), default="time")
    run.add_argument("--seconds", type=float, default=3.0)
    for command in (run, facts):
        command.add_argument("--threads", type=int, default=1)
        command.add_argument("--provider", default="CPUExecutionProvider")
        command.add_argument("--keep-governor", action="store_true", help="leave it as it is")
        command.add_argument("--limit", dest="limit_s", type=float, default=300.0)
    return parser.parse_args(argv)


def _serve(folder: str, root: str) -> int:
    os.umask(0o077)
    try:
        for path in (folder, os.path.join(folder, "models")):
            claim_folder(path)
    except OSError as exc:
        sys.stderr.write("%s\n" % exc)
        return 1
    Server(Wire(0, _private_stdout()), folder, root).serve()
    return 0


def main(argv: List[str]) -> int:
    """Run one of the commands at the head of the file. Returns the exit code."""
    arguments = _parse_arguments(argv)
    if arguments.command == "child":
        _child()
    root = os.path.abspath(arguments.root)
    if arguments.command == "serve":
        return _serve(os.path.abspath(arguments.folder), root)
    if arguments.command == "state":
        print(json.dumps(board_state(root, arguments.folder), indent=2))
        return 0
    request = {name: getattr(arguments, name) for name in ("threads", "provider", "limit_s")}
    request["governor"] = None if arguments.keep_governor else GOVERNOR
    is_run = arguments.command == "run"
    job = _hand_job(arguments) if is_run else {"op": "identify"}
    return _by_hand(dict(request, **job), root)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
