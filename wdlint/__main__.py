"""`python -m wdlint`."""

from wdlint.cli import main

main()
