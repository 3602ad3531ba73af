"""Training code → facts: what names mean, what values are, where optimizers are built."""
