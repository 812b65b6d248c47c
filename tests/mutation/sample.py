"""Keep a seeded random sample of a cosmic-ray session's mutants, report what became of them, or try survivors again.

``python tests/mutation/sample.py keep SESSION N SEED`` after ``cosmic-ray init``, ``… report SESSION`` after ``exec``,
``… again SESSION`` and ``exec`` once more after new tests.

Left out before the draw, since no test could or need notice them: decorators (compiled or not, a kernel is the same),
annotations, the bodies of ``warm``, exponents, shifts and bits put into arithmetic (they raise at once), identity put
for equality.
"""

from __future__ import annotations

import ast
import random
import re
import sys
from collections import Counter
from pathlib import Path

from cosmic_ray.work_db import WorkDB, use_db  # type: ignore[import-not-found]

ARITHMETIC = {"Add", "Sub", "Mul", "Div"}
BITS = {"BitOr", "BitAnd"}
Span = tuple[tuple[int, int], tuple[int, int]]


def sensible(operator: str) -> bool:
    """Tell whether an operator makes mutants that need a test to be found."""
    name = operator.removeprefix("core/")
    found = re.fullmatch(r"ReplaceBinaryOperator_(\w+)_(\w+)", name)
    if found:
        before, after = found.groups()
        return after in (BITS if before in BITS else ARITHMETIC)
    return name != "RemoveDecorator" and not re.search(
        r"_(Is|IsNot)$", name.replace("Is_IsNot", "").replace("IsNot_Is", "")
    )


def untested(path: Path) -> list[Span]:
    """Return where annotations, decorators and ``warm`` stand in a file."""
    nodes: list[ast.AST] = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef):
            nodes += [node] if node.name == "warm" else node.decorator_list
            nodes += [node.returns] if node.returns else []
        if isinstance(node, (ast.arg, ast.AnnAssign)) and node.annotation:
            nodes.append(node.annotation)
    return [((n.lineno, n.col_offset), (n.end_lineno, n.end_col_offset)) for n in nodes]  # type: ignore[attr-defined]


def keep(session: str, count: int, seed: int) -> None:
    """Leave ``count`` mutants in a session."""
    with use_db(session, WorkDB.Mode.open) as db:
        items = sorted(db.work_items, key=lambda i: (str(i.mutations[0].module_path), *key_of(i.mutations[0])))
        spans = {i.mutations[0].module_path: untested(i.mutations[0].module_path) for i in items}
        fit = [i for i in items if sensible(i.mutations[0].operator_name) and not inside(i.mutations[0], spans)]
        drawn = random.Random(seed).sample(fit, min(count, len(fit)))  # noqa: S311 -- no secret
        db.clear()
        db.add_work_items(drawn)
    print(f"{len(items)} mutants, {len(fit)} of them in question, {len(drawn)} drawn with seed {seed}")


def key_of(mutation) -> tuple:
    """Return what orders the mutants of a file."""
    return tuple(mutation.start_pos), mutation.operator_name, mutation.occurrence, repr(mutation.operator_args)


def inside(mutation, spans: dict[Path, list[Span]]) -> bool:
    """Tell whether a mutant changes a place that no test looks at."""
    return any(a <= tuple(mutation.start_pos) and tuple(mutation.end_pos) <= b for a, b in spans[mutation.module_path])


def report(session: str) -> None:
    """Print each survivor's change and the share killed."""
    counts: Counter[str] = Counter()
    with use_db(session, WorkDB.Mode.open) as db:
        outcome = {i.job_id: i.mutations[0] for i in db.work_items}
        for job, result in db.results:
            killed = result.is_killed
            counts["killed" if killed else "survived"] += 1
            if not killed:
                print(outcome[job].module_path, outcome[job].start_pos[0], outcome[job].operator_name)
                print("\n".join(line for line in (result.diff or "").splitlines() if re.match(r"[-+](?![-+])", line)))
    done = counts.total()
    share = f"{counts['killed'] / done:.1%}" if done else "none"
    print(f"{len(outcome)} drawn, {done} run, {counts['killed']} killed, {counts['survived']} survived: {share} killed")


def again(session: str) -> None:
    """Forget the survivors' results, so that they are run once more."""
    with use_db(session, WorkDB.Mode.open) as db:
        items, results = list(db.work_items), [(job, result) for job, result in db.results if result.is_killed]
        db.clear()
        db.add_work_items(items)
        for job, result in results:
            db.set_result(job, result)
    print(f"{len(items) - len(results)} of {len(items)} to run")


if __name__ == "__main__":
    if sys.argv[1] == "keep":
        keep(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    else:
        {"report": report, "again": again}[sys.argv[1]](sys.argv[2])
