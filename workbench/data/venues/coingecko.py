"""CoinGecko: daily prices and market capitalisations of coins, through its REST interface."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from workbench.config import Settings, did_you_mean, load_settings
from workbench.data.venues.answers import BadAnswerError, BadRowError
from workbench.data.venues.catalogue import VENUES
from workbench.data.venues.clock import Clock, SystemClock
from workbench.data.venues.guard import Guard, state_name
from workbench.data.venues.keys import Keys, venue_keys
from workbench.data.venues.retries import DEADLINE_S
from workbench.data.venues.rows import EARLIEST_MS, shown
from workbench.data.venues.transport import ANSWER_S
from workbench.errors import DataError
from workbench.typing import FloatArray

HOST = "api.coingecko.com"
LONGEST_DAYS = 365
"""The public interface goes back one year."""
LARGEST_ANSWER = 32 * 2**20
_DAY_MS = 86_400_000


class CoinGecko:
    """Daily prices, market capitalisations and volumes of coins in US dollars or another currency.

    Its prices are averages over many venues: good to check a venue by, not to trade on. It writes nothing.

    Parameters
    ----------
    settings : Settings, optional
        Usual: those of the environment. State shared by processes lies in ``settings.data_dir / "venues"``.
    at : str
        Base address of a replay venue; usual: ``settings.venues_at``, empty = CoinGecko itself.
    keys : Keys, optional
        A demo key; usual: the kept one, none is needed.
    """

    name = "coingecko"

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        at: str = "",
        clock: Clock | None = None,
        seed: int | None = None,
        keys: Keys | None = None,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        settings = settings or load_settings()
        self.at, self.clock = at or settings.venues_at, clock or SystemClock()
        self.keys = venue_keys(self.name) if keys is None else keys
        self.guard = Guard(
            state_name(self.name, self.at),
            settings.data_dir / "venues",
            self.clock,
            np.random.default_rng(seed),
            deadline_s=deadline_s,
            hide=self.keys.hide,
            rates=() if self.at else VENUES[self.name].rates,
        )
        self._ids: dict[str, str] = {}

    def ping(self) -> bool:
        """Tell whether it answers."""
        return "gecko_says" in self._get("/ping", {}, dict)

    def coin_id(self, symbol: str) -> str:
        """Return the id of a coin by its ticker symbol or id: ``BTC`` and ``bitcoin`` are ``bitcoin``.

        Of several coins with one symbol, the one with the largest market capitalisation counts.

        Raises
        ------
        DataError
            When no coin has it, with the closest one.
        """
        wanted = symbol.strip().lower().partition("/")[0]
        if wanted in self._ids:
            return self._ids[wanted]
        coins = self._get("/coins/list", {}, list)
        if not all(isinstance(c, dict) and isinstance(c.get("id"), str) for c in coins):
            raise BadAnswerError(f"coingecko answered {shown(coins)} where a list of coins was expected")
        same = [c["id"] for c in coins if str(c.get("symbol", "")).lower() == wanted]
        if not same and wanted in {c["id"] for c in coins}:
            same = [wanted]
        if not same:
            raise DataError(f"coingecko has no coin {symbol!r}.{_close(wanted, coins)}")
        self._ids[wanted] = same[0] if len(same) == 1 else self._largest(same)
        return self._ids[wanted]

    def daily(self, symbol: str, days: int = LONGEST_DAYS, currency: str = "usd") -> pd.DataFrame:
        """Return daily values of a coin, the unfinished day left out.

        Parameters
        ----------
        symbol : str
            ``BTC``, ``BTC/USDT`` (its base counts) or an id such as ``bitcoin``.
        days : int
            Days back from now, 1 to 365.
        currency : str
            ``usd``, ``eur``, …

        Returns
        -------
        DataFrame
            Index ``time`` (UTC midnight at which each value was taken: the close of the day before), columns price,
            market_cap, volume (of the 24 hours before), NaN where it does not tell.

        Raises
        ------
        DataError
            When no coin has this symbol, or the days are out of bounds.
        BadAnswerError
            When its values stay impossible.
        """
        if not 1 <= days <= LONGEST_DAYS:
            raise DataError(f"coingecko gives 1 to {LONGEST_DAYS} days without a paid key, not {days}")
        coin = self.coin_id(symbol)
        query = {"vs_currency": currency, "days": str(days), "interval": "daily"}
        return self.guard.call(lambda: self._frame(self._send(f"/coins/{coin}/market_chart", query)))

    def _frame(self, told: Any) -> pd.DataFrame:
        names = {"prices": "price", "market_caps": "market_cap", "total_volumes": "volume"}
        if not isinstance(told, dict) or not isinstance(told.get("prices"), list):
            raise BadAnswerError(f"coingecko answered {shown(told)} where a chart was expected")
        columns = {name: _series(told.get(key) or [], key) for key, name in names.items()}
        frame = pd.DataFrame(columns).rename_axis(index="time").sort_index()
        times = pd.DatetimeIndex(frame.index).as_unit("ms").asi8
        frame = frame[(times % _DAY_MS == 0) & (times <= self.clock.now() * 1000)]  # the last point is now, no midnight
        wrong = ~(frame["price"] > 0) | (frame[["market_cap", "volume"]] < 0).any(axis=1)
        if wrong.any():
            raise BadRowError(f"coingecko told an impossible value at {frame.index[wrong][0]:%Y-%m-%d}")
        return frame

    def _largest(self, ids: list[str]) -> str:
        query = {"vs_currency": "usd", "ids": ",".join(ids[:250]), "order": "market_cap_desc", "per_page": "250"}
        ranked = self._get("/coins/markets", query, list)
        sizes = {c["id"]: c.get("market_cap") or 0 for c in ranked if isinstance(c, dict) and c.get("id") in ids}
        return max(sizes, key=sizes.__getitem__) if sizes else ids[0]

    def _get(self, path: str, query: Mapping[str, str], kind: type) -> Any:
        def ask() -> Any:
            told = self._send(path, query)
            if not isinstance(told, kind):
                raise BadAnswerError(f"coingecko answered {shown(told)} where {path} was asked for")
            return told

        return self.guard.call(ask)

    def _send(self, path: str, query: Mapping[str, str]) -> Any:
        import httpx

        base = f"{self.at.rstrip('/')}/{HOST}" if self.at else f"https://{HOST}"
        url = f"{base}/api/v3{path}"
        self.guard.before(url, 1)
        headers = {"x-cg-demo-api-key": self.keys.key} if self.keys else {}
        ends = self.clock.monotonic() + ANSWER_S
        with (
            httpx.Client(timeout=ANSWER_S, trust_env=not self.at) as client,
            client.stream("GET", url, params=dict(query), headers=headers) as answer,
        ):
            self.guard.answered(answer.status_code, answer.headers)
            pieces, size = [], 0
            for piece in answer.iter_bytes(1 << 16):
                pieces.append(piece)
                size += len(piece)
                if size > LARGEST_ANSWER:
                    raise BadAnswerError(f"coingecko answered more than {LARGEST_ANSWER >> 20} MB")
                if self.clock.monotonic() > ends:
                    raise httpx.ReadTimeout("the answer did not end in time")
            answer.raise_for_status()
        return _decoded(b"".join(pieces))


def _decoded(body: bytes) -> Any:
    import json

    try:
        return json.loads(body)
    except ValueError:
        raise BadAnswerError(
            f"coingecko answered {shown(body[:200].decode(errors='replace'))} where JSON was expected"
        ) from None


def _series(points: Any, what: str) -> pd.Series:
    try:
        table: FloatArray = np.array([[np.nan if v is None else v for v in p] for p in points], np.float64).reshape(
            -1, 2
        )
    except (TypeError, ValueError):
        raise BadAnswerError(f"coingecko answered {shown(points)} as {what}") from None
    times, values = table[:, 0], table[:, 1]
    if not (times >= EARLIEST_MS).all() or np.isinf(table).any():
        raise BadRowError(f"coingecko told impossible times or values in {what}")
    index = pd.DatetimeIndex(times.astype("int64").astype("datetime64[ms]"), tz="UTC")
    series = pd.Series(values, index=index)
    series = series[~(index.duplicated() & series.duplicated().to_numpy())]
    if series.index.has_duplicates:
        raise BadRowError(f"coingecko told two values for {series.index[series.index.duplicated()][0]} in {what}")
    return series


def _close(wanted: str, coins: list[dict[str, Any]]) -> str:
    hint = did_you_mean(wanted, {str(c.get("symbol", "")).lower() for c in coins} | {c["id"] for c in coins})
    return hint if hint.startswith(" Did") else ""
