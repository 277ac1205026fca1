"""The command line: every command is one library call, imported only when the command runs."""

from scr_lens.cli.app import main

__all__ = ["main"]
