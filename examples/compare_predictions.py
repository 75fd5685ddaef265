"""How far predictions are from measurements, from the lines of `nas predict` and `nas measure`.

nas spaces sample mobile -n 20 --seed 3 > architectures.jsonl
nas predict --space mobile --device local architectures.jsonl > predicted.jsonl
nas measure --space mobile --device local architectures.jsonl > measured.jsonl
python examples/compare_predictions.py predicted.jsonl measured.jsonl
"""

import sys
from pathlib import Path

import pandas as pd


def main(predicted_file: Path, measured_file: Path) -> None:
    """Prints a line for each latency that both files hold."""
    predicted, measured = (
        pd.read_json(file, lines=True).set_index("id") for file in (predicted_file, measured_file)
    )
    both = predicted.merge(measured, on="id", suffixes=("_predicted", "_measured"))
    for name in ("latency_ms", "prefill_ms"):
        if name not in predicted:
            continue
        guess, truth = both[f"{name}_predicted"], both[f"{name}_measured"]
        error = guess / truth - 1
        shares = ", ".join(f"{(error.abs() <= x).mean():.0%} within {x:.0%}" for x in (0.1, 0.15))
        print(
            f"{name}: {error.notna().sum()} networks, "
            f"Spearman {guess.corr(truth, method='spearman'):.3f}, "
            f"mean error {error.abs().mean():.1%}, {shares}, bias {error.mean():+.1%}"
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
