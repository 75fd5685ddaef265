"""What surrounded a measurement: the wait before it, and the energy that it took."""

from dataclasses import dataclass

from device_agents.answers import MAX_DURATION_NS, Answer

_MAX_ENERGY_UJ = 10**15  # our choice: a gigajoule, more than a day at MAX_POWER_UW
_MAX_POWER_UW = 2 * 10**9  # the agent believes no sensor that says more
_MAX_RUNS = 10**9


@dataclass(frozen=True, kw_only=True)
class Gate:
    """How long a device was waited for before a job, and what it did not reach.

    Attributes:
        waited_ns: until it was cool, not throttled and idle enough, or patience was at an end.
        missed: what spoke against measuring to the last, in words; empty where nothing did.
    """

    waited_ns: int
    missed: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Energy:
    """What one run took, from a sample of `runs` in a row after the timings.

    Attributes:
        sensor: and its rails, such as "rapl:package-0", "ina3221:VDD_IN" or "pmic". Each sees
            another part of a board, so two sensors' joules are not comparable.
        energy_uj: microjoules of one run, those of the idle device included.
        idle_uw: microwatts of the device at rest, measured some minutes ago at most.
        run_ns: nanoseconds of one run, in the sample.
    """

    sensor: str
    energy_uj: int
    idle_uw: int
    run_ns: int
    runs: int

    @property
    def over_idle_uj(self) -> int:
        """Microjoules that the run added to those of the idle device.

        Not above zero where the sensor cannot tell the two apart.
        """
        return self.energy_uj - self.idle_uw * self.run_ns // 10**9


def read_gate(answer: Answer) -> Gate:
    """The wait in an agent's answer.

    Raises:
        ProtocolError: a field is absent or absurd.
    """
    return Gate(
        waited_ns=answer.integer("waited_ns", low=0, high=MAX_DURATION_NS),
        missed=answer.texts("missed"),
    )


def read_energy(answer: Answer) -> Energy:
    """The energy in an agent's answer.

    Raises:
        ProtocolError: a field is absent or absurd.
    """
    return Energy(
        sensor=answer.text("sensor"),
        energy_uj=answer.integer("energy_uj", low=1, high=_MAX_ENERGY_UJ),
        idle_uw=answer.integer("idle_uw", low=1, high=_MAX_POWER_UW),
        run_ns=answer.integer("run_ns", low=1, high=MAX_DURATION_NS),
        runs=answer.integer("runs", low=1, high=_MAX_RUNS),
    )
