"""From the names on a command line to devices, LUTs and predictors."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from device_agents import WAIT_S, Device, Inventory
from latency_lut import DeviceProfile, Lut, Predictor, Store, open_store
from nas.errors import BadInput
from nas.measuring.measurement import Rig, open_rig
from search_spaces import FP32, Space

_NOT_COMPARED = ("profile_id", "python")


def rigs(
    names: str,
    inventory: Path,
    storage: str,
    space: Space,
    precision: str = FP32,
    *,
    wait_s: float = WAIT_S,
) -> Iterator[Rig]:
    """Each of the devices named (see `Inventory.select`), ready to measure; one after another.

    Raises:
        BadInput: the space does not come in this precision.
        UnknownDevice: the nearest name is told.
        DeviceUnusable: a device cannot be reached or made ready.
        StoreError: the storage cannot be used.
    """
    check_precision(space, precision)
    for device in Inventory.load(inventory).select(names):
        with (
            open_store(storage) as store,
            open_rig(device, space, store, precision, wait_s=wait_s) as rig,
        ):
            yield rig


@contextlib.contextmanager
def open_lut_reader(
    device: str, inventory: Path, storage: str, precision: str
) -> Iterator[Callable[[], Lut]]:
    """A function that reads the newest LUT of the device from the open storage.

    Raises:
        BadInput: nothing was ever measured on this device.
    """
    known = Inventory.load(inventory).get(device)
    with open_store(storage) as store:
        profile = newest_profile(store, known)
        yield lambda: store.lut(profile.id, precision)


@contextlib.contextmanager
def open_lut(device: str, inventory: Path, storage: str, precision: str) -> Iterator[Lut]:
    """The newest LUT of the device, without connecting to it.

    Raises:
        BadInput: nothing was ever measured on this device.
    """
    with open_lut_reader(device, inventory, storage, precision) as load:
        yield load()


@contextlib.contextmanager
def open_predictor(
    device: str, inventory: Path, storage: str, space: Space, precision: str = FP32
) -> Iterator[Predictor]:
    """Predicts for the device by its newest LUT, without connecting to it.

    Raises:
        BadInput: nothing was ever measured on this device, or the space does not come in this
            precision.
    """
    check_precision(space, precision)
    with open_lut(device, inventory, storage, precision) as lut:
        yield Predictor(space, lut, precision)


def newest_profile(store: Store, device: Device) -> DeviceProfile:
    """The device's profile that was measured last.

    Raises:
        BadInput: nothing was ever measured on this device.
    """
    profiles = store.profiles(device.name)
    if not profiles:
        raise BadInput(
            f"the storage has no LUT of device {device.name!r}; "
            f"fill one with: nas profile --space SPACE --device {device.name}"
        )
    return profiles[-1]


def require_profile(store: Store, pinned: str, found: DeviceProfile, study: str) -> None:
    """Raises BadInput, telling what changed, when the device is not as the study found it."""
    if found.id == pinned:
        return
    before = next(p for p in store.profiles() if p.id == pinned)
    changes = ", ".join(
        f"{name} {was} is now {found.facts.get(name)}"
        for name, was in before.facts.items()
        if name not in _NOT_COMPARED and was != found.facts.get(name)
    )
    raise BadInput(
        f"device {found.device_name!r} is not what it was when study {study!r} began: {changes}. "
        "Its times cannot be compared; begin another study with --study NAME (the supernet stays)"
    )


def check_precision(space: Space, precision: str) -> None:
    """Raises BadInput, naming those that there are, for a number format that the space lacks."""
    if precision not in space.precisions:
        there_are = ", ".join(space.precisions)
        raise BadInput(f"space {space.name!r} has no precision {precision!r}; it has: {there_are}")


def parse_precisions(space: Space, text: str) -> tuple[str, ...]:
    """The precisions named, separated by commas; raises BadInput for one that the space lacks."""
    precisions = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    for precision in precisions:
        check_precision(space, precision)
    return precisions
