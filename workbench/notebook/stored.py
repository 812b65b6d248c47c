"""What the `data` notebook shows: what the store holds of a source, and whether it can be trusted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from workbench.config import DataParameters, Settings, parse_spec
from workbench.errors import ConfigError
from workbench.notebook.config import Config

if TYPE_CHECKING:
    import pandas as pd

    from workbench.data import QualityReport
    from workbench.typing import Bars

MOST_LINES = 8


@dataclass(frozen=True, eq=False)
class Market:
    """What the `data` notebook shows: the store's series, and of one source its holes, venues and quality.

    Attributes
    ----------
    catalogue : DataFrame
        All series of the store with their freshness (`workbench.data.freshness`).
    months, shares, gaps : DataFrame
        Bars of each month, venues, and gaps with their causes, of the chosen symbols.
    bars : DataFrame
        The bars of the chosen symbols.
    quality : QualityReport
    symbols : tuple of str
    venues : DataFrame or None
        State of each venue; None where none was ever asked.
    """

    catalogue: pd.DataFrame
    months: pd.DataFrame
    shares: pd.DataFrame
    gaps: pd.DataFrame
    bars: Bars
    quality: QualityReport
    symbols: tuple[str, ...]
    venues: pd.DataFrame | None = None

    @property
    def summary(self) -> pd.DataFrame:
        """One row per symbol: bars, range, coverage and the counts of those kinds of finding that there are."""
        table = self.quality.summary.reset_index()
        empty = [c for c in table.columns[7:] if not table[c].any()]
        return table.drop(columns=empty)

    @property
    def few(self) -> Bars:
        """The bars of the first symbols, as many as one chart of prices holds."""
        return self.bars.loc[:, self.bars.columns.get_level_values("symbol").isin(self.symbols[:MOST_LINES])]

    @property
    def sound(self) -> bool:
        """Whether every bar in the store keeps the convention; bars that an import set aside are not in it."""
        found = self.quality.findings
        kept = replace(self.quality, findings=found[~found["set_aside"]])
        return kept.ok


def inspect_market(cfg: Config) -> Market | None:
    """Count what the store holds of the source that the parameters name, and load its bars and their quality report.

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
    import pandas as pd

    from workbench.data import available_symbols, freshness, inspect_bars, month_table, open_store, source_shares

    parameters = cfg.parameters
    if not isinstance(parameters, DataParameters):
        raise ConfigError(f"inspect_market needs the configuration of the data notebook, got that of {cfg.name!r}")
    if cfg.mode == "app":
        return None
    source, timeframe, settings = parameters.source, parameters.timeframe, cfg.settings
    symbols = tuple(parameters.symbols) or available_symbols(source, timeframe, settings)
    if not symbols:
        raise ConfigError(
            f"source {source!r} has no {timeframe} bars; see 'workbench data list', "
            "bring files with 'workbench data import FILE'"
        )
    bars, quality = inspect_bars(source, symbols, timeframe, settings)
    return Market(
        freshness(open_store(settings).list(), pd.Timestamp(cfg.now)),
        month_table(source, timeframe, symbols, settings),
        source_shares(source, timeframe, symbols, settings),
        _gaps(source, timeframe, symbols, settings),
        bars,
        quality,
        symbols,
        _venues(settings),
    )


def _gaps(source: str, timeframe: str, symbols: tuple[str, ...], settings: Settings) -> pd.DataFrame:
    """Return the gaps with their causes; a synthetic market is drawn whole and has none."""
    from workbench.data import MARKETS, open_store
    from workbench.data.quality.gaps import GAP_COLUMNS, gap_table

    if parse_spec(source).name in MARKETS:
        import pandas as pd

        return pd.DataFrame(columns=list(GAP_COLUMNS))
    return gap_table(open_store(settings), source, timeframe, symbols, settings=settings)


def _venues(settings: Settings) -> pd.DataFrame | None:
    if not (settings.data_dir / "venues").is_dir():
        return None
    from workbench.data.venues.open import venue_states

    return venue_states(settings)
