import dataclasses
import json
import math

import pytest

from device_agents import agent
from device_agents.jobs import DTYPES, Feed, Job, Phase

FEED = Feed(name="x", dtype="float32", shape=(1, 3, 8, 8))
PHASE = Phase(name="infer", feeds=(FEED,))
JOB = Job(kind="profile", phases=(PHASE,))
DIGEST = "ab" * 32


def test_the_request_has_all_that_the_agent_reads():
    request = json.loads(json.dumps(JOB.request(model_sha256=DIGEST, canary_sha256=None)))
    assert request["op"] == "job"
    assert request["model"] == DIGEST
    assert request["canary"] is None
    feed = {"name": "x", "dtype": "float32", "shape": [1, 3, 8, 8], "low": -1.0, "high": 1.0}
    assert request["phases"] == [{"name": "infer", "feeds": [feed]}]


def test_both_ends_know_the_same_types():
    assert sorted(DTYPES) == sorted(agent.DTYPES)


@pytest.mark.parametrize(
    "change",
    [
        {"dtype": "string"},
        {"shape": (1, -1)},
        {"shape": (10**6, 10**6)},
        {"low": 2.0},
        {"high": math.nan},
        {"low": -math.inf},
    ],
)
def test_a_feed_that_cannot_be_made_is_refused(change):
    with pytest.raises(ValueError, match="feed x"):
        dataclasses.replace(FEED, **change)


@pytest.mark.parametrize(
    "change",
    [{"phases": ()}, {"phases": (PHASE, PHASE)}, {"limit_s": 0.0}, {"max_seconds_per_phase": -1}],
)
def test_a_job_that_cannot_run_is_refused(change):
    with pytest.raises(ValueError):
        dataclasses.replace(JOB, **change)


def test_an_empty_cache_and_a_scalar_are_feeds():
    assert dataclasses.replace(FEED, shape=(1, 0, 64)).shape == (1, 0, 64)
    assert dataclasses.replace(FEED, shape=()).shape == ()
