"""How well estimates rank networks."""

from __future__ import annotations

import numpy as np

from nas.types import Values, top

METRICS = ("tau", "spearman", "pearson", "tau_rounded", "precision_10", "precision_20", "best_rank_10")
"""Names of what `rank_metrics` tells, the usual one first."""
_DECIMALS = 3  # of an accuracy: a tenth of a percent


def rank_metrics(estimates: Values, truth: Values) -> dict[str, float]:
    """Hold estimates against the truth, all correlations with their sign.

    A network without an estimate (NaN) comes last. Where all are the same, correlations are 0: nothing is ranked.

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
    filled = np.where(missing, 0.0 if missing.all() else np.nanmin(estimates), estimates)
    ranks: Values = np.where(missing, 0.0, rankdata(filled))
    rounded = np.round(truth, _DECIMALS)
    found = {
        "tau": kendalltau(ranks, truth).statistic if _differ(ranks, truth) else 0.0,
        "spearman": spearmanr(ranks, truth).statistic if _differ(ranks, truth) else 0.0,
        "pearson": np.corrcoef(filled, truth)[0, 1] if _differ(filled, truth) else 0.0,
        "tau_rounded": kendalltau(ranks, rounded).statistic if _differ(ranks, rounded) else 0.0,
    }
    for k in (10, 20):
        found[f"precision_{k}"] = len(np.intersect1d(top(ranks, k), top(truth, k))) / min(k, len(truth))
    found["best_rank_10"] = rankdata(-truth, method="min")[top(ranks, 10)].min()
    return {name: float(found[name]) for name in METRICS}


def _differ(*columns: Values) -> bool:
    return all(np.ptp(column) > 0 for column in columns)
