"""From the names on a command line to devices, LUTs and predictors."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from device_agents import Device, Inventory
from latency_lut import DeviceProfile, Lut, Predictor, Store, open_store
from nas.errors import BadInput
from nas.measurement import PRECISION, Rig, open_rig
from search_spaces import Space

_NOT_COMPARED = ("profile_id", "python")


def rigs(
    names: str, inventory: Path, storage: str, space: Space, precision: str = PRECISION
) -> Iterator[Rig]:
    """Each of the devices named, separated by commas, ready to measure; one after another.

    Raises:
        UnknownDevice: the nearest name is told.
        DeviceUnusable: a device cannot be reached or made ready.
        StoreError: the storage cannot be used.
    """
    check_precision(precision)
    devices = [Inventory.load(inventory).get(name) for name in names.split(",")]
    for device in devices:
        with open_store(storage) as store, open_rig(device, space, store) as rig:
            yield rig


@contextlib.contextmanager
def open_lut(device: str, inventory: Path, storage: str, precision: str) -> Iterator[Lut]:
    """The newest LUT of the device, without connecting to it.

    Raises:
        BadInput: nothing was ever measured on this device.
    """
    check_precision(precision)
    known = Inventory.load(inventory).get(device)
    with open_store(storage) as store:
        yield store.lut(newest_profile(store, known).id, precision)


@contextlib.contextmanager
def open_predictor(
    device: str, inventory: Path, storage: str, space: Space, precision: str = PRECISION
) -> Iterator[Predictor]:
    """Predicts for the device by its newest LUT, without connecting to it.

    Raises:
        BadInput: nothing was ever measured on this device.
    """
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


def check_precision(precision: str) -> None:
    """Raises BadInput for a number format that cannot be measured yet."""
    if precision != PRECISION:
        raise BadInput(f"precision {precision!r} is not supported; there is: {PRECISION}")
