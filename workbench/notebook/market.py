"""The bars behind the `data` and `live_chart` notebooks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from workbench.config import DataParameters, LiveChartParameters
from workbench.errors import ConfigError
from workbench.notebook.config import Config

if TYPE_CHECKING:
    import pandas as pd

    from workbench.data import QualityReport
    from workbench.typing import Bars


@dataclass(frozen=True, eq=False)
class Market:
    """What the `data` notebook shows: the store's catalogue, the bars of one source and their quality."""

    catalogue: pd.DataFrame
    bars: Bars
    quality: QualityReport
    symbols: tuple[str, ...]

    @property
    def summary(self) -> pd.DataFrame:
        """One row per symbol: bars, range, coverage and the counts of those kinds of finding that there are."""
        table = self.quality.summary.reset_index()
        empty = [c for c in table.columns[7:] if not table[c].any()]
        return table.drop(columns=empty)

    @property
    def sound(self) -> bool:
        """Whether every bar in the store keeps the convention; bars that an import set aside are not in it."""
        found = self.quality.findings
        kept = replace(self.quality, findings=found[~found["set_aside"]])
        return kept.ok


def inspect_market(cfg: Config) -> Market | None:
    """Load the catalogue of the store, the bars that the parameters name and their quality report.

    Parameters
    ----------
    cfg : Config
        Of the `data` notebook; an empty list of symbols means all of the source.

    Returns
    -------
    Market or None
        None in the app, whose page loads what it shows by itself.

    Raises
    ------
    ConfigError
        When the notebook is another one, or the source has no symbol at this time frame.
    DataError
        When a symbol does not exist.
    """
    from workbench.data import available_symbols, inspect_bars, open_store

    parameters = cfg.parameters
    if not isinstance(parameters, DataParameters):
        raise ConfigError(f"inspect_market needs the configuration of the data notebook, got that of {cfg.name!r}")
    if cfg.mode == "app":
        return None
    symbols = tuple(parameters.symbols) or available_symbols(parameters.source, parameters.timeframe, cfg.settings)
    if not symbols:
        raise ConfigError(
            f"source {parameters.source!r} has no {parameters.timeframe} bars; see 'workbench data list', "
            "bring files with 'workbench data import FILE'"
        )
    bars, quality = inspect_bars(parameters.source, symbols, parameters.timeframe, cfg.settings)
    return Market(open_store(cfg.settings).list(), bars, quality, symbols)


def chart_bars(cfg: Config) -> Bars:
    """Load all bars of the `live_chart` notebook's symbol; the page itself replays from the start it is given.

    Raises
    ------
    ConfigError
        When the notebook is another one.
    DataError
        When the symbol does not exist.
    """
    from workbench.data import load_bars

    parameters = cfg.parameters
    if not isinstance(parameters, LiveChartParameters):
        raise ConfigError(f"chart_bars needs the configuration of the live_chart notebook, got that of {cfg.name!r}")
    return load_bars(parameters.source, [parameters.symbol], parameters.timeframe, settings=cfg.settings)
