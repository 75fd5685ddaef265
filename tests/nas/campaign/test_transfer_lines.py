import json

from latency_lut import CurvePoint, DeviceProfile, TransferCheck
from latency_lut.fit.repeats import RepeatError
from nas.campaign.transfer_lines import transfer_fields, transfer_lines
from nas.campaign.transferring import Sampling, Transfer

OLD = DeviceProfile("profile-1", "board1")


def check(**changes):
    fields = {
        "networks": 30,
        "checked": 33,
        "mean_error": 0.05,
        "within_10": 0.9,
        "repeat": RepeatError(0.01, 3),
        "curve": (CurvePoint(12, 0.08), CurvePoint(24, 0.05)),
    }
    return TransferCheck(**{**fields, **changes})


BAD = check(mean_error=0.2, curve=(CurvePoint(12, 0.3), CurvePoint(24, 0.2)))


def transfer(checks, most_carriers=264):
    return Transfer(
        source=OLD,
        sampling=Sampling(carriers=33, left=0, failures=(), elapsed_s=80.0),
        known=400,
        transferred=900,
        total=1318,
        checks=checks,
        most_carriers=most_carriers,
    )


def test_a_transfer_that_holds_says_how_well():
    words = transfer_lines(transfer({"infer": check()}))
    assert words == [
        "from the LUT of board1: 900 segment keys taken over and marked as transferred, "
        "400 measured, 18 unknown",
        "infer: held-out carriers predicted 5.0% off on average, 90% of 33 within 10 %; "
        "measured twice they differ by 1.0%",
        "the transfer holds: its error is at most 10%, as wanted",
    ]


def test_a_transfer_that_failed_says_how_many_carriers_more_it_wants():
    # 0.1 + 2.4 / n never reaches 0.10; 0.045 + 3.48 / n does with 63.3 learnt from, 79.1 in all.
    slow = check(mean_error=0.19, curve=(CurvePoint(12, 0.335), CurvePoint(24, 0.19)))
    assert transfer_lines(transfer({"infer": slow}))[-1] == (
        "the transfer failed; 50 more carriers should do: profile again with --samples 80"
    )
    assert transfer_lines(transfer({"infer": BAD}))[-1] == (
        "the transfer failed, and 234 more carriers, a whole campaign, are wanted: "
        "profile again without --from"
    )


def test_one_phase_that_fails_is_enough():
    found = transfer({"prefill": check(), "decode": BAD})
    assert found.failed
    assert found.wanted == 234
    fields = transfer_fields(found)
    assert [row["failed"] for row in fields["held_out"]] == [False, True]


def test_a_transfer_without_a_check_failed():
    alone = check(checked=0, mean_error=None, within_10=None, repeat=None, curve=())
    lines = transfer_lines(transfer({"infer": alone}))
    assert lines[1] == "infer: 30 carriers, none of which could be predicted from others"
    assert "failed" in lines[-1]
    assert transfer({}).failed
    assert "without --from" in transfer_lines(transfer({}))[-1]


def test_fields_are_json_and_say_the_same():
    fields = json.loads(json.dumps(transfer_fields(transfer({"infer": BAD}))))
    (row,) = fields.pop("held_out")
    assert fields == {
        "source": "board1",
        "source_profile": "profile-1",
        "transferred": 900,
        "failed": True,
        "more_carriers": 234,
    }
    assert row == {
        "phase": "infer",
        "networks": 30,
        "checked": 33,
        "mean_error": 0.2,
        "within_10": 0.9,
        "repeat_error": 0.01,
        "most_error": 0.1,
        "failed": True,
        "curve": [
            {"networks": 12, "mean_error": 0.3},
            {"networks": 24, "mean_error": 0.2},
        ],
    }
