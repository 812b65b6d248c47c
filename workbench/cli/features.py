"""``workbench features``."""

from __future__ import annotations

from cyclopts import App

from workbench.cli.output import print_json, show

app = App(name="features")


@app.command(name="list")
def list_(*, json: bool = False) -> None:
    """List the registered features with family, parameters and warm-up.

    Parameters
    ----------
    json
        Print one JSON document.
    """
    from workbench.features import list_features

    table = list_features()
    show(table if json else table.drop(columns=["code_hash", "references"], errors="ignore"), as_json=json)


@app.command
def check(*, seed: int = 0, json: bool = False) -> int:
    """Prove on a seeded market that no registered feature looks ahead; exit code 1 when one does.

    Parameters
    ----------
    seed
        Seed of the market and of the random cuts.
    json
        Print one JSON document.
    """
    from workbench.data import load_bars
    from workbench.features import check_all

    bars = load_bars(f"regimes(seed={seed}, n_bars=1500)", ["A", "B"], "1h")
    results = check_all(bars, seed=seed)
    if json:
        print_json([{"feature": name, "ok": ok, "message": message} for name, ok, message in results])
    else:
        for name, ok, message in results:
            print(f"{name}: ok" if ok else f"{name}: {message}")
    return 0 if all(ok for _, ok, _ in results) else 1
