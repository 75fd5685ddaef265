"""What `nas profile --from` tells of a transfer: fields for programs, lines for people."""

from latency_lut import TransferCheck
from nas.campaign.transferring import Transfer


def transfer_fields(transfer: Transfer) -> dict[str, object]:
    """The document's field `transfer`; errors are relative, None where nothing was compared."""
    return {
        "source": transfer.source.device_name,
        "source_profile": transfer.source.id,
        "transferred": transfer.transferred,
        "failed": transfer.failed,
        "more_carriers": transfer.wanted,
        "held_out": [
            {
                "phase": phase,
                "networks": check.networks,
                "checked": check.checked,
                "mean_error": check.mean_error,
                "within_10": check.within_10,
                "repeat_error": None if check.repeat is None else check.repeat.median,
                "most_error": check.most_error,
                "failed": check.failed,
                "curve": [
                    {"networks": point.networks, "mean_error": point.mean_error}
                    for point in check.curve
                ],
            }
            for phase, check in transfer.checks.items()
        ],
    }


def transfer_lines(transfer: Transfer) -> list[str]:
    """The error that was reached in each phase, the verdict, and what to do if it is a bad one."""
    unknown = transfer.total - transfer.known - transfer.transferred
    found = (
        f"from the LUT of {transfer.source.device_name}: {transfer.transferred} segment keys taken "
        f"over and marked as transferred, {transfer.known} measured, {unknown} unknown"
    )
    checks = [f"{phase}: {_check_words(check)}" for phase, check in transfer.checks.items()]
    return [found, *checks, _verdict(transfer)]


def _check_words(check: TransferCheck) -> str:
    if check.mean_error is None or check.within_10 is None:
        return f"{check.networks} carriers, none of which could be predicted from others"
    words = (
        f"held-out carriers predicted {check.mean_error:.1%} off on average, {check.within_10:.0%} "
        f"of {check.checked} within 10 %"
    )
    if check.repeat is None:
        return words
    return f"{words}; measured twice they differ by {check.repeat.median:.1%}"


def _verdict(transfer: Transfer) -> str:
    if not transfer.failed:
        most = max(check.most_error for check in transfer.checks.values())
        return f"the transfer holds: its error is at most {most:.0%}, as wanted"
    samples = max((c.networks for c in transfer.checks.values()), default=0) + transfer.wanted
    if not transfer.checks or not transfer.wanted:
        return "the transfer failed; fill the LUT without --from"
    if samples >= transfer.most_carriers:
        return (
            f"the transfer failed, and {transfer.wanted} more carriers, a whole campaign, are "
            "wanted: profile again without --from"
        )
    return (
        f"the transfer failed; {transfer.wanted} more carriers should do: "
        f"profile again with --samples {samples}"
    )
