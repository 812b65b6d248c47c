"""The lock-box: the latest bars of a data set that a family of experiments may look at once.

While it is closed a run does not even load those bars. Opening it is recorded under the run's id before anything is
judged, and a second opening is shown and refused by its gate: data that have been looked at are no test any more.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pandas as pd

from workbench import risk
from workbench.config import Settings
from workbench.data import Dataset, load_dataset
from workbench.errors import ConfigError
from workbench.typing import Json

if TYPE_CHECKING:
    from workbench.tracking import LockBox


@dataclass(frozen=True)
class UsableBars:
    """The bars that a run may use, and the seal on the rest.

    Parameters
    ----------
    dataset
        Without the sealed bars, unless the lock-box is opened.
    family
        Experiments that share one lock-box: the experiment's name and the data set's.
    sealed_from
        First sealed bar; None where there is no lock-box.
    is_open
        Whether this run looks into it.
    """

    dataset: Dataset
    family: str = ""
    sealed_from: pd.Timestamp | None = None
    is_open: bool = False

    @property
    def end(self) -> str:
        """Where the bars end because of the seal, as in a run's range; empty where they do not."""
        return "" if self.sealed_from is None or self.is_open else self.sealed_from.isoformat()

    def opening(self, run_id: str, settings: Settings, now: datetime) -> Json:
        """Record that this run opened the lock-box; return what the record says of it."""
        if self.sealed_from is None:
            return {}
        said: Json = {"lockbox_from": self.sealed_from.isoformat(), "lockbox_open": self.is_open}
        if not self.is_open:
            return said
        box, own = _lockbox(settings), self.dataset.name
        opened = box.open(self.family, own, run_id, now)
        others = [o for s in _sharing(box, self.family, own) if s != own for o in box.openings(self.family, s)]
        earlier = [f"{o.run_id[:12]} at {o.opened[:16]}" for o in (*opened.earlier, *others) if o.run_id != run_id]
        return said | {"lockbox_openings": len(earlier) + 1, "lockbox_opened_by": earlier}

    def metrics(self, net: pd.Series, trial: Json) -> dict[str, float]:
        """Return what the sealed bars alone say, where they were opened."""
        if not self.is_open or self.sealed_from is None:
            return {}
        inside = net.loc[self.sealed_from :]
        found = {"lockbox_openings": float(trial.get("lockbox_openings", 1)), "lockbox_n_bars": float(len(inside))}
        if len(inside) < 2:
            return found
        return found | {
            "lockbox_total_return": risk.total_return(inside),
            "lockbox_sharpe_ratio": risk.sharpe_ratio(inside),
            "lockbox_probabilistic_sharpe_ratio": risk.probabilistic_sharpe_ratio(inside),
        }


def open_data(parameters: Any, settings: Settings, now: datetime) -> UsableBars:
    """Load the bars that parameters name, without those that the experiment's lock-box seals.

    The first run with a ``lockbox_share`` seals the latest bars; later bars are sealed too. Later runs of the family
    find that seal, whatever share they name, none too: it may grow, it never shrinks. It holds for every data set of
    the source that shares a symbol, at any time frame: another list of symbols is no fresh look.
    """
    whole, box = _load(parameters, settings, parameters.end), _lockbox(settings)
    family = parameters.experiment or parameters.notebook
    share, opens = getattr(parameters, "lockbox_share", 0.0), getattr(parameters, "open_lockbox", False)
    seals = [box.sealed_from(family, series) for series in _sharing(box, family, whole.name)]
    starts = [seal for seal in seals if seal is not None]
    if share > 0:
        times = pd.DatetimeIndex(whole.bars.index)
        starts.append(times[min(int(len(times) * (1 - share)), len(times) - 1)])
    if not starts:
        if opens:
            raise ConfigError(
                "open_lockbox needs a lock-box; set lockbox_share, the share of the latest bars sealed away"
            )
        return UsableBars(whole)
    start = box.seal(family, whole.name, min(starts), now)
    if opens:
        return UsableBars(whole, family, start, True)
    return UsableBars(_load(parameters, settings, start.isoformat()), family, start)


def _sharing(box: LockBox, family: str, name: str) -> list[str]:
    """Return a family's sealed data sets of the same source that hold one of this one's symbols."""
    sealed = box.overview()
    source, symbols = _parts(name)
    kin = [(s, *_parts(s)) for s in sealed.loc[sealed["family"] == family, "series"]]
    return [s for s, other, held in kin if other == source and held & symbols]


def _parts(name: str) -> tuple[str, set[str]]:
    """Return source and symbols of a data set's name, ``source:timeframe:symbol+symbol``."""
    source, _, rest = name.partition(":")
    return source, set(rest.partition(":")[2].split("+"))


def _load(parameters: Any, settings: Settings, end: str) -> Dataset:
    return load_dataset(
        parameters.source, parameters.symbols, parameters.timeframe, parameters.start, end, settings=settings
    )


def _lockbox(settings: Settings) -> LockBox:
    from workbench.tracking import LockBox

    return LockBox(settings.experiments_dir / "lockbox.db")
