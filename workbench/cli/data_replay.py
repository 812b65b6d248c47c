"""``workbench data serve-replay``: a venue on this machine, for practice, demos and tests without a network."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import signal
from typing import TYPE_CHECKING

from workbench.config import Settings, did_you_mean, load_settings
from workbench.errors import ConfigError, DataError

if TYPE_CHECKING:
    from workbench.data.replay import ReplayMarket, ReplayVenue

_SYNTHETIC = "synthetic"


def serve_replay(
    *,
    source: str = _SYNTHETIC,
    symbols: tuple[str, ...] = (),
    timeframe: str = "",
    speed: float = 1.0,
    start: str = "",
    port: int = 8787,
    faults: str = "",
    seed: int = 7,
    host: str = "127.0.0.1",
) -> None:
    """Serve a replay venue on this machine: it answers like Binance and Kraken, from stored or synthetic bars.

    A schedule of faults is KIND[(option=value)] [@START] [for LENGTH]
    [every PERIOD] [xTIMES] [on TEXT], several parted by ";", such as
    "418@10m for 2m; close-1006@5m every 20m; reset x3 on klines".
    START, LENGTH and PERIOD are durations of the venue's clock; without @ a fault
    begins at once. Or a mix: "random(rate=12/day, seed=7, kinds=rest+ws)".

    Kinds: 429, 418, 403, 451, 500, 502, 503, 504, reset, timeout, slow, drip,
    redirect, html, empty, truncated, cut-off, big, gzip-bomb, strings, nulls,
    nested-error, nan, negative, high-low, overflow, hole, overlap, duplicate,
    unordered, short-page, revised, seconds, skew, close-1000, close-1001,
    close-1006, close-1012, half-open, no-pong, frozen, burst, ws-duplicate,
    ws-reorder, partial, ws-truncated, wrong-symbol, unsubscribed.

    Parameters
    ----------
    source
        synthetic, a synthetic market such as "planted(strength=0.3, seed=7)", or a source of the store.
    symbols
        Symbols such as BTC/USDT, parted by commas; when left out all of a stored source, or BTC, ETH and SOL.
    timeframe
        Bar length of stored bars; the lowest stored one when left out.
    speed
        The venue's clock runs so many times as fast, up to 10000.
    start
        Where its clock starts, ISO date in UTC; now, or near the end of stored bars, when left out.
    port
        TCP port on loopback.
    faults
        What goes wrong when, such as "429@10s for 30s; reset x3".
    seed
        Of trades, books, funding and faults.
    host
        Address to listen on; loopback only.
    """
    from workbench.data.replay import ReplayClock, ReplayVenue

    _refuse_other_machines(host)
    wanted = tuple(part for text in symbols for part in text.split(",") if part)
    market = _market(load_settings(), source, wanted, timeframe, seed)
    clock = ReplayClock(_start(market, start), speed)
    plan = None
    if faults:
        from workbench.data.replay.faults import open_faults

        plan = open_faults(faults, seed=seed, start=clock.now())
    if not 0 <= port <= 65535:
        raise ConfigError(f"port {port} is not between 0 and 65535; choose another with --port")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(ReplayVenue(market, clock, plan), port))
    print("stopped", flush=True)


def _market(settings: Settings, source: str, symbols: tuple[str, ...], timeframe: str, seed: int) -> ReplayMarket:
    from workbench.data import MARKETS, open_store
    from workbench.data.replay import SYNTHETIC_SYMBOLS, replay_of_store, synthetic_replay

    if source == _SYNTHETIC or "(" in source or source in MARKETS:
        spec = f"regimes(seed={seed})" if source == _SYNTHETIC else source
        return synthetic_replay(spec, symbols or SYNTHETIC_SYMBOLS, seed=seed)
    store = open_store(settings)
    if source not in store.sources():
        known = {_SYNTHETIC, *MARKETS, *store.sources()}
        raise ConfigError(f"unknown source {source!r}.{did_you_mean(source, known)}")
    return replay_of_store(store, source, symbols, timeframe, seed=seed)


def _start(market: ReplayMarket, start: str) -> float:
    from workbench.data.replay import default_start
    from workbench.data.timeframes import utc_time
    from workbench.data.venues.clock import SystemClock

    asked = utc_time(start, "start")
    if asked is None:
        return default_start(market, SystemClock().now())
    first = min(market.instrument(s).listed_ms for s in market.symbols)
    ends = [market.instrument(s).end_ms for s in market.symbols]
    time = asked.timestamp()
    if time * 1000 < first or all(end is not None and end <= time * 1000 for end in ends):
        import pandas as pd

        known = [pd.Timestamp(t, unit="ms").strftime("%Y-%m-%d %H:%M") for t in (first, max(e or 0 for e in ends))]
        span = f"from {known[0]} on" if None in ends else f"from {known[0]} to {known[1]}"
        raise DataError(f"start {start} lies outside the bars, which are {span}")
    return time


async def _serve(venue: ReplayVenue, port: int) -> None:
    address = await venue.start(port)
    _say(venue, address)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        await stop.wait()
    finally:
        await venue.stop()


def _say(venue: ReplayVenue, address: str) -> None:
    from workbench.data.replay.server import status_of

    status = status_of(venue)
    spot = next((s for s in status["symbols"] if ":" not in s), status["symbols"][0])
    print(f"Replay venue: {address}/")
    print(f"  {status['source']}; {len(status['symbols'])} symbols: {', '.join(status['symbols'][:8])}")
    print(f"  clock at {_time(status['clock_ms'])}, {status['speed']:g}x; stands in for {', '.join(venue.names)}")
    if venue.faults is not None:
        print("  faults: " + "; ".join(venue.faults.describe()))
    print("The workbench uses it in place of the real venues with --at, or for all commands with")
    print(f"  export WORKBENCH_VENUES_AT={address}")
    print("Plain ccxt uses it like this:")
    print("  import ccxt; from workbench.data.venues.address import redirect")
    print(f'  exchange = redirect(ccxt.binance(), "{address}")')
    print(f'  exchange.fetch_ohlcv("{spot}", "1h", limit=5)')
    print("Ctrl-C ends it.", flush=True)


def _time(time_ms: int) -> str:
    import pandas as pd

    return f"{pd.Timestamp(time_ms, unit='ms'):%Y-%m-%d %H:%M:%S} UTC"


def _refuse_other_machines(host: str) -> None:
    if host == "localhost":
        return
    try:
        local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = False
    if not local:
        raise ConfigError(f"host {host!r} is not this machine's loopback; the replay venue listens on 127.0.0.1 only")
