"""`python -m wdlint`."""

from wdlint.cli import program

program()
