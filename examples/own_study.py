"""The Pareto sampler in an Optuna study of one's own: which multilayer perceptron reads digits?

Only accuracy has to be evaluated; the number of weights is known of any network beforehand, and
the sampler uses that. Run it with: python examples/own_study.py
"""

import optuna
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from nas.samplers import ChoiceCandidates, ParetoSampler

PIXELS, DIGITS = 64, 10
CHOICES = {
    "first": [4, 8, 16, 32, 64, 128],
    "second": [4, 8, 16, 32, 64, 128],
    "activation": ["relu", "tanh", "logistic"],
    "rate": [0.0003, 0.001, 0.003, 0.01],
}


def weights(columns):
    """(n,) of n networks at once; `columns` has an array of values for each choice."""
    first, second = columns["first"], columns["second"]
    return first * (PIXELS + 1) + second * (first + 1) + DIGITS * (second + 1)


def main(trials: int = 25) -> optuna.Study:
    """Searches, and prints the front."""
    images, digits = load_digits(return_X_y=True)
    split = train_test_split(images / 16, digits, test_size=0.3, random_state=0)
    train_images, test_images, train_digits, test_digits = split

    def accuracy(trial: optuna.Trial) -> tuple[float, float]:
        chosen = {name: trial.suggest_categorical(name, CHOICES[name]) for name in CHOICES}
        network = MLPClassifier(
            (chosen["first"], chosen["second"]),
            activation=chosen["activation"],
            learning_rate_init=chosen["rate"],
            max_iter=300,
            random_state=0,
        ).fit(train_images, train_digits)
        return network.score(test_images, test_digits), float(weights(chosen))

    sampler = ParetoSampler(ChoiceCandidates(CHOICES, weights), best=1.0, seed=0)
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    study.optimize(accuracy, n_trials=trials)
    for trial in sorted(study.best_trials, key=lambda trial: trial.values[1]):
        print(f"{trial.values[0]:.3f} of digits with {trial.values[1]:6.0f} weights {trial.params}")
    if sampler.remaining_gain is not None:
        print(f"another network is expected to add {sampler.remaining_gain:.2%} at most")
    return study


if __name__ == "__main__":
    main()
