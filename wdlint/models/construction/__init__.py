"""Runs constructors of `nn.Module` classes abstractly: on their syntax, with values that may be unknown."""
