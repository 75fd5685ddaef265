"""What a device measured, checked before it is believed."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from device_agents.answers import MAX_BYTES, MAX_DURATION_NS, Answer
from device_agents.conditions import Energy, Gate, read_energy, read_gate
from device_agents.jobs import Job

Quality = Literal["good", "noisy", "throttled", "drifted"]
_QUALITIES: tuple[Quality, ...] = ("good", "noisy", "throttled", "drifted")

_MAX_GROUPS = 10_000
_MAX_NODES = 100_000
_MAX_RUNS = 10**9
_MAX_RETRIES = 100
_MAX_PHASES = 100
_MAX_CLOCK_HZ = 10**11
_TEMP_RANGE_C = (0.0, 150.0)  # the agent believes no sensor that says something else


@dataclass(frozen=True, kw_only=True)
class NodeTime:
    """One top-level node of the optimised graph and its typical duration in one run.

    The duration is the mean over the fastest quarter of the profiled runs, and includes what runs
    in the node's own body (of an If or a Loop). The runtime's clock has whole microseconds: half of
    one is added for what is cut off. Profiling slows small networks down, so the sum is above
    the latency; scale it.
    """

    name: str
    op_type: str
    provider: str
    duration_ns: int


@dataclass(frozen=True, kw_only=True)
class PhaseResult:
    """The timings of one phase; every `_ns` is nanoseconds of one run.

    Attributes:
        group_ns: one value a group of `runs_per_group` runs in a row, in the order measured.
        visit_groups: how many groups were timed in a row, with canaries and other phases between.
        latency_ns: the median of the groups; low_ns and high_ns are its 95 % interval.
        p90_ns: like p99_ns, min_ns and mad_ns (median absolute deviation), of the groups.
        quality: "good"; "noisy" when the three fastest groups differ by more than 2 %, or one visit
            alone saw groups as fast; "drifted" when the fastest canaries of the job's halves
            differ by more than 10 %, or are 5 % slower than those of other jobs; "throttled" when
            the device said so, in the last repeat as well.
        temp_c: the processor's hottest sensor, before or after, whichever is more; degrees Celsius.
        clock_hz: of the slowest core used, right after the last run.
        throttle: what slowed the processor down meanwhile, in words; None where the device has no
            signs of it, empty where it has some and they were quiet.
        energy: None where it was not asked for or there is no sensor; JobResult.energy_absent says
            which.
        nodes: in the order of execution; empty unless the job was a profile.
    """

    name: str
    group_ns: tuple[int, ...]
    visit_groups: tuple[int, ...]
    runs_per_group: int
    warmup_runs: int
    first_run_ns: int
    latency_ns: int
    low_ns: int
    high_ns: int
    p90_ns: int
    p99_ns: int
    min_ns: int
    mad_ns: int
    quality: Quality
    nodes: tuple[NodeTime, ...]
    temp_c: float | None = None
    clock_hz: int | None = None
    throttle: tuple[str, ...] | None = None
    energy: Energy | None = None

    @property
    def runs(self) -> int:
        """How many runs were timed."""
        return len(self.group_ns) * self.runs_per_group


@dataclass(frozen=True, kw_only=True)
class JobResult:
    """All that one job found out.

    Attributes:
        phases: one each phase of the job, in its order; empty for a "memory" job.
        peak_bytes: the peak while the model was loaded and ran once a phase, in the sense of
            `peak_kind`: "resident_over_empty_session" is resident memory above that of a session
            with an empty model; with "_since_process_start" the kernel cannot reset its peak.
        canary_before_ns: None without a canary, as canary_after_ns.
        canary_between_ns: one between any two visits; empty without a canary.
        cores: those that the job was pinned to.
        governor: of the cores while they were measured; None where there is none.
        gate: the wait before the job; None for a "memory" job, which does not mind.
        retries: how often the job was repeated because the device throttled.
        energy_absent: why a phase has no energy; None where all have it, or nothing was timed.
        asked_s: when the request was sent, by this machine's monotonic clock.
        answered_s: when the answer was there.
    """

    phases: tuple[PhaseResult, ...]
    load_ns: int
    peak_bytes: int
    peak_kind: str
    provider: str
    threads: int
    cores: tuple[int, ...]
    canary_before_ns: int | None
    canary_after_ns: int | None
    model_sha256: str
    warnings: tuple[str, ...]
    canary_between_ns: tuple[int, ...] = ()
    governor: str | None = None
    gate: Gate | None = None
    retries: int = 0
    energy_absent: str | None = None
    asked_s: float = field(default=0.0, compare=False)
    answered_s: float = field(default=0.0, compare=False)

    def elsewhere(self) -> dict[str, float]:
        """By provider, the share of the nodes' time that was not the asked provider's.

        The runtime gives to others what that one cannot run. Empty where no nodes were timed.
        """
        times: Counter[str] = Counter()
        for node in (node for phase in self.phases for node in phase.nodes):
            times[node.provider] += node.duration_ns
        total_ns = times.total()
        return {name: ns / total_ns for name, ns in times.items() if name != self.provider}

    def phase(self, name: str) -> PhaseResult:
        """The phase of this name.

        Raises:
            KeyError: the job had no such phase.
        """
        for phase in self.phases:
            if phase.name == name:
                return phase
        raise KeyError(name)


def read_result(
    value: object, *, device: str, job: Job, model_sha256: str, provider: str, threads: int
) -> JobResult:
    """The result in an agent's answer to `job`.

    Raises:
        ProtocolError: a field is absent, absurd, or of another job, model or provider.
    """
    answer = Answer(value, device=device, place="the result")
    is_memory = job.kind == "memory"
    phases = answer.children("phases", at_most=len(job.phases))
    if len(phases) != (0 if is_memory else len(job.phases)):
        answer.refuse("phases", len(phases), f"{len(job.phases)} phases")
    gate = answer.optional_child("gate")
    return JobResult(
        phases=tuple(
            _read_phase(phase, name=asked.name, is_profile=job.kind == "profile")
            for phase, asked in zip(phases, job.phases, strict=False)
        ),
        load_ns=answer.integer("load_ns", low=1, high=MAX_DURATION_NS),
        peak_bytes=answer.integer("peak_bytes", low=0, high=MAX_BYTES),
        peak_kind=answer.text("peak_kind"),
        provider=answer.choice("provider", [provider]),
        threads=answer.integer("threads", low=threads, high=threads),
        cores=answer.integers("cores", low=0, high=4095, at_least=0, at_most=4096),
        canary_before_ns=answer.optional_integer("canary_before_ns", low=1, high=MAX_DURATION_NS),
        canary_after_ns=answer.optional_integer("canary_after_ns", low=1, high=MAX_DURATION_NS),
        canary_between_ns=answer.integers(
            "canary_between_ns", low=1, high=MAX_DURATION_NS, at_least=0, at_most=_MAX_GROUPS
        ),
        model_sha256=answer.choice("model_sha256", [model_sha256]),
        warnings=answer.texts("warnings"),
        governor=answer.optional_text("governor"),
        gate=None if gate is None else read_gate(gate),
        retries=answer.integer("retries", low=0, high=_MAX_RETRIES),
        energy_absent=answer.optional_text("energy_absent"),
    )


def _read_phase(answer: Answer, *, name: str, is_profile: bool) -> PhaseResult:
    def duration(field: str, low: int = 1, high: int = MAX_DURATION_NS) -> int:
        return answer.integer(field, low=low, high=high)

    groups = answer.integers(
        "group_ns", low=1, high=MAX_DURATION_NS, at_least=1, at_most=_MAX_GROUPS
    )
    shortest, longest = min(groups), max(groups)
    energy = answer.optional_child("energy")
    low_ns = duration("low_ns", shortest, longest)
    latency_ns = duration("latency_ns", low_ns, longest)
    p90_ns = duration("p90_ns", latency_ns, longest)
    return PhaseResult(
        name=answer.choice("name", [name]),
        group_ns=groups,
        visit_groups=_read_visits(answer, len(groups)),
        runs_per_group=answer.integer("runs_per_group", low=1, high=_MAX_RUNS),
        warmup_runs=answer.integer("warmup_runs", low=1, high=_MAX_RUNS),
        first_run_ns=duration("first_run_ns"),
        latency_ns=latency_ns,
        low_ns=low_ns,
        high_ns=duration("high_ns", latency_ns, longest),
        p90_ns=p90_ns,
        p99_ns=duration("p99_ns", p90_ns, longest),
        min_ns=duration("min_ns", shortest, shortest),
        mad_ns=duration("mad_ns", 0, longest),
        quality=_quality(answer),
        nodes=_read_nodes(answer, is_profile=is_profile),
        temp_c=answer.optional_number("temp_c", low=_TEMP_RANGE_C[0], high=_TEMP_RANGE_C[1]),
        clock_hz=answer.optional_integer("clock_hz", low=1, high=_MAX_CLOCK_HZ),
        throttle=answer.optional_texts("throttle"),
        energy=None if energy is None else read_energy(energy),
    )


def _read_visits(answer: Answer, groups: int) -> tuple[int, ...]:
    visits = answer.integers("visit_groups", low=1, high=groups, at_least=1, at_most=groups)
    if sum(visits) != groups:
        answer.refuse("visit_groups", visits, f"{groups} groups in all")
    return visits


def _quality(answer: Answer) -> Quality:
    word = answer.choice("quality", _QUALITIES)
    return next(quality for quality in _QUALITIES if quality == word)


def _read_nodes(answer: Answer, *, is_profile: bool) -> tuple[NodeTime, ...]:
    nodes = tuple(
        NodeTime(
            name=node.text("name"),
            op_type=node.text("op_type"),
            provider=node.text("provider"),
            duration_ns=node.integer("duration_ns", low=1, high=MAX_DURATION_NS),
        )
        for node in answer.children("nodes", at_most=_MAX_NODES)
    )
    if bool(nodes) != is_profile:
        answer.refuse("nodes", f"{len(nodes)} nodes", "what the kind of job asks for")
    return nodes
