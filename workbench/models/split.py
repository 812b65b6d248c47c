"""The validation tail: the latest rows of the training part, never a random draw."""

from __future__ import annotations

from workbench.errors import DataError

MIN_TRAIN = 10


def tail_start(n_rows: int, valid_share: float) -> int:
    """Return the first row of the validation tail, ``n_rows`` where ``valid_share`` is 0 and there is none.

    Examples
    --------
    >>> tail_start(100, 0.2)
    80
    """
    return n_rows if valid_share == 0 else n_rows - max(1, round(n_rows * valid_share))


def time_tail(n_rows: int, valid_share: float, purge: int) -> tuple[slice, slice]:
    """Cut ``n_rows`` rows in time order into a training head and a validation tail.

    Parameters
    ----------
    n_rows
        Rows of the training part, oldest first.
    valid_share
        Share of the rows in the tail, rounded, at least one row; 0 gives an empty tail and no purge.
    purge
        Rows left out between head and tail: those whose labels end in the tail or later, and all rows after the first
        of them. `workbench.backtest.set_tail_purge` counts them from the label ends.

    Returns
    -------
    tuple of slice
        Head and tail; ``head.stop + purge == tail.start``.

    Raises
    ------
    DataError
        When fewer than ten rows would be left to train on.

    Examples
    --------
    >>> time_tail(100, 0.2, purge=5)
    (slice(0, 75, None), slice(80, 100, None))
    """
    if valid_share == 0:
        return slice(0, n_rows), slice(n_rows, n_rows)
    start = tail_start(n_rows, valid_share)
    stop = start - purge
    if stop < MIN_TRAIN:
        raise DataError(
            f"{n_rows} rows leave {max(stop, 0)} to train on with valid_share={valid_share:g} and purge={purge}, "
            f"{MIN_TRAIN} are needed; lengthen train_size or lower valid_share"
        )
    return slice(0, stop), slice(start, n_rows)
