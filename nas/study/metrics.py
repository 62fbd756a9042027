"""How well estimates rank networks."""

from __future__ import annotations

import numpy as np

from nas.types import Values, top

METRICS = ("tau", "spearman", "pearson", "tau_rounded", "precision_10", "precision_20", "best_rank_10")
"""Names of what `rank_metrics` tells, the usual one first."""
_ROUNDED = 3  # decimals of an accuracy: a tenth of a percent


def rank_metrics(estimates: Values, truth: Values) -> dict[str, float]:
    """Hold estimates against the truth, all correlations with their sign.

    A network without an estimate (NaN) comes last. Estimates that are all the same have correlation 0: they rank
    nothing.

    Args:
        estimates: `(n,)`, two or more.
        truth: `(n,)` finite.

    Returns:
        Kendall's tau (b), Spearman's and Pearson's correlation, tau with the truth rounded to a tenth of a percent, the
        shares of the best 10 and 20 that are among the 10 and 20 with the highest estimates, and which rank, from 1,
        the best of the 10 with the highest estimates has in truth (N@10 of Ning et al. 2020).
    """
    from scipy.stats import kendalltau, rankdata, spearmanr

    missing = np.isnan(estimates)
    lowest = np.nanmin(estimates) if not missing.all() else 0.0
    ranks = np.where(missing, 0, rankdata(np.where(missing, lowest, estimates)))
    if np.ptp(ranks) == 0:
        correlations = dict.fromkeys(("tau", "spearman", "pearson", "tau_rounded"), 0.0)
    else:
        filled = np.where(missing, lowest, estimates)
        correlations = {
            "tau": kendalltau(ranks, truth).statistic,
            "spearman": spearmanr(ranks, truth).statistic,
            "pearson": np.corrcoef(filled, truth)[0, 1] if np.ptp(filled) else 0.0,
            "tau_rounded": kendalltau(ranks, np.round(truth, _ROUNDED)).statistic,
        }
    true_ranks = rankdata(-truth, method="min")
    precisions = {
        f"precision_{k}": len(np.intersect1d(top(ranks.astype(np.float64), k), top(truth, k))) / min(k, len(truth))
        for k in (10, 20)
    }
    best = float(true_ranks[top(ranks.astype(np.float64), 10)].min())
    return {name: float(value) for name, value in {**correlations, **precisions, "best_rank_10": best}.items()}
