"""A model's parameters, from its source, the atlas, or a build: always an `Inventory`."""
