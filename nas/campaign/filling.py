"""Filling a device's LUT for a space: carriers first, and then what they leave open."""

from dataclasses import dataclass

from nas.campaign.blocks_alone import AloneRun, time_blocks_alone, wanted_alone
from nas.campaign.crew import Crew
from nas.campaign.profiling import CONTEXTS_WANTED, Campaign, campaign_words, profile
from nas.surroundings import Bar


@dataclass(frozen=True)
class Filling:
    """How both parts went."""

    campaign: Campaign
    alone: AloneRun

    @property
    def ended(self) -> str:
        """`complete`; `minutes` when time was up; `failures` when the rest failed."""
        return "minutes" if self.alone.left else str(self.campaign.ended)

    @property
    def elapsed_s(self) -> float:
        """Of both."""
        return self.campaign.elapsed_s + self.alone.elapsed_s


def fill(
    crew: Crew,
    *,
    bar: Bar,
    minutes: float | None = None,
    contexts_wanted: int = CONTEXTS_WANTED,
    seed: int = 0,
) -> Filling:
    """Runs a campaign, then blocks alone where the profiler says too little; each with its bar.

    Args:
        crew: the devices that share it.
        bar: opens a progress bar.
        minutes: at most, for both.
        contexts_wanted: networks in which to see each segment.
        seed: of the choice of carriers.

    Raises:
        DeviceError: see `profile` and `time_blocks_alone`; what was measured is kept.
    """
    with bar("profile") as report:
        campaign = profile(
            crew,
            minutes=minutes,
            contexts_wanted=contexts_wanted,
            seed=seed,
            on_progress=lambda c: report(c.done, c.remaining_s, campaign_words(c)),
        )
    if not wanted_alone(crew.lead):
        return Filling(campaign, AloneRun(timed=0, left=0, failures=(), elapsed_s=0.0))
    left = None if minutes is None else minutes - campaign.elapsed_s / 60
    with bar("blocks") as report:
        alone = time_blocks_alone(
            crew,
            minutes=left,
            on_progress=lambda a: report(a.done, None, f"{a.timed} timed alone, {a.left} left"),
        )
    return Filling(campaign, alone)
