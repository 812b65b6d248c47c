"""A process that writes to a bar store until it is killed; it acknowledges each version on standard output."""

from __future__ import annotations

import sys
from pathlib import Path

from workbench.data import BarStore, synthetic_market

SPEC = "gbm(seed=21, n_bars=40000)"
BATCH = 40


def main(root: str, timeframe: str) -> None:
    bars, _ = synthetic_market(SPEC, ["A"], timeframe)
    store = BarStore(Path(root))
    stored = len(store.read("import", "A", timeframe)) if store.has("import", "A", timeframe) else 0
    print("ready", flush=True)
    while stored < len(bars):
        stored += BATCH
        # Every fourth write rewrites the whole series; the others add a file.
        part = bars.iloc[:stored] if stored // BATCH % 4 == 0 else bars.iloc[stored - BATCH : stored]
        version = store.write("import", "A", timeframe, part, "replace" if len(part) == stored else "append")
        print(version, stored, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
