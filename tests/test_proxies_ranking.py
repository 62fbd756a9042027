"""The ranking of proxies: taus, their standard errors and prices, against the same by other means."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import kendalltau

from experiments.proxies_ranking import EVERY, HISTORIES, LATER, ONCE, Measured, extrapolated, kendall, main, told

NETWORKS, SEEDS, EPOCHS = 24, 3, 6
PARTS = {"valid": 1.0, "recompute": 2.0, "fresh_valid": 3.0, "fresh_train": 4.0}
ASKED = {"ema": 10.0, "lawa": 20.0, "convex": 30.0, "probe": 40.0, "mean_ridge": 50.0, "stack_ridge": 60.0}
LOOKS = (1, 2, 4, 6)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal with a torn last line, of networks whose quality shows with noise."""
    rng, folder = np.random.default_rng(0), tmp_path_factory.mktemp("proxies")
    asked = {**ASKED, "stack_logistic": 70.0}
    names = {*ONCE, *EVERY, *LATER} - {"best", "lce"}
    lines = []
    for network in range(NETWORKS):
        quality = network / NETWORKS
        seen = {name: quality + rng.normal(0, 0.2, (SEEDS, EPOCHS)) for name in sorted(names)}
        for name in asked:
            seen[name][:, [epoch - 1 for epoch in range(1, EPOCHS + 1) if epoch not in LOOKS]] = np.nan
        measures: dict[str, Any] = {
            "parameters": 1000 + network,
            "test": (quality + rng.normal(0, 0.05, SEEDS)).tolist(),
            "train_loss": (1 - quality + rng.normal(0, 0.2, (SEEDS, EPOCHS))).tolist(),
            "proxies": {
                f"{name}{end}": (-seen[name] if end else seen[name]).tolist() for name in seen for end in ("", "_nll")
            },
            "seconds": [PARTS | (asked if epoch in LOOKS else {}) for epoch in range(1, EPOCHS + 1)],
            "epoch_seconds": 100
            + 1
            + 537 / 300 / 2,  # a scoring of the validation images, half of one of the test images
        }
        lines.append(json.dumps({"what": f"{network}", "measures": measures}))
    (folder / "nb101_digits.jsonl").write_text("\n".join(lines) + "\n" + lines[0][:100])
    return folder


@pytest.fixture(scope="module")
def measured(folder: Path) -> Measured:
    return Measured(folder / "nb101_digits.jsonl")


def test_tau_is_that_of_each_seed_with_the_other_seeds(measured: Measured) -> None:
    test = np.array([row["test"] for row in measured.rows])
    last = np.array([row["proxies"]["last"] for row in measured.rows])[:, :, 3]
    taus = [kendalltau(last[:, s], np.delete(test, s, axis=1).mean(axis=1)).statistic for s in range(SEEDS)]
    assert measured.tau(("last",), 4)[0] == pytest.approx(np.mean(taus))
    loss = np.array([row["train_loss"] for row in measured.rows])[1::2]
    sums = [
        kendalltau(-loss[:, s, :4].sum(axis=1), np.delete(test[1::2], s, axis=1).mean(axis=1)).statistic
        for s in range(SEEDS)
    ]
    assert measured.tau(("sotl",), 4, "odd")[0] == pytest.approx(np.mean(sums))
    np.testing.assert_allclose(measured.tau(("last", "last"), 4), measured.tau(("last",), 4))


def test_a_tau_with_each_left_out_and_its_error() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 9, (2, 30)).astype(np.float64)
    found = kendall(x, y)
    assert found[0] == pytest.approx(kendalltau(x, y).statistic)
    for place in range(30):
        other = kendalltau(np.delete(x, place), np.delete(y, place)).statistic
        assert found[1 + place] == pytest.approx(other)
    assert kendall(np.ones(5), np.arange(5.0)).tolist() == [0.0] * 6
    errors, taus = [], []
    for _ in range(300):
        x = rng.normal(size=60)
        tau = kendall(x, x + rng.normal(size=60))
        taus.append(tau[0])
        errors.append(told(tau)[1])
    assert np.std(taus) == pytest.approx(np.mean(errors), rel=0.15)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("names", "epoch", "seconds"),
    [
        (("sotl_e",), 4, 400),
        (("last",), 6, 601),
        (("best",), 4, 404),
        (("fresh_nll",), 4, 405),
        (("fresh", "fresh_nll", "sotl"), 4, 405),
        (("consensus",), 5, 503),  # epochs 3, 4 and 5
        (("consensus", "last"), 5, 503),
        (("fresh_consensus", "fresh"), 5, 515),
        (("consensus_all", "consensus"), 4, 404),
        (("lawa",), 4, 420),
        (("lce",), 4, 420),
        (("convex",), 4, 4 * 109 + 30),
        (("probe",), 4, 449),
        (("mean_ridge",), 2, 268),
        (("stack_ridge_nll",), 6, 6 * 109 + 60),
        (("parameters",), 6, 0),
    ],
)
def test_prices(measured: Measured, names: tuple[str, ...], epoch: int, seconds: float) -> None:
    assert measured.full == pytest.approx(601)
    assert measured.price(names, epoch) == pytest.approx(seconds / 601)


def test_what_was_not_asked_has_no_price_and_is_not_chosen(measured: Measured) -> None:
    assert np.isnan(measured.price(("lawa",), 5))
    assert measured.epoch(("lawa",), 0.8) == 4
    assert measured.epoch(("last",), 4.4 / 6.01) == 4
    assert measured.epoch(("last",), 4.6 / 6.01) == 5  # half an epoch more
    assert measured.epoch(("probe",), 0.01) is None


def test_a_power_law_is_found_again() -> None:
    epochs = np.arange(1.0, 25)
    curves = np.stack([0.9 - 0.5 / epochs, 0.8 - 0.1 * epochs**-0.5])[:, None]
    found = extrapolated(curves)
    assert np.isnan(found[..., :2]).all()
    np.testing.assert_allclose(found[..., 2:], np.broadcast_to(curves[..., -1:], (2, 1, 22)))


def test_everything_is_told_and_drawn(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    out = tmp_path / "proxies.json"
    monkeypatch.setattr(sys, "argv", ["ranking", "--folder", str(folder), "--out", str(out)])
    main()
    report = json.loads(out.read_text())
    one = report["journals"]["nb101, digits"]
    assert one["networks"] == NETWORKS
    assert set(HISTORIES) < set(one["proxies"])
    assert one["proxies"]["parameters"][0][2] > 0.9
    assert report["chosen"]["nb101, digits"]["0.5"]["last"]["epoch"] == 3
    assert "24 networks" in capsys.readouterr().out
    assert out.with_suffix(".png").stat().st_size > 10_000
