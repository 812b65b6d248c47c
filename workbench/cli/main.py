"""``workbench``: the table of its verbs. Each verb's module loads when it is called, so ``--help`` is quick."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError, MissingArgumentError, Parameter

from workbench.errors import WorkbenchError

USER_MISTAKE = 2
_COMPUTING = ("reproduce", "compare", "search")
_DISK = (errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EPERM, errno.EDQUOT)

app = App(
    name="workbench",
    help="A quant research workbench: one notebook, three lives; honest by construction. Not financial advice.",
    version=lambda: __import__("workbench").__version__,
    help_format="plaintext",
    # no --no-json: an option that is off needs no word for it; nor has a default that is empty anything to show
    default_parameter=Parameter(
        negative="", show_default=lambda value: str(value) if value not in ("", (), False, None) else None
    ),
)
for verb, (where, about) in {
    "nightly": ("nightly:nightly", "Run every experiment and write the reports."),
    "run": ("nightly:run", "Run one notebook with checked parameters and write its report."),
    "reproduce": ("reproduce:reproduce", "Rebuild a finished run and compare every number, naming what changed."),
    "compare": ("compare:compare", "Say what differs between two runs, and how much of the profit each part explains."),
    "search": ("search:search", "Search a backtest's parameters on validation folds; every trial is counted."),
    "app": ("serve:serve_app", "Serve the notebooks as pages on 127.0.0.1."),
    "up": ("serve:up", "Start the pages, JupyterLab and the MLflow UI together."),
    "lab": ("serve:lab", "Open JupyterLab on the notebooks."),
    "doctor": ("doctor:doctor", "Check this installation and say how to mend it."),
}.items():
    app.command(f"workbench.cli.{where}", name=verb, help=about)

for noun, about in {
    "data": "Bring bars in, list, show and check them.",
    "features": "List the features and prove that none looks ahead.",
    "models": "List, promote and roll back registered models.",
    "runs": "List finished runs.",
}.items():
    app.command(f"workbench.cli.{noun}:app", name=noun, help=about)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 a job or check failed, 2 a user's mistake."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words and words[0] in _COMPUTING:
        os.environ.setdefault("OMP_NUM_THREADS", "1")  # as in a job: small fits on many threads wait for each other
    try:
        code = app(
            words,
            exit_on_error=False,
            print_error=False,
            result_action="return_value",
        )
    except CycloptsError as err:
        return _complain("UsageError", f"{_usage_line(err)} See '{_help_line(err)}'.", words)
    except WorkbenchError as err:
        return _complain(type(err).__name__, _one_line(str(err)), words)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader closed the pipe: nothing to say
        return 0
    except OSError as err:
        if err.errno not in _DISK:
            raise
        where = f"{err.filename}: " if err.filename else ""
        return _complain("DiskError", f"{where}{err.strerror}; free space or make the folder writable", words)
    except KeyboardInterrupt:
        return 130
    return code if isinstance(code, int) else 0


def _usage_line(err: CycloptsError) -> str:
    given = isinstance(err, MissingArgumentError) and (err.keyword or (err.argument and err.argument.tokens))
    if isinstance(err, MissingArgumentError) and err.argument is not None and not given:
        name = err.argument.names[0]
        return f"{name.removeprefix('--').upper() if err.argument.field_info.is_positional else name} is missing."
    return _one_line(str(err))


def _help_line(err: CycloptsError) -> str:
    return " ".join(["workbench", *(err.command_chain or ()), "--help"])


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _complain(kind: str, line: str, words: Sequence[str]) -> int:
    """Say one line on standard error; with ``--json`` the one document on standard output says it too."""
    print(f"workbench: {kind}: {line}", file=sys.stderr)
    if "--json" in words:
        from workbench.cli.output import print_json

        print_json({"error": kind, "message": line})
    return USER_MISTAKE


def run_and_exit() -> None:
    """Entry point of the console script."""
    sys.exit(main())
