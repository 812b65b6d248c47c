"""The times and counts of a live stream, in one place."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class LiveOptions:
    """How patient a live stream is. All times are seconds of the event loop.

    Attributes
    ----------
    min_silence, max_silence : float
        A symbol that says nothing for three of its usual intervals, but at least and at most these, is asked by REST:
        where the venue traded meanwhile, the connection is given up. With the time of that request, a frozen stream
        is found within 20 s.
    connect_timeout : float
        Time to open a connection.
    request_timeout : float
        Time of one REST request.
    backoff_base, backoff_cap : float
        The n-th reconnection waits a random time up to ``base * 2**n``, at most ``cap`` (full jitter).
    failures_before_polling : int
        After so many failed connections in a row, bars come by REST until a connection works again.
    poll_every : float
        Time between two polls of a symbol.
    settle : float
        A closed bar is held back so long, so that a message that was overtaken can still mend it.
    patience : float
        A bar whose last message came longer than this before its successor's first is confirmed by REST.
    start_timeout : float
        The start is given up when the venue could not be asked for so long.
    repair_attempts : int
        REST answers that must contradict the WebSocket before what it claimed is dropped.
    bad_bar_timeout : float
        A bar that REST tells wrongly (NaN, high below low) for so long is left out, so that one bar of a venue that is
        always bad does not stop the stream.
    history : int
        Final bars of each symbol that are read at the start and kept.
    skew_every : float
        Time between two measurements of the venue's clock.
    confirm : bool
        Confirm every closed bar by REST before readers see it as final.
    from_trades : bool
        Build bars of single trades where a venue would send candles too; closed ones are then confirmed by REST.
    """

    min_silence: float = 5.0
    max_silence: float = 15.0
    connect_timeout: float = 10.0
    request_timeout: float = 10.0
    backoff_base: float = 0.5
    backoff_cap: float = 30.0
    failures_before_polling: int = 3
    poll_every: float = 5.0
    settle: float = 0.3
    patience: float = 5.0
    start_timeout: float = 30.0
    repair_attempts: int = 4
    bad_bar_timeout: float = 120.0
    history: int = 500
    skew_every: float = 600.0
    confirm: bool = False
    from_trades: bool = False

    def at_speed(self, speed: float) -> LiveOptions:
        """Return the same for a replay venue whose clock runs at ``speed``×: what is counted in bars is shortened.

        Times that a machine needs whatever the venue's clock does (connections, requests) stay as they are.
        """
        if speed == 1:
            return self
        return replace(
            self,
            min_silence=max(self.min_silence / speed, 1.0),
            max_silence=max(self.max_silence / speed, 2.0),
            backoff_base=max(self.backoff_base / speed, 0.05),
            backoff_cap=max(self.backoff_cap / speed, 1.0),
            poll_every=max(self.poll_every / speed, 0.2),
            bad_bar_timeout=max(self.bad_bar_timeout / speed, 20.0),
            settle=max(self.settle / speed, 0.02),
            patience=max(self.patience / speed, 0.25),
        )
