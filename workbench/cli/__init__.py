"""The command line: verbs over the rooms below, one clear line for a user's mistake."""

from workbench.cli.main import app, main

__all__ = ["app", "main"]
