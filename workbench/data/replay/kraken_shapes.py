"""What Kraken's sockets write: levels, times and the checksums of books."""

from __future__ import annotations

import zlib
from datetime import UTC, datetime

from workbench.data.replay.kraken import LOT_DECIMALS
from workbench.typing import FloatArray

_CHECKED_LEVELS = 10


def book_checksum(bids: FloatArray, asks: FloatArray, price_decimals: int, lot_decimals: int = LOT_DECIMALS) -> int:
    """Return Kraken's CRC32 of a book's ten best levels a side.

    Asks from the lowest up, then bids from the highest down; of each level price and amount, written with the pair's
    decimals, without the point and without leading zeros.
    """
    text = "".join(
        f"{value:.{decimals}f}".replace(".", "").lstrip("0")
        for side in (asks, bids)
        for level in side[:_CHECKED_LEVELS]
        for value, decimals in zip(level, (price_decimals, lot_decimals), strict=True)
    )
    return zlib.crc32(text.encode())


def levels(rows: FloatArray) -> list[dict[str, float]]:
    """Return levels as the sockets write them."""
    return [{"price": float(price), "qty": float(amount)} for price, amount in rows]


def iso(time_ms: int, places: int = 6) -> str:
    """Return a time as the sockets write it, with so many places of seconds."""
    told = datetime.fromtimestamp(time_ms // 1000, UTC)
    return f"{told:%Y-%m-%dT%H:%M:%S}.{time_ms % 1000:03d}{'0' * (places - 3)}Z"
