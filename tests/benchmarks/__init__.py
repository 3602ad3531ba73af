"""How long wdlint takes beside ruff, TorchFix and Fixit: `python -m tests.benchmarks --help`. Not a test."""
