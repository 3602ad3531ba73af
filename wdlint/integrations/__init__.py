"""Ready-made audits: in `transformers` and `lightning` for their trainers, in `pytest` for tests."""
