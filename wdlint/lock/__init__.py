"""Who is decayed by how much, written down: `decay.lock` and the snapshots of tests, and what has moved since.

`decays` is what there is now, of a live model or one that was built; `rows` folds its names, `lockfile` writes and
reads them as TOML, `moved` compares.
"""
