"""`nas profile`: filling the LUTs of devices, those of one profile together."""

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from nas.cli.options import (
    DEFAULT_DEVICES,
    DEFAULT_STORAGE,
    DEFAULT_WAIT,
    DataRef,
    DeviceNames,
    Devices,
    Json,
    Only,
    Precisions,
    Seed,
    SpaceRef,
    Storage,
    Wait,
)
from nas.cli.output import print_json, progress_bar, say, show

if TYPE_CHECKING:
    from latency_lut import DeviceProfile
    from nas.campaign.crew import Crew

Result = tuple[dict[str, object], list[str]]
"""A document, and the same in lines for people."""


def profile(
    space: SpaceRef,
    device: DeviceNames,
    precision: Precisions = "fp32",
    minutes: Annotated[
        float | None, typer.Option("--minutes", min=0.01, help="End after so many minutes.")
    ] = None,
    contexts: Annotated[
        int, typer.Option("--contexts", min=1, help="Networks in which to see each segment.")
    ] = 2,
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="NAME",
            help="Start from the LUT of this other device: run a few carriers only, take the rest "
            "over, and tell how far off held-out carriers are predicted.",
        ),
    ] = None,
    samples: Annotated[
        int | None,
        typer.Option(
            "--samples",
            min=2,
            help="With --from: carriers that the device is to run in all; 30 if left out.",
        ),
    ] = None,
    only: Only = None,
    data: DataRef = None,
    seed: Seed = 0,
    wait: Wait = DEFAULT_WAIT,
    storage: Storage = DEFAULT_STORAGE,
    devices: Devices = DEFAULT_DEVICES,
    json: Json = False,
) -> None:
    """Fill the LUTs of devices for a space; a second call goes on where the first stopped."""
    from device_agents import Inventory
    from nas.campaign.crews import Crews
    from nas.campaign.transferring import SAMPLES, find_sources
    from nas.errors import BadInput
    from nas.measuring.access import parse_precisions
    from nas.workspace import open_space

    if samples is not None and source is None:
        raise BadInput("--samples goes with --from NAME; a whole campaign ends by itself")
    found = open_space(space, only=only or (), data=data)
    precisions = parse_precisions(found, precision)
    chosen = Inventory.load(devices).select(device)
    sources = find_sources(source, devices, storage, found, precision) if source else ()

    def fill(crew: "Crew") -> None:
        for each in precisions:
            crew.switch(each)
            if sources:
                result = _transfer(crew, sources, samples or SAMPLES, minutes, seed)
            else:
                result = _campaign(crew, minutes, contexts, seed)
            _tell(result, as_json=json)

    errors = Crews(found, storage, fill, wait_s=60 * wait).run(chosen)
    for error in errors[1:]:
        say(f"nas: {error}")
    if errors:
        raise errors[0]


_TELLING = threading.Lock()


def _tell(result: Result, *, as_json: bool) -> None:
    document, lines = result
    with _TELLING:
        if as_json:
            print_json(document)
        else:
            for line in lines:
                show(line)


def _campaign(crew: "Crew", minutes: float | None, contexts: int, seed: int) -> Result:
    from latency_lut import ALONE
    from nas.campaign.filling import fill
    from nas.measuring.ceilings import note_ceilings

    rig = crew.lead
    note_ceilings(rig)
    filled = fill(crew, bar=progress_bar, minutes=minutes, contexts_wanted=contexts, seed=seed)
    campaign, alone = filled.campaign, filled.alone
    name = ", ".join(crew.names)
    lut = rig.store.lut(rig.profile.id, rig.precision)
    groups = {p.name: lut.group(rig.space.name, p.key) for p in rig.space.phases}
    repeats = {name: of.repeat.median if of.repeat else None for name, of in groups.items()}
    outcome = {
        **_what(crew),
        "carriers": campaign.carriers,
        "runs": campaign.runs,
        "runs_by_device": dict(campaign.runs_by_device),
        "repeat_error": repeats,
        "known": campaign.known,
        "total": campaign.total,
        "coverage": campaign.coverage,
        "blocks_alone": alone.timed,
        "told_by": {name: of.told_by for name, of in groups.items()},
        "ended": filled.ended,
        "elapsed_s": filled.elapsed_s,
        "failures": [*campaign.failures, *alone.failures],
        "given_up": list(campaign.given_up),
        "put_aside": {name: str(exc) for name, exc in crew.put_aside.items()},
    }
    words = (
        f"{name}: {campaign.known} of {campaign.total} segment keys of "
        f"{rig.space.name} in {rig.precision} known ({campaign.coverage:.1%}) after "
        f"{campaign.carriers} carriers ({campaign.runs} runs){_and_alone(alone.timed)} "
        f"in {filled.elapsed_s:.0f} s; ended: {filled.ended}"
    )
    repeated = [
        f"{name}: carriers run twice differ by {error:.1%}"
        for name, error in repeats.items()
        if error is not None
    ]
    by_blocks = [
        f"{name}: blocks timed alone tell its segments better than the profiler"
        for name, of in groups.items()
        if of.told_by == ALONE
    ]
    refused = [f"{name} cannot run {key}" for key in campaign.given_up]
    aside = [f"put aside: {exc}" for exc in crew.put_aside.values()]
    return outcome, [words, *repeated, *by_blocks, *refused, *aside]


def _and_alone(blocks: int) -> str:
    return f" and {blocks} blocks alone" if blocks else ""


def _transfer(
    crew: "Crew",
    sources: Sequence["DeviceProfile"],
    samples: int,
    minutes: float | None,
    seed: int,
) -> Result:
    """A few carriers, and the rest from another device's LUT."""
    from nas.campaign.transfer_lines import transfer_fields, transfer_lines
    from nas.campaign.transferring import choose_source, start_from
    from nas.measuring.ceilings import note_ceilings

    rig = crew.lead
    source = choose_source(rig, sources)
    note_ceilings(rig)

    with progress_bar("profile") as report:
        transfer = start_from(
            crew,
            source,
            samples=samples,
            minutes=minutes,
            seed=seed,
            on_progress=lambda s: report(s.done, None, f"{s.carriers} carriers"),
        )
    sampling = transfer.sampling
    outcome = {
        **_what(crew),
        "carriers": sampling.carriers,
        "known": transfer.known,
        "total": transfer.total,
        "coverage": transfer.known / transfer.total,
        "ended": "minutes" if sampling.left else "complete",
        "elapsed_s": sampling.elapsed_s,
        "failures": list(sampling.failures),
        "given_up": [],
        "transfer": transfer_fields(transfer),
    }
    words = (
        f"{', '.join(crew.names)}: {sampling.carriers} carriers of {rig.space.name} "
        f"in {rig.precision} in {sampling.elapsed_s:.0f} s"
    )
    return outcome, [words, *transfer_lines(transfer)]


def _what(crew: "Crew") -> dict[str, object]:
    rig = crew.lead
    return {
        "device": rig.device.name,
        "devices": crew.names,
        "device_profile": rig.profile.id,
        "space": rig.space.name,
        "precision": rig.precision,
    }


COMMANDS = (profile,)
