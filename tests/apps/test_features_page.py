"""The page of factor reports: one feature with all that is known of it, and all of them side by side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from workbench.apps import FeaturesPage
from workbench.config import Settings, load_settings
from workbench.tracking import RunRecord, write_record

ROOT = Path(__file__).resolve().parents[2]


def text_of(view: Any) -> str:
    """Return all HTML of a Panel object."""
    import panel as pn

    return " ".join(str(p.object) for p in view.select(pn.pane.HTML))


def other(record: RunRecord) -> RunRecord:
    """A report of later, in which the planted feature is no longer."""
    frames = {
        k: f[f["feature"] != "volume_z(20)"] if "feature" in f else f.drop(columns="volume_z(20)", errors="ignore")
        for k, f in record.frames.items()
    }
    later = {"run_id": "beefee5e60718293a4b5c6d7e8f90aa2", "finished": "2026-02-01T02:00:21+00:00"}
    return replace(record, **later, name="4 features on AAPL", frames=frames)


def test_without_a_report_the_page_names_the_command(settings: Settings) -> None:
    assert "workbench run features" in text_of(FeaturesPage(None, settings).view())


def test_the_first_screen_is_about_the_strongest_feature(factor_record: RunRecord, settings: Settings) -> None:
    page = FeaturesPage(factor_record, settings)
    text = text_of(page.view())
    row = factor_record.frame("factors").iloc[0]
    assert page.feature == row["feature"]
    assert f"{row['rank_ic']:+.4f}" in text
    assert f"{row['rank_ic_t']:+.1f}" in text
    assert "2 of 5 features found" in text
    assert "15 tests" in text
    assert "1 refused" in text
    assert f"Most like {row['feature']}" in text
    assert "5 robust deviations" in text


def test_another_feature_changes_the_page_in_place(factor_record: RunRecord, settings: Settings) -> None:
    page = FeaturesPage(factor_record, settings)
    view = page.view()
    tiles = page._tiles
    page.feature = "hour"
    assert page._tiles is tiles
    text = text_of(view)
    assert "More about hour" in text
    assert "time series" in text
    assert "calendar" in text


def test_every_tab_builds_for_every_feature(factor_record: RunRecord, settings: Settings) -> None:
    page = FeaturesPage(factor_record, settings)
    page.view()
    for feature in factor_record.frame("factors")["feature"]:
        page._tabs.view.active = 0
        page.feature = feature
        assert page._tabs.view[0].objects
    for position in range(len(page._tabs.view)):
        page._tabs.view.active = position
        assert page._tabs.view[position].objects
    assert "peek(1)" in text_of(page._tabs.view[1])


def test_another_report_is_shown_with_its_own_features(factor_record: RunRecord, settings: Settings) -> None:
    later = other(factor_record)
    write_record(factor_record, settings)
    write_record(later, settings)
    page = FeaturesPage(factor_record, settings)
    view = page.view()
    assert set(page.param["run"].objects.values()) == {factor_record.run_id, later.run_id}
    page.feature = "rsi(14)"
    page.run = later.run_id
    assert page.feature == "rsi(14)"  # the same feature where the other report has it
    assert "volume_z(20)" not in page._select.options.values()
    assert later.run_id[:8] in text_of(view)
    page.run = factor_record.run_id
    page.feature = "volume_z(20)"
    page.run = later.run_id
    assert page.feature == later.frame("factors")["feature"].iloc[0]
    assert f"More about {page.feature}" in text_of(view)


@pytest.mark.slow
@pytest.mark.browser
def test_a_person_picks_a_feature_and_a_report(
    factor_record: RunRecord, visit: Callable[[str], Any], served: Any, tmp_path: Path
) -> None:
    settings, later = load_settings({"WORKBENCH_HOME": str(tmp_path)}), other(factor_record)
    write_record(factor_record, settings)
    write_record(later, settings)
    with served(tmp_path, ROOT / "notebooks") as url:
        seen = visit(f"{url}/features?run={factor_record.run_id[:8]}")
        seen.wait_for("2 of 5 features found", "Most like")
        seen.drawn()
        options = seen.page.get_by_label("Feature").locator("option").all_inner_texts()
        seen.page.get_by_label("Feature").select_option(label=next(o for o in options if o.startswith("rsi(14)")))
        seen.wait_for("More about rsi(14)")
        told_by = {"All features": "Features that were refused", "Importance": "Purged folds", "Lineage": "77ab01"}
        for tab, told in {**told_by, "Redundancy": "features of the cluster", "Drift": "worst part"}.items():
            seen.page.get_by_text(tab, exact=True).first.click()
            seen.wait_for(told)
        runs = seen.page.get_by_label("Report").locator("option").all_inner_texts()
        seen.page.get_by_label("Report").select_option(label=next(r for r in runs if later.run_id[:8] in r))
        seen.wait_for(f"run {later.run_id[:8]}")
        seen.page.wait_for_function(f"() => location.search.includes('run={later.run_id}')")
        assert seen.page.get_by_label("Feature").locator("option").count() == 4
