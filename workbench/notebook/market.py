"""The bars behind the `live_chart` notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.config import LiveChartParameters
from workbench.errors import ConfigError
from workbench.notebook.config import Config

if TYPE_CHECKING:
    from workbench.typing import Bars


_SETTLING = 300  # bars before the window, so that indicators have settled when it begins


def chart_bars(cfg: Config) -> Bars | None:
    """Load the bars of the `live_chart` notebook's symbol.

    Of a stored source all of them: the page itself replays from the start it is given. Of a stream such as
    ``live:binance`` the newest closed ones; none for a page, which reads the stream itself.

    Raises
    ------
    ConfigError
        When the notebook is another one.
    DataError
        When the symbol does not exist.
    VenueError
        When a venue cannot be reached.
    """
    from workbench.data import load_bars
    from workbench.data.live import is_stream, open_stream, run_in_thread

    parameters = cfg.parameters
    if not isinstance(parameters, LiveChartParameters):
        raise ConfigError(f"chart_bars needs the configuration of the live_chart notebook, got that of {cfg.name!r}")
    if is_stream(parameters.source):
        if cfg.mode == "app":
            return None
        stream = open_stream(parameters.source, [parameters.symbol], parameters.timeframe, settings=cfg.settings)
        with run_in_thread(stream) as reader:
            return reader.history(parameters.window + _SETTLING)
    return load_bars(parameters.source, [parameters.symbol], parameters.timeframe, settings=cfg.settings)
