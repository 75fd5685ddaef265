"""Whether the supernet ranks networks as training each of them alone does."""

from nas.bench.ranking.comparison import Correlation, RankedNetwork, Ranking
from nas.bench.ranking.run import RankingRun, run_ranking

__all__ = ["Correlation", "RankedNetwork", "Ranking", "RankingRun", "run_ranking"]
