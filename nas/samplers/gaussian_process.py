"""A Gaussian process that learns a number of networks from examples.

Its parameters are those of the greatest posterior density under log-normal priors
(`covariance.prior`); beside the covariance it has a noise, what a network has to itself.

Letters: n, m networks.
"""

import numpy as np
from scipy.linalg import cho_solve, solve_triangular
from scipy.optimize import minimize

from nas.samplers.candidates import Floats
from nas.samplers.covariance import Choices, Pairs, Parameters, Points, prior

# All of these are our choice.
_USUAL_NOISE, _NOISE_SD = 0.01, 1.5  # of the variance of all, and deviation of its logarithm
_FARTHEST = 4.0  # deviations from the middle of the prior
_JITTER = 1e-6
_MOST_FITTED = 160  # networks that the parameters are fitted to; more say nothing new of them
_AT_ONCE = 500  # networks that are predicted together, so that what is made of them stays in caches
_ROUNDS, _ROUNDS_AGAIN = 60, 10  # of the fit from the middle of the prior, and from the last one


class GaussianProcess:
    """Keeps its parameters from one fit to the next."""

    def __init__(self, choices: Choices) -> None:
        """Of a space with these choices."""
        self._choices = choices
        self._logarithms: Floats | None = None

    def fit(self, points: Points, values: Floats, variances: Floats, *, seed: int = 0) -> None:
        """Finds parameters and learns, from these alone.

        Args:
            points: n networks.
            values: (n,)
            variances: (n,) of their errors of measurement, as far as known.
            seed: decides which networks the parameters are fitted to, where there are many.
        """
        self._mean, self._spread = float(values.mean()), float(values.std()) or 1.0
        middle, deviations = prior(points.features.shape[1], self._choices)
        middle = np.append(middle, np.log(_USUAL_NOISE))
        deviations = np.append(deviations, _NOISE_SD)
        kept = np.arange(len(points))
        if len(kept) > _MOST_FITTED:
            kept = np.random.default_rng(seed).choice(kept, _MOST_FITTED, replace=False)
        chosen = points.rows(kept)
        targets = (values[kept] - self._mean) / self._spread
        noise = variances[kept] / self._spread**2
        pairs = Pairs(chosen, chosen, self._choices)

        def loss(logarithms: Floats) -> tuple[float, Floats]:
            value, gradient = self._loss(logarithms, pairs, targets, noise)
            away = (logarithms - middle) / deviations
            return value + float((away**2).sum()) / 2, gradient + away / deviations

        again = self._logarithms is not None
        low, high = middle - _FARTHEST * deviations, middle + _FARTHEST * deviations
        self._logarithms = minimize(
            loss,
            self._logarithms if again else middle,
            jac=True,
            method="L-BFGS-B",
            bounds=list(zip(low, high, strict=True)),
            options={"maxiter": _ROUNDS_AGAIN if again else _ROUNDS},
        ).x
        self.learn(points, values, variances)

    def learn(self, points: Points, values: Floats, variances: Floats) -> None:
        """As `fit`, but with the parameters as they are."""
        self._points = points
        parameters, noise = self._found(points)
        own = variances / self._spread**2 + noise + _JITTER
        covariance = Pairs(points, points, self._choices).covariance(parameters)
        self._factor = np.linalg.cholesky(covariance + np.diag(own))
        self._weights = cho_solve((self._factor, True), (values - self._mean) / self._spread)

    @property
    def own_deviation(self) -> float:
        """Standard deviation of what a network has to itself, which no other one tells of."""
        _, noise = self._found(self._points)
        return self._spread * float(np.sqrt(noise))

    def expect(self, points: Points) -> Floats:
        """(m,) means alone, which is faster."""
        parameters, _ = self._found(points)
        covariance = Pairs(points, self._points, self._choices).covariance(parameters)
        mean: Floats = self._mean + self._spread * (covariance @ self._weights)
        return mean

    def predict(self, points: Points) -> tuple[Floats, Floats]:
        """(m,) mean and (m,) standard deviation, without what each network has to itself."""
        starts = range(0, max(len(points), 1), _AT_ONCE)
        parts = [self._predict(points.rows(slice(start, start + _AT_ONCE))) for start in starts]
        means, deviations = zip(*parts, strict=True)
        return np.concatenate(means), np.concatenate(deviations)

    def _predict(self, points: Points) -> tuple[Floats, Floats]:
        parameters, _ = self._found(points)
        pairs = Pairs(points, self._points, self._choices)
        covariance = pairs.covariance(parameters)
        explained = solve_triangular(self._factor, covariance.T, lower=True, check_finite=False)
        left = pairs.variance(parameters) - (explained**2).sum(axis=0)
        deviation = self._spread * np.sqrt(np.maximum(left, _JITTER))
        return self._mean + self._spread * (covariance @ self._weights), deviation

    def _found(self, points: Points) -> tuple[Parameters, float]:
        assert self._logarithms is not None, "fit first"
        return self._split(self._logarithms, points)

    def _loss(
        self, logarithms: Floats, pairs: Pairs, targets: Floats, noise: Floats
    ) -> tuple[float, Floats]:
        """Negative logarithm of the examples' density, and its gradient."""
        parameters, own = self._split(logarithms, pairs.points)
        covariance = pairs.covariance(parameters) + np.diag(noise + own + _JITTER)
        try:
            factor = np.linalg.cholesky(covariance)
        except np.linalg.LinAlgError:  # so far from the prior that rounding breaks it
            return 1e9, np.zeros_like(logarithms)
        weights = cho_solve((factor, True), targets)
        inverse = cho_solve((factor, True), np.eye(len(targets)))
        slope = (inverse - np.outer(weights, weights)) / 2
        loss = float(targets @ weights / 2 + np.log(np.diag(factor)).sum())
        return loss, np.append(pairs.gradient(slope), own * np.trace(slope))

    def _split(self, logarithms: Floats, points: Points) -> tuple[Parameters, float]:
        """The covariance's parameters, and the noise, which stands last."""
        found = Parameters.of(logarithms[:-1], points.features.shape[1], self._choices)
        return found, float(np.exp(logarithms[-1]))
