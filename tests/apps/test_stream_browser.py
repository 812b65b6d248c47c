"""The live chart in a real browser, on the WebSocket of a replay venue, through a drop of the connection."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from workbench.data.replay.building import synthetic_replay
from workbench.data.replay.channel import Channel, DroppedError
from workbench.data.replay.clock import ReplayClock
from workbench.data.replay.running import replay_venue

ROOT = Path(__file__).resolve().parents[2]
_TIMES = (
    "() => [...Bokeh.documents[0]._all_models.values()]"
    ".find(m => m.type == 'ColumnDataSource' && m.data.i)?.data.time ?? []"
)

pytestmark = [pytest.mark.browser, pytest.mark.slow]


class Cable:
    """A fault plan that is a cable: while it is pulled, sockets are cut and no request is answered."""

    def __init__(self) -> None:
        self.pulled = False

    def clock_skew(self, host: str, now: float) -> float:
        """Return none."""
        return 0.0

    async def before_request(self, call: Any, request: Any) -> None:
        """Cut while pulled."""
        if self.pulled:
            raise DroppedError

    async def change_answer(self, call: Any, request: Any, answer: Any) -> Any:
        """Leave it."""
        return answer

    async def on_connect(self, channel: Channel) -> None:
        """Cut while pulled."""
        if self.pulled:
            raise DroppedError

    async def on_message(self, channel: Channel, text: str) -> Sequence[str]:
        """Let it through."""
        return [text]

    async def on_tick(self, channel: Channel) -> None:
        """Cut while pulled."""
        if self.pulled:
            raise DroppedError

    def describe(self) -> Sequence[str]:
        """Say so."""
        return ["pulled"] if self.pulled else []


def test_the_chart_runs_on_a_websocket_and_survives_a_drop(
    visit: Callable[[str], Any], served: Any, tmp_path: Path
) -> None:
    cable = Cable()
    market = synthetic_replay(symbols=("BTC/USDT",), perpetuals=False)
    with (
        replay_venue(market, ReplayClock(speed=30), cable) as running,
        served(tmp_path, ROOT / "notebooks", WORKBENCH_VENUES_AT=running.base_url) as url,
    ):
        seen = visit(f"{url}/live_chart?source=live:binance&symbol=BTC/USDT&timeframe=1m&window=60")
        seen.wait_for("BTC/USDT, last price", "not the real one", "data age")
        seen.drawn()
        begun = len(seen.page.evaluate(_TIMES))
        seen.page.wait_for_function(f"() => ({_TIMES})().length >= {begun + 3}", timeout=60_000)

        cable.pulled = True
        seen.wait_for("stale")
        seen.page.wait_for_timeout(4000)  # two bars of the venue pass unseen
        at_drop = len(seen.page.evaluate(_TIMES))
        cable.pulled = False
        seen.wait_for("reconnect", "repaired by REST")
        seen.page.wait_for_function(f"() => ({_TIMES})().length >= {at_drop + 4}", timeout=60_000)

        times = seen.page.evaluate(_TIMES)
        steps = {b - a for a, b in pairwise(times)}
        assert steps == {60_000}  # no bar is missing, none is there twice
