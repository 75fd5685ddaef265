import json
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_predictions_are_compared_with_measurements_of_the_same_network(tmp_path):
    lines = {"predicted": [("a", 1.08), ("b", 2.0), ("unmeasured", 9.0)], "measured": [("b", 2.0)]}
    lines["measured"] += [("a", 1.0)]
    files = [tmp_path / f"{name}.jsonl" for name in lines]
    for file, pairs in zip(files, lines.values(), strict=True):
        file.write_text("".join(json.dumps({"id": i, "latency_ms": x}) + "\n" for i, x in pairs))
    command = [sys.executable, EXAMPLES / "compare_predictions.py", *files]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ran.stdout == (
        "latency_ms: 2 networks, Spearman 1.000, mean error 4.0%, "
        "100% within 10%, 100% within 15%, bias +4.0%\n"
    )
    assert ran.stderr == ""


def test_the_sampler_serves_a_study_of_ones_own():
    command = [sys.executable, "-W", "ignore", EXAMPLES / "own_study.py"]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    *front, gain = ran.stdout.splitlines()
    accuracies = [float(line.split()[0]) for line in front]
    assert accuracies == sorted(accuracies)
    assert accuracies[-1] > 0.95
    assert gain.startswith("another network is expected to add")
