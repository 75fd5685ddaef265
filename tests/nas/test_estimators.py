import os
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from multiprocessing import get_context
from pathlib import Path

from nas.estimators import open_estimator
from nas.surroundings import Surroundings
from nas.workspace import open_workspace

ONLY = ["width=0.5", "resolution=20", *(f"stage{stage}.depth=1" for stage in range(1, 6))]


def score(folder):
    """Of the smallest network after a short training there, in a process of its own."""
    os.chdir(folder)
    workspace = open_workspace("mobile", "digits", only=ONLY)
    around = Surroundings(
        storage="", devices=Path(), bar=lambda _: nullcontext(lambda *progress: None)
    )
    estimator = open_estimator(workspace, "supernet", around, train_minutes=0.1)
    return estimator.evaluate(
        workspace.space.smallest()
    ).value, workspace.supernet_file.read_bytes()


def test_workers_that_start_together_score_with_the_same_supernet(tmp_path):
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as workers:
        (one, its), (other, others) = workers.map(score, [tmp_path, tmp_path])
    assert one == other
    assert its == others
