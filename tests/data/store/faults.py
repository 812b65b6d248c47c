"""Faults at chosen steps of writes: a process that imports everything once, then forks a child for each fault.

Prints one JSON document. ``python faults.py steps EVERY | full EVERY | kills COUNT | writers SECONDS``: at every n-th
step of all scenarios a kill, or a disk without space; random kills beside a reader; eight writers of one series.
"""

from __future__ import annotations

import errno
import json
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from workbench.data import BarStore, RecordStore, content_hash, synthetic_market
from workbench.data.store import image, imagefile, repairing, table, verifying, writing  # noqa: F401  # before any fork
from workbench.errors import WorkbenchError

SERIES = ("x", "A", "1m")
BATCH = 40
BARS, _ = synthetic_market("gbm(seed=21, n_bars=60000)", ["A"], "1m")
TIMES = BARS.index.as_unit("us").asi8

# ---------------------------------------------------------------- the hook

CALLS = ("open", "write", "pwrite", "fsync", "replace", "rename", "link", "unlink", "ftruncate", "truncate", "mkdir")
WRITES = ("write", "pwrite")


class Faults:
    """Counts the calls that change files, and does something at a chosen one."""

    def __init__(self, at: int = 0, then: Callable[[], None] | None = None, half: bool = False) -> None:
        self.at, self.then, self.half = at, then, half
        self.count = 0
        self.seen: list[str] = []

    def wrapped(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def hooked(*args: Any, **named: Any) -> Any:
            if name == "open" and not args[1] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                return call(*args, **named)
            self.count += 1
            self.seen.append(name)
            if self.count == self.at and self.then is not None:
                if self.half and name in WRITES:
                    call(args[0], bytes(args[1])[: max(1, len(args[1]) // 2)], *args[2:])
                self.then()
            return call(*args, **named)

        return hooked

    @contextmanager
    def __call__(self) -> Iterator[Faults]:
        real = {name: getattr(os, name) for name in CALLS}
        write_bytes = pathlib.Path.write_bytes
        for name, call in real.items():
            setattr(os, name, self.wrapped(name, call))
        pathlib.Path.write_bytes = _write_bytes  # type: ignore[method-assign]  # its write is not Python's to hook
        try:
            yield self
        finally:
            for name, call in real.items():
                setattr(os, name, call)
            pathlib.Path.write_bytes = write_bytes  # type: ignore[method-assign]  # as it was


def _write_bytes(self: Path, data: bytes) -> int:
    handle = os.open(self, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(handle, view) :]
    finally:
        os.close(handle)
    return len(data)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def no_space() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


# ---------------------------------------------------------------- scenarios: what is there, what is done


def put(root: Path, bars: pd.DataFrame, mode: str = "merge") -> None:
    BarStore(root).write(*SERIES, bars, mode)  # type: ignore[arg-type]  # a mode


def append(root: Path) -> None:
    put(root, BARS.iloc[300:340], "append")


def merge(root: Path) -> None:
    put(root, BARS.iloc[:340])


def replace(root: Path) -> None:
    put(root, BARS.iloc[1000:1100], "replace")


def revised() -> pd.DataFrame:
    better = BARS.iloc[:300].copy()
    better.iloc[150:160] *= 1.01
    return better


def revise(root: Path) -> None:
    put(root, revised().iloc[150:160], "revise")


def first(root: Path) -> None:
    put(root, BARS.iloc[:300])


def read(root: Path) -> None:
    BarStore(root).read(*SERIES)


def repair(root: Path) -> None:
    BarStore(root).repair(*SERIES)


TRADES = pd.DataFrame(
    {"id": [str(i) for i in range(400)], "price": 1.0, "amount": 2.0, "side": "buy"},
    index=pd.DatetimeIndex(pd.to_datetime(np.arange(400) // 3, unit="s", utc=True), name="time").as_unit("us"),
)


def trades(root: Path) -> None:
    RecordStore(root).write("trades", "x", "A", TRADES.iloc[200:400])


def stored(root: Path) -> None:
    """Three versions; one file lies at the front, so that a merge rewrites; an image is there."""
    put(root, BARS.iloc[100:200])
    put(root, BARS.iloc[220:300])
    BarStore(root).read(*SERIES)


def whole(root: Path) -> None:
    put(root, BARS.iloc[:200])
    put(root, BARS.iloc[200:300], "append")
    BarStore(root).read(*SERIES)


def behind(root: Path) -> None:
    whole(root)
    BarStore(root, image=False).write(*SERIES, BARS.iloc[300:340])


def without_image(root: Path) -> None:
    BarStore(root, image=False).write(*SERIES, BARS.iloc[:300])


def many(root: Path) -> None:
    """As many small files as the next append gathers."""
    for i in range(0, 300, 10):
        BarStore(root, image=False).write(*SERIES, BARS.iloc[i : i + 10], "append")
    BarStore(root).read(*SERIES)


def torn(root: Path) -> None:
    whole(root)
    path = root / "x" / "1m" / "A" / "_delta_log" / f"{2:020d}.json"
    path.write_bytes(path.read_bytes()[:300])


def some_trades(root: Path) -> None:
    RecordStore(root).write("trades", "x", "A", TRADES.iloc[:200])


def nothing(root: Path) -> None:
    root.mkdir(parents=True, exist_ok=True)


SCENARIOS: dict[str, tuple[Callable[[Path], None], Callable[[Path], None]]] = {
    "first": (nothing, first),
    "append": (whole, append),
    "gather": (many, append),
    "merge": (stored, merge),
    "replace": (whole, replace),
    "revise": (whole, revise),
    "image": (without_image, read),
    "catch up": (behind, read),
    "records": (some_trades, trades),
    "repair": (torn, repair),
}


def state_of(root: Path) -> str:
    """Return the content of the newest version; it must be the same with and without the image."""
    if (root / "trades").is_dir():
        frame = RecordStore(root).read("trades", "x", "A")
        return f"{len(frame)} {frame['id'].tolist() == TRADES['id'].tolist()[: len(frame)]}"
    if not BarStore(root).has(*SERIES):
        return "nothing"
    plain = content_hash(BarStore(root, image=False).read(*SERIES))
    imaged = content_hash(BarStore(root).read(*SERIES))
    return plain if plain == imaged else f"image differs: {plain} {imaged}"


def statuses(root: Path) -> set[str]:
    store = RecordStore(root) if (root / "trades").is_dir() else BarStore(root)
    return set(store.verify()["status"])


# ---------------------------------------------------------------- a kill or a full disk at every step


def steps_of(scenario: str, base: Path) -> tuple[Path, list[str], str, str]:
    """Return a template, the steps of the scenario's write, and the states before and after it."""
    prepare, act = SCENARIOS[scenario]
    template = base / "template"
    prepare(template)
    trial = base / "trial"
    shutil.copytree(template, trial)
    before = "damaged" if scenario == "repair" else state_of(trial)
    shutil.rmtree(trial)
    shutil.copytree(template, trial)
    with Faults()() as faults:
        act(trial)
    after = state_of(trial)
    shutil.rmtree(trial)
    return template, faults.seen, before, after


def in_child(work: Callable[[int], None]) -> tuple[int, bytes]:
    """Run something in a forked child that may be killed; return its status and what it said."""
    ours, theirs = os.pipe()
    child = os.fork()
    if not child:
        os.close(ours)
        try:
            work(theirs)
            os._exit(0)
        except BaseException as err:  # noqa: BLE001  # a child never returns into its parent's code
            sys.stderr.write(f"child: {type(err).__name__}: {err}\n")
            os._exit(3)
    os.close(theirs)
    with os.fdopen(ours, "rb") as stream:
        said = stream.read()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), said


def kill_steps(scenario: str, every: int, offset: int) -> dict[str, Any]:
    act = SCENARIOS[scenario][1]
    base = Path(tempfile.mkdtemp())
    template, seen, before, after = steps_of(scenario, base)
    points = [(n, half) for n, name in enumerate(seen, 1) for half in ((False, True) if name in WRITES else (False,))]
    points.append((len(seen) + 1, False))
    bad: list[str] = []
    tried: Counter[str] = Counter()
    for number, (at, half) in enumerate(points):
        if number % every != offset % every and at <= len(seen):
            continue
        root = base / "trial"
        shutil.copytree(template, root)

        def work(pipe: int, at: int = at, half: bool = half, root: Path = root) -> None:
            with Faults(at, die, half)():
                act(root)
            os.write(pipe, b"done")

        code, said = in_child(work)
        tried[seen[at - 1] if at <= len(seen) else "end"] += 1
        where = f"{scenario} step {at} of {len(seen)} ({seen[at - 1] if at <= len(seen) else 'end'}, half={half})"
        if code not in (0, -signal.SIGKILL):
            bad.append(f"{where}: child ended with {code}")
        bad += [f"{where}: {w}" for w in wrong_after(scenario, root, before, after, acknowledged=said == b"done")]
        shutil.rmtree(root)
    shutil.rmtree(base)
    return {"points": sum(tried.values()), "steps": len(seen), "by call": tried, "bad": bad}


def wrong_after(scenario: str, root: Path, before: str, after: str, *, acknowledged: bool) -> list[str]:
    """Say what is wrong after a fault: the state must be the one before or after, and the next try must work."""
    wrong = []
    try:
        state = state_of(root)
    except WorkbenchError as err:
        state = "damaged" if scenario == "repair" else f"unreadable: {err}"
    if state not in (before, after) or (acknowledged and state != after):
        wrong.append(f"state {state[:200]}, before {before[:16]}, after {after[:16]}, acknowledged {acknowledged}")
    if scenario != "repair" and not statuses(root) <= {"sound", "leftovers"}:
        wrong.append(f"verify says {statuses(root)}")
    SCENARIOS[scenario][1](root)
    if state_of(root) != after:
        wrong.append("the next try does not reach the state after")
    if scenario == "repair" and not statuses(root) <= {"sound", "leftovers"}:
        wrong.append(f"after the repair verify says {statuses(root)}")
    return wrong


def fill_steps(scenario: str, every: int) -> dict[str, Any]:
    """No space is left at the n-th step: one line, the old version whole, the next try works."""
    act = SCENARIOS[scenario][1]
    base = Path(tempfile.mkdtemp())
    template, seen, before, after = steps_of(scenario, base)
    bad: list[str] = []
    refused = points = 0
    for at in range(1, len(seen) + 1, every):
        points += 1
        root = base / "trial"
        shutil.copytree(template, root)
        told = ""
        with Faults(at, no_space)():
            try:
                act(root)
            except WorkbenchError as err:
                told = str(err)
        where = f"{scenario} step {at} of {len(seen)} ({seen[at - 1]})"
        refused += bool(told)
        if told and ("\n" in told or "cannot" not in told):
            bad.append(f"{where}: said {told!r}")
        bad += [f"{where}: {w}" for w in wrong_after(scenario, root, before, after, acknowledged=not told)]
        shutil.rmtree(root)
    shutil.rmtree(base)
    return {"points": points, "refused": refused, "bad": bad}


# ---------------------------------------------------------------- random kills with a reader


def write_on(root: Path, pipe: int) -> None:
    """Append batches, and now and then rewrite; say each version that was acknowledged."""
    store = BarStore(root)
    rows = len(store.read(*SERIES)) if store.has(*SERIES) else 0
    os.write(pipe, b"%d\n" % rows)
    while rows < len(BARS):
        rows += BATCH
        number = rows // BATCH
        if number % 7 == 0:
            store.write(*SERIES, BARS.iloc[max(0, rows - 5 * BATCH) : rows], "revise")
        elif number % 11 == 0:
            store.write(*SERIES, BARS.iloc[:rows], "replace")
        else:
            store.write(*SERIES, BARS.iloc[rows - BATCH : rows], "append")
        os.write(pipe, b"%d\n" % rows)


def is_prefix(bars: pd.DataFrame) -> bool:
    return len(bars) % BATCH == 0 and content_hash(bars) == content_hash(BARS.iloc[: len(bars)])


def read_on(root: Path, pipe: int, stop: Path) -> None:
    """Read again and again; say how many reads there were and what was wrong."""
    reads = wrong = last = 0
    while not stop.exists():
        for store in (BarStore(root), BarStore(root, image=False)):
            if store.has(*SERIES):
                bars = store.read(*SERIES)
                reads += 1
                wrong += not is_prefix(bars) or len(bars) < last
                last = len(bars)
    os.write(pipe, json.dumps({"reads": reads, "wrong": int(wrong)}).encode())


def random_kills(count: int) -> dict[str, Any]:
    base = Path(tempfile.mkdtemp())
    root, stop = base / "bars", base / "stop"
    rng = np.random.default_rng(5)
    writing.MOST_PARTS = 40
    table.PART_ROWS = 1000
    ours, theirs = os.pipe()
    reader = os.fork()
    if not reader:
        try:
            read_on(root, theirs, stop)
            os._exit(0)
        except BaseException as err:  # noqa: BLE001  # told by the exit code
            sys.stderr.write(f"reader: {type(err).__name__}: {err}\n")
            os._exit(3)
    os.close(theirs)
    bad: list[str] = []
    killed = lost = acknowledged_rows = 0
    for number in range(count):
        pipe_in, pipe_out = os.pipe()
        writer = os.fork()
        if not writer:
            try:
                write_on(root, pipe_out)
                os._exit(0)
            except BaseException as err:  # noqa: BLE001  # told by the exit code
                sys.stderr.write(f"writer: {type(err).__name__}: {err}\n")
                os._exit(3)
        os.close(pipe_out)
        with os.fdopen(pipe_in, "rb") as stream:
            said = [int(stream.readline()) for _ in range(int(rng.integers(1, 5)))]
            time.sleep(float(rng.uniform(0.0, 0.04)))  # somewhere in the next write or two
            os.kill(writer, signal.SIGKILL)
            said += [int(line) for line in stream.read().split(b"\n")[:-1]]
        code = os.waitstatus_to_exitcode(os.waitpid(writer, 0)[1])
        killed += code == -signal.SIGKILL
        if code not in (0, -signal.SIGKILL):
            bad.append(f"writer {number} ended with {code}")
        acknowledged_rows = max([acknowledged_rows, *said])
        store = BarStore(root)
        rows = len(store.read(*SERIES)) if store.has(*SERIES) else 0
        lost += rows < acknowledged_rows
        if rows and not is_prefix(BarStore(root, image=False).read(*SERIES)):
            bad.append(f"after kill {number} the bars are not those that were written")
    stop.touch()
    with os.fdopen(ours, "rb") as stream:
        seen = json.loads(stream.read() or b"{}")
    code = os.waitstatus_to_exitcode(os.waitpid(reader, 0)[1])
    if code:
        bad.append(f"the reader ended with {code}")
    told = BarStore(root).verify()["status"].iloc[0]
    if told not in ("sound", "leftovers"):
        bad.append(f"verify says {told}")
    versions = BarStore(root).newest_version(*SERIES)
    shutil.rmtree(base)
    return {"kills": killed, "rows": acknowledged_rows, "versions": versions, "lost": lost, "bad": bad, **seen}


# ---------------------------------------------------------------- eight writers


def eight_writers(seconds: float) -> dict[str, Any]:
    base = Path(tempfile.mkdtemp())
    until = time.monotonic() + seconds
    table.PART_ROWS = 2000
    pipes, children = [], []
    for who in range(8):
        ours, theirs = os.pipe()
        child = os.fork()
        if not child:
            try:
                store, batch = BarStore(base / "bars"), who
                while time.monotonic() < until:
                    store.write(*SERIES, BARS.iloc[batch * 10 : batch * 10 + 10])
                    os.write(theirs, b"%d\n" % batch)
                    batch += 8
                os._exit(0)
            except BaseException as err:  # noqa: BLE001  # told by the exit code
                sys.stderr.write(f"writer {who}: {type(err).__name__}: {err}\n")
                os._exit(3)
        os.close(theirs)
        pipes.append(ours)
        children.append(child)
    batches: list[list[int]] = []
    for pipe in pipes:
        with os.fdopen(pipe, "rb") as stream:
            batches.append([int(line) for line in stream.read().split(b"\n")[:-1]])
    codes = [os.waitstatus_to_exitcode(os.waitpid(c, 0)[1]) for c in children]
    wanted = sorted(r for own in batches for b in own for r in range(b * 10, b * 10 + 10))
    results = [s.read(*SERIES) for s in (BarStore(base / "bars"), BarStore(base / "bars", image=False))]
    right = [content_hash(bars) == content_hash(BARS.iloc[wanted]) for bars in results]
    versions = BarStore(base / "bars").newest_version(*SERIES)
    shutil.rmtree(base)
    writes = [len(own) for own in batches]
    return {"writes": writes, "versions": versions, "codes": codes, "right": right, "rows": len(wanted)}


def warm_up() -> None:
    """Load what writes and reads load, so that a forked child is at work at once."""
    with tempfile.TemporaryDirectory() as folder:
        whole(Path(folder))
        state_of(Path(folder))


def main(what: str, argument: str) -> None:
    said: dict[str, Any]
    warm_up()
    if what == "kills":
        said = random_kills(int(argument))
    elif what == "writers":
        said = eight_writers(float(argument))
    else:
        writing.MOST_PARTS = 30
        every = int(argument)
        if what == "full":
            said = {name: fill_steps(name, every) for name in SCENARIOS}
        else:
            said = {name: kill_steps(name, every, n) for n, name in enumerate(SCENARIOS)}
    print(json.dumps(said))


if __name__ == "__main__":
    main(*sys.argv[1:])
