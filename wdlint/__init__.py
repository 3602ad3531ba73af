"""wdlint: a linter for weight decay in PyTorch training code."""

__version__ = "0.1.0"
