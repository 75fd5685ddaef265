"""The ceilings of a device, measured once for each of its profiles and kept beside its LUT."""

import logging
from dataclasses import asdict

from device_agents import JobFailed
from latency_lut import GOOD, Ceilings
from nas.measuring.measurement import Rig
from nas.measuring.peak_rates import measure_peak_rates

logger = logging.getLogger(__name__)


def note_ceilings(rig: Rig) -> Ceilings | None:
    """The ceilings of the rig's device profile, measured now unless the store has good ones.

    Doubtful ones are kept, marked, and measured again by the next call; the higher rates stay. A
    device that cannot run the two models has none, and a warning says so.

    Raises:
        DeviceError: the device became unusable.
    """
    known = rig.store.ceilings(rig.profile.id)
    if known is not None and known.quality == GOOD:
        return known
    try:
        rates = measure_peak_rates(rig.session, rig.folder)
    except JobFailed as exc:
        logger.warning("the ceilings of its rooflines were not measured: %s", exc)
        return known
    rig.store.add_ceilings(rig.profile.id, Ceilings(**asdict(rates)))
    return rig.store.ceilings(rig.profile.id)
