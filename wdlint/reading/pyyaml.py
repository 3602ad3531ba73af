"""YAML as PyYAML reads it: a float needs a dot and a signed exponent, so that `1e-4` is a string."""

from __future__ import annotations

import re
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.nodes import ScalarNode

# the resolver of PyYAML's loaders, without its sexagesimal numbers
FLOAT = re.compile(
    r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+][0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)


class _Constructor(SafeConstructor):
    def construct_float(self, node: ScalarNode) -> float | str:
        return self.construct_yaml_float(node) if FLOAT.fullmatch(node.value) else str(node.value)


_Constructor.add_constructor("tag:yaml.org,2002:float", _Constructor.construct_float)


def load(content: str) -> Any:
    """The document. Raises what ruamel.yaml raises."""
    loader = YAML(typ="safe", pure=True)
    loader.version = (1, 1)
    loader.Constructor = _Constructor
    return loader.load(content)
