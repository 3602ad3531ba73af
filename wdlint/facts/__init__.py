"""What rules are called with: optimizers as they are built, losses, iterators, schedules, declarations."""
