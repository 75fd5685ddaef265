"""How far a transferred LUT can be trusted, and how many more networks it wants if it failed.

With n networks to learn from, the mean error of networks held out is taken to fall as

    error(n) = a + b / n,   a, b >= 0:

a is what the two devices differ in beyond what the transfer can say, b what more networks cure. It
is fitted to transfers from all, a half and a quarter of the networks.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import nnls

from latency_lut.fit.lut import Lut
from latency_lut.fit.repeats import RepeatError
from latency_lut.fit.self_check import common_error
from latency_lut.fit.timed_table import Floats
from latency_lut.transfer.held_out import hold_out, learnt_from
from latency_lut.transfer.measured import Measured
from latency_lut.transfer.transfer import transfer

# All of these are our choice.
_MOST_ERROR = 0.10  # mean, of held-out networks
_REPEATS = 2.0  # times the repeat error: no transfer can be better than the device repeats
_FEWEST_CHECKED = 5  # measurements; fewer say too little of a transfer
_WITHIN = 0.10
_SHARES = (0.25, 0.5, 1.0)  # of the networks, for the learning curve


@dataclass(frozen=True)
class CurvePoint:
    """Mean error of held-out networks when so many were learnt from."""

    networks: int
    mean_error: float


@dataclass(frozen=True, kw_only=True)
class TransferCheck:
    """What held-out networks of one group say of a transfer; relative errors."""

    networks: int
    """On the new device, each counted once."""
    checked: int
    """Measurements of these that could be compared."""
    mean_error: float | None
    """Mean of |predicted / measured - 1|; None where nothing could be compared."""
    within_10: float | None
    """Share of them within 10 %."""
    repeat: RepeatError | None
    """None where no network was measured twice."""
    curve: tuple[CurvePoint, ...]

    @property
    def most_error(self) -> float:
        """The mean error up to which a transfer holds: a tenth, or twice the repeat error."""
        repeats = 0.0 if self.repeat is None else _REPEATS * self.repeat.median
        return max(_MOST_ERROR, repeats)

    @property
    def failed(self) -> bool:
        """Whether predictions are worse than that, or too few could be compared to tell."""
        if self.mean_error is None or self.checked < _FEWEST_CHECKED:
            return True
        return self.mean_error > self.most_error

    def wanted(self, most: int) -> int:
        """How many more networks it wants; 0 if it holds.

        Args:
            most: networks that a whole campaign takes. So many are wanted in all where the curve
                does not reach `most_error` before.
        """
        if not self.failed:
            return 0
        curve = _fitted(self.curve) if self.curve else None
        if curve is None or curve.a >= self.most_error:
            return max(most - self.networks, 0)
        # Each part is predicted from fewer networks than there are; so it will be then.
        spare = self.networks / self.curve[-1].networks
        in_all = math.ceil(spare * curve.b / (self.most_error - curve.a))
        least = max(_FEWEST_CHECKED - self.checked, 1)
        return min(max(in_all - self.networks, least), max(most - self.networks, 0))


def fit_transferred(source: Lut, measured: Measured) -> Lut:
    """The LUT of a device that started from another's; intervals by its held-out networks.

    Args:
        source: the other's, in the same precision.
        measured: on the device itself.
    """
    lut = transfer(source, measured.lut())
    groups = dict(lut.groups)
    for name, held_out in hold_out(source, measured).items():
        of, own = held_out.checkable(), groups[name].common_error
        error = common_error(of.measured_ns, of.predicted_ns, of.half_ns, measured.canary.spread)
        if own.networks and own.half_width > error.half_width:
            error = own  # its term was fitted; the parts may have too few networks for one
        groups[name] = replace(groups[name], common_error=error)
    return replace(lut, groups=groups)


def check_transfer(source: Lut, measured: Measured) -> dict[str, TransferCheck]:
    """What held-out networks say of the transfer, by group."""
    rounds = {learnt_from(measured, share): hold_out(source, measured, share) for share in _SHARES}
    repeats = {name: group.repeat for name, group in measured.lut().groups.items()}
    return {
        name: _check(
            len(set(table.architecture_ids)),
            {learnt: found[name].errors() for learnt, found in rounds.items() if name in found},
            repeats[name],
        )
        for name, table in measured.tables.items()
    }


def _check(
    networks: int, errors: Mapping[int, Floats], repeat: RepeatError | None
) -> TransferCheck:
    """Errors by how many networks were learnt from."""
    most = errors[max(errors)] if errors else np.empty(0)
    return TransferCheck(
        networks=networks,
        checked=len(most),
        mean_error=float(most.mean()) if len(most) else None,
        within_10=float((most <= _WITHIN).mean()) if len(most) else None,
        repeat=repeat,
        curve=tuple(
            CurvePoint(learnt, float(found.mean()))
            for learnt, found in sorted(errors.items())
            if len(found)
        ),
    )


@dataclass(frozen=True)
class _Curve:
    a: float
    b: float


def _fitted(points: Sequence[CurvePoint]) -> _Curve:
    features = [[1.0, 1.0 / point.networks] for point in points]
    a, b = nnls(np.array(features), np.array([point.mean_error for point in points]))[0]
    return _Curve(float(a), float(b))
