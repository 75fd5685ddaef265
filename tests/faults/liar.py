"""Put on a board as its `usercustomize`: when a file `armed` is in the home, the agent lies, once.

What the agent writes passes through `os.write`; the lie's name is in the file.
"""

import json
import os
import sys

ARMED = os.path.expanduser("~/armed")
honest_write = os.write


def lie(name, line):
    """What is written in place of an answer."""
    if name == "rubbish":
        return b"\x00\xff\xfe rubbish {]\n"
    if name == "half":
        honest_write(1, line[: len(line) // 2])
        os._exit(0)
    if name == "long":
        return b"x" * (17 * 2**20) + b"\n"
    answer = json.loads(line)
    if name == "protocol":
        answer["result"]["protocol"] += 1
    elif name == "other":
        answer["result"]["model_sha256"] = "0" * 64
    else:
        numbers = {"nan": float("nan"), "negative": -7, "absurd": 10**30}
        answer["result"]["phases"][0]["latency_ns"] = numbers[name]
    return json.dumps(answer).encode() + b"\n"


def write(fd, data):
    """As `os.write`, but for one answer."""
    name = _armed()
    marker = b'"protocol"' if name == "protocol" else b'"group_ns"'
    if name is None or marker not in data or not data.endswith(b"\n"):
        return honest_write(fd, data)
    os.remove(ARMED)
    told = lie(name, data)
    while told:
        told = told[honest_write(fd, told) :]
    return len(data)


def _armed():
    try:
        with open(ARMED) as file:
            return file.read().strip()
    except OSError:
        return None


if b"\0serve\0" in open("/proc/self/cmdline", "rb").read():
    sys.stdout.flush()
    os.write = write
