"""Charts and tables of factor reports draw the numbers they are given."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from workbench import charts
from workbench.errors import DataError
from workbench.tracking import RunRecord


def columns(figure: Any, *names: str) -> dict[str, np.ndarray]:
    """Return columns of the first data source that has them all."""
    data = next(r.data_source.data for r in figure.renderers if set(names) <= set(r.data_source.data))
    return {n: np.asarray(data[n]) for n in names}


def legend(figure: Any) -> list[str]:
    return [i.label.value for i in figure.legend[0].items]


def test_the_strongest_of_each_cluster_are_shown(factor_record: RunRecord) -> None:
    factors = factor_record.frame("factors")
    chosen = charts.leading_features(factors)
    assert chosen[0] == factors["feature"].iloc[0]
    assert len({"volume_z(20)", "mfi(14)"} & set(chosen)) == 1  # one cluster
    assert len(charts.leading_features(factors, 2)) == 2


def test_the_running_total_ends_at_the_sum_of_the_blocks(factor_record: RunRecord) -> None:
    ic = factor_record.frame("ic")
    figure = charts.running_coefficient_chart(ic, list(ic.columns))
    assert legend(figure) == list(ic.columns[:4])  # at most four lines
    drawn = columns(figure, "total", "block")
    assert drawn["total"][-1] == pytest.approx(ic.iloc[:, 0].sum())
    dashes = {str(r.glyph.line_dash) for r in figure.renderers}
    assert len(dashes) == 4  # told apart without colour


def test_decay_has_two_errors_each_way(factor_record: RunRecord) -> None:
    decay = factor_record.frame("decay")
    figure = charts.decay_chart(decay, ["volume_z(20)", "rsi(14)"])
    mine = decay[decay["feature"] == "volume_z(20)"]
    drawn = columns(figure, "value", "low", "high", "horizon")
    np.testing.assert_allclose(drawn["value"], mine["rank_ic"])
    np.testing.assert_allclose(drawn["high"] - drawn["low"], 4 * mine["rank_ic_se"])
    assert figure.xaxis[0].major_label_overrides == {0: "1", 1: "5", 2: "20"}


def test_every_cell_of_the_quantiles_carries_its_number(factor_record: RunRecord) -> None:
    quantiles, names = factor_record.frame("quantiles"), factor_record.frame("factors")["feature"]
    figure = charts.quantile_map(quantiles, names)
    drawn = columns(figure, "text", "bp", "feature", "x")
    assert len(drawn["text"]) == len(quantiles)
    at = (drawn["feature"] == "volume_z(20)") & (drawn["x"] == 4)
    assert drawn["bp"][at][0] == pytest.approx(1e4 * quantiles["mean"].iloc[3])
    assert drawn["text"][at][0] == f"{drawn['bp'][at][0]:+.0f}".replace("-", "−")
    assert figure.yaxis[0].major_label_overrides[0] == names.iloc[0]


def test_importance_is_sorted_and_has_errors(factor_record: RunRecord) -> None:
    figure = charts.importance_chart(factor_record.frame("importance"))
    drawn = columns(figure, "value", "low", "high", "feature", "alone")
    assert drawn["feature"][0] == "volume_z(20)"
    assert (np.diff(drawn["value"]) <= 0).all()
    np.testing.assert_allclose(drawn["value"][0], 12.0)
    np.testing.assert_allclose(drawn["high"] - drawn["low"], 2.0)
    assert len(legend(figure)) == 2
    groups = charts.importance_chart(factor_record.frame("clusters"), name="members")
    assert legend(groups) == ["shuffled in the model"]


def test_correlations_are_written_while_there_is_room(factor_record: RunRecord) -> None:
    correlation = factor_record.frame("correlation")
    figure = charts.correlation_map(correlation)
    assert columns(figure, "text")["text"][0] == "100"
    assert "hundredths" in figure.title.text
    many = pd.DataFrame(np.eye(40), index=map(str, range(40)), columns=map(str, range(40)))
    large = charts.correlation_map(many)
    assert "hundredths" not in large.title.text
    assert large.height <= 1100
    huge = pd.DataFrame(np.eye(100), index=map(str, range(100)), columns=map(str, range(100)))
    assert charts.correlation_map(huge).xaxis[0].visible is False


def test_one_feature_has_its_own_pictures(factor_record: RunRecord) -> None:
    name = "macd_hist_norm(12, 26, 9)"
    ic = charts.coefficient_chart(factor_record.frame("ic"), name)
    values = factor_record.frame("ic")[name].dropna()
    np.testing.assert_allclose(columns(ic, "value")["value"], values)
    quantiles = charts.quantile_chart(factor_record.frame("quantiles"), name)
    assert len(columns(quantiles, "mean", "error")["mean"]) == 4
    shares = charts.distribution_chart(factor_record.frame("histograms"), name)
    assert legend(shares) == ["first half", "second half"]
    drift = charts.drift_chart(factor_record.frame("drift"), name)
    assert len(columns(drift, "psi", "ks")["psi"]) == 4
    for figure in (ic, quantiles, shares, drift):
        assert name in figure.title.text
        assert charts.html_fragment(figure)


def test_a_feature_that_is_not_there_is_named(factor_record: RunRecord) -> None:
    with pytest.raises(DataError, match=r"no coefficients of 'rsi\(9\)'; there are those of volume_z"):
        charts.coefficient_chart(factor_record.frame("ic"), "rsi(9)")
    with pytest.raises(DataError, match="the quantile returns of rsi"):
        charts.quantile_chart(factor_record.frame("quantiles"), "rsi(9)")


def test_long_specs_are_cut_in_pictures_and_whole_in_tables(factor_record: RunRecord) -> None:
    long = "neutralize(zscore(rank(rsi(14)), 100), volume_z(20))"
    frame = factor_record.frame("importance").replace({"feature": {"rsi(14)": long}})
    figure = charts.importance_chart(frame)
    assert max(map(len, figure.yaxis[0].major_label_overrides.values())) == 30
    assert long in columns(figure, "feature")["feature"]
    assert long in charts.importance_table(frame)._repr_html_()


def test_the_table_has_one_row_a_feature_with_units(factor_record: RunRecord) -> None:
    factors = factor_record.frame("factors")
    table = charts.factor_table(factors, caption="Features")
    page = table._repr_html_()
    row = factors.iloc[0]
    assert page.count("<tr") == len(factors) + 1
    assert f"{row['rank_ic']:+.3f} ± {row['rank_ic_se']:.3f}" in page
    assert "✓ found" in page
    assert "100.0 %" in page
    assert "cross-section" in table.titles[0]
    assert "first 2 of 5" in charts.factor_table(factors, limit=2)._repr_html_()


def test_drift_is_judged_by_its_worst_part(factor_record: RunRecord) -> None:
    drift = factor_record.frame("drift")
    page = charts.drift_table(drift)
    assert page.frame["feature"].iloc[0] == "macd_hist_norm(12, 26, 9)"  # a random walk
    assert page.frame["verdict"].iloc[0] == "shifted"
    assert "stable" in set(page.frame["verdict"])
    assert "from Feb 2015" in page._repr_html_()


def test_refused_features_come_with_the_reason(factor_record: RunRecord) -> None:
    page = charts.refused_table(factor_record.frame("refused"))._repr_html_()
    assert "peek(1)" in page
    assert "changes at 2014-01-02" in page
