from __future__ import annotations

import pytest

from workbench.data.files.filenames import hints_of, normal_symbol


@pytest.mark.parametrize(
    ("stem", "symbol", "timeframe"),
    [
        ("BTCUSDT-1h", "BTC/USDT", "1h"),
        ("BTCUSDT-8h-mark-2025", "BTC/USDT", "8h"),
        ("1000PEPEUSDT-1d", "1000PEPE/USDT", "1d"),
        ("BTCPERP-1m", "BTCPERP", "1m"),
        ("ETHBTC-5m", "ETH/BTC", "5m"),
        ("ADA_BTC-5m", "ADA/BTC", "5m"),
        ("UNITTEST_BTC-8m", "UNITTEST/BTC", "8m"),
        ("XRP_USDT_USDT-1h-futures", "XRP/USDT:USDT", "1h"),
        ("EURUSD-15m", "EURUSD", "15m"),
        ("EURUSD_15M", "EURUSD", "15m"),
        ("gym-anytrading-FOREX_EURUSD_1H_ASK", "EURUSD", "1h"),
        ("Coinbase_BTCUSD_d", "BTC/USD", "1d"),
        ("bybit-BCHUSDT-1d-bad-tick", "BCH/USDT", "1d"),
        ("lean-SPY-daily", "SPY", "1d"),
        ("BINANCE_BTCUSDT, 60", "BTC/USDT", None),
        ("BTCUSDT-1h-2024-01", "BTC/USDT", "1h"),
        ("btcusdt_4h", "BTC/USDT", "4h"),
        ("OHLCV_BTC", "BTC", None),
        ("AAPL", "AAPL", None),
        ("prices", None, None),
        ("vix-1d", None, "1d"),
    ],
)
def test_names_of_files(stem: str, symbol: str | None, timeframe: str | None) -> None:
    assert hints_of(stem) == (symbol, timeframe)


@pytest.mark.parametrize(
    ("given", "normal"),
    [
        ("BTCUSDT", "BTC/USDT"), ("BTC-USD", "BTC/USD"), ("BTC/USDT", "BTC/USDT"), ("DOGEUSD", "DOGE/USD"),
        ("EURUSD", "EURUSD"), ("SPY", "SPY"), ("USDT", "USDT"), ("BRK-B", "BRK-B"), ("ETHEUR", "ETH/EUR"),
    ],
)  # fmt: skip
def test_spelling_of_symbols(given: str, normal: str) -> None:
    assert normal_symbol(given) == normal
