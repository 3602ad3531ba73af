"""Where wdlint keeps what it measured and found."""

from __future__ import annotations

import os
import sys

SAVED = "optimizers.toml"
"""In that folder: the optimizer classes that `wdlint probe --save` has measured."""


def user_cache() -> str:
    """The folder of the user's cache that is wdlint's: by platformdirs, which takes long to load where it is simple."""
    if sys.platform != "linux":
        from platformdirs import user_cache_dir

        return user_cache_dir("wdlint", appauthor=False)
    base = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(base):
        base = os.path.expanduser("~/.cache")
    return os.path.join(base, "wdlint")
