"""`nas bench ranking`: whether the supernet ranks networks as training each of them alone does."""

from json import loads
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nas.cli.options import Json, Only, Seed, SpaceRef, TrainingData
from nas.cli.output import print_json, print_table, progress_bar, show

if TYPE_CHECKING:
    from nas.bench.ranking import Correlation, RankedNetwork, RankingRun


def ranking(
    space: SpaceRef,
    data: TrainingData,
    networks: Annotated[
        int, typer.Option("--networks", min=3, help="Drawn at random, each trained alone.")
    ] = 24,
    epochs: Annotated[
        float, typer.Option("--epochs", help="Passes over the data, for each network alone.")
    ] = 8.0,
    accuracy: Annotated[
        str,
        typer.Option(
            "--accuracy", metavar="METHOD", help="As nas search: supernet or supernet:STEPS."
        ),
    ] = "supernet",
    images: Annotated[
        int | None,
        typer.Option("--images", min=10, help="Train on so many of the training images only."),
    ] = None,
    only: Only = None,
    trained: Annotated[
        Path | None,
        typer.Option(
            "--trained",
            metavar="FILE.json",
            help="The --json of an earlier run: what it trained alone is not trained again.",
        ),
    ] = None,
    train_minutes: Annotated[
        float | None, typer.Option("--train-minutes", help="At most, for the supernet: 10.")
    ] = None,
    seed: Seed = 1,
    json: Json = False,
) -> None:
    """Kendall's tau of the supernet's scores and those of networks trained alone, and the regret.

    What was trained is kept in results/supernets: a second call goes on.
    """
    from nas.bench.ranking import run_ranking
    from nas.surroundings import Surroundings

    found = run_ranking(
        space,
        data,
        Surroundings(storage="", devices=Path(), bar=progress_bar),
        networks=networks,
        epochs=epochs,
        accuracy=accuracy,
        only=only or (),
        images=images,
        trained=trained,
        train_minutes=train_minutes,
        seed=seed,
    )
    if json:
        print_json(_document(found))
        return
    _print(found)


def _print(found: "RankingRun") -> None:
    ranking = found.ranking
    higher = ranking.networks[0].alone.direction == "maximize"
    best_first = sorted(ranking.networks, key=lambda n: n.alone.value, reverse=higher)
    columns = ["network", "supernet", "standard error", "alone", "standard error"]
    rows = [list(_row(network).values()) for network in best_first]
    print_table(f"{ranking.quality_name} of {found.space} on {found.data}", columns, rows)
    for name, of in (("Kendall's tau", ranking.kendall), ("Spearman", ranking.spearman)):
        show(f"{name}: {of.value:.2f} (95 % interval {of.low:.2f} to {of.high:.2f})")
    regret, unit = ranking.regret, "bits per byte"
    if ranking.quality_name == "accuracy":
        regret, unit = 100 * regret, "points of accuracy"
    show(f"regret: the supernet's best is {regret:.2g} {unit} below the best")
    show(
        f"supernet: trained in {found.training_s / 60:.1f} min, all scored in "
        f"{found.scoring_s:.1f} s; alone: {found.alone_s / 60:.1f} min"
    )


def _row(network: "RankedNetwork") -> dict[str, object]:
    shared, alone = network.shared, network.alone
    return {
        "id": network.architecture.id,
        "supernet": shared.value,
        "supernet_standard_error": shared.standard_error,
        "alone": alone.value,
        "alone_standard_error": alone.standard_error,
    }


def _document(found: "RankingRun") -> dict[str, object]:
    ranking = found.ranking
    networks = [
        {
            **_row(network),
            "alone_samples": network.alone.samples,
            "alone_s": network.alone_s,
            "arch": loads(network.architecture.to_json()),
        }
        for network in ranking.networks
    ]
    return {
        "space": found.space,
        "data": found.data,
        "quality": ranking.quality_name,
        "accuracy_method": found.accuracy,
        "epochs": found.epochs,
        "seed": found.seed,
        "recipe": dict(found.recipe),
        "kendall": _correlation(ranking.kendall),
        "spearman": _correlation(ranking.spearman),
        "regret": ranking.regret,
        "supernet_training_s": found.training_s,
        "supernet_scoring_s": found.scoring_s,
        "alone_s": found.alone_s,
        "networks": networks,
    }


def _correlation(found: "Correlation") -> dict[str, float]:
    return {"value": found.value, "low": found.low, "high": found.high}
