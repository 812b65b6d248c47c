"""``python -m workbench`` is the command line."""

from workbench.cli.main import run_and_exit

run_and_exit()
