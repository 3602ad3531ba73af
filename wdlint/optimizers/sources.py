"""Packages as text: what a class's constructor takes, what its groups may hold, and the paths that import it."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path

from wdlint.records import dataclass


@dataclass(frozen=True)
class Class:
    """A class statement and the module it stands in."""

    module: str
    node: ast.ClassDef

    @property
    def path(self) -> str:
        """Where the class is defined."""
        return f"{self.module}.{self.node.name}"

    @cached_property
    def constructor(self) -> ast.FunctionDef | None:
        """Its own `__init__`, None where it is inherited."""
        for statement in self.node.body:
            if isinstance(statement, ast.FunctionDef) and statement.name == "__init__":
                return statement
        return None


class Sources:
    """Packages as text: modules are parsed on demand, names followed through imports."""

    def __init__(self, *folders: Path) -> None:
        self.folders = folders  # as on sys.path: the first that has a module counts
        self._files: dict[str, Path | None] = {}
        self._names: dict[str, dict[str, str | ast.ClassDef]] = {}

    def file(self, module: str) -> Path | None:
        """The file of a module or package."""
        if module not in self._files:
            bases = [folder.joinpath(*module.split(".")) for folder in self.folders]
            candidates = (file for base in bases for file in (base / "__init__.py", base.with_name(base.name + ".py")))
            self._files[module] = next((each for each in candidates if each.is_file()), None)
        return self._files[module]

    def is_package(self, module: str) -> bool:
        """Whether the module is a folder with an `__init__.py`."""
        file = self.file(module)
        return file is not None and file.name == "__init__.py"

    def names(self, module: str) -> Mapping[str, str | ast.ClassDef]:
        """What a module's top level binds: class statements, and the paths of what it imports or renames."""
        if module not in self._names:
            self._names[module] = {}  # a module that star-imports itself sees nothing
            file = self.file(module)
            if file is not None:
                package = module if self.is_package(module) else module.rpartition(".")[0]
                body = ast.parse(file.read_text("utf-8")).body
                self._names[module].update(self._bound(body, module, package))
        return self._names[module]

    def _bound(self, body: Iterable[ast.stmt], module: str, package: str) -> Iterator[tuple[str, str | ast.ClassDef]]:
        for statement in body:
            match statement:
                case ast.ClassDef(name=name):
                    yield name, statement
                case ast.Import(names=names):
                    for alias in names:
                        head = alias.name.partition(".")[0]
                        yield (alias.asname, alias.name) if alias.asname else (head, head)
                case ast.ImportFrom(names=names, level=level):
                    parts = package.split(".")
                    origin = ".".join([*parts[: len(parts) - level + 1], *filter(None, [statement.module])])
                    if level == 0:
                        origin = statement.module or ""
                    for alias in names:
                        if alias.name == "*":
                            public_names = (n for n in self.names(origin) if not n.startswith("_"))
                            yield from ((name, f"{origin}.{name}") for name in public_names)
                        else:
                            yield alias.asname or alias.name, f"{origin}.{alias.name}"
                case ast.Assign(targets=[ast.Name(id=name)], value=ast.Name() | ast.Attribute()):
                    yield name, f"{module}.{ast.unparse(statement.value)}"
                case ast.If() | ast.Try():
                    handlers = getattr(statement, "handlers", [])
                    # The first way of several stands: a fallback for a missing import never replaces it.
                    rest = [*statement.orelse, *(s for handler in handlers for s in handler.body)]
                    yield from dict([*self._bound(rest, module, package),
                                     *self._bound(statement.body, module, package)]).items()  # fmt: skip

    def find(self, path: str, depth: int = 0) -> Class | None:
        """The class that an import path leads to."""
        module, _, rest = path.rpartition(".")
        if not module or depth > 20:
            return None
        while module and self.file(module) is None:
            module, _, head = module.rpartition(".")
            rest = f"{head}.{rest}"
        head, _, tail = rest.partition(".")
        match self.names(module).get(head) if module else None:
            case ast.ClassDef() as node if not tail:
                return Class(module, node)
            case str(target) if target != path:
                return self.find(f"{target}.{tail}" if tail else target, depth + 1)
        return None

    def lineage(self, found: Class) -> Iterator[Class]:
        """The class and its bases, as far as their source is here, torch's Optimizer left out."""
        yield found
        for base in found.node.bases:
            written = ast.unparse(base.value if isinstance(base, ast.Subscript) else base)
            parent = self.find(f"{found.module}.{written}")
            if parent is not None and parent.path not in (found.path, "torch.optim.optimizer.Optimizer"):
                yield from self.lineage(parent)

    def exports(self, packages: Iterable[str]) -> dict[str, set[str]]:
        """Where a class is defined → every path that imports it: that one, and those of the packages."""
        paths: dict[str, set[str]] = {}
        for package in packages:
            for name in self.names(package):
                found = self.find(f"{package}.{name}")
                if found is not None:
                    paths.setdefault(found.path, {found.path}).add(f"{package}.{name}")
        return paths


def constructor(sources: Sources, found: Class) -> tuple[ast.FunctionDef, bool] | None:
    """The `__init__` that takes the call, and whether it or one before it takes more than it names."""
    extra = False
    for each in sources.lineage(found):
        if each.constructor is not None:
            arguments = each.constructor.args
            extra = extra or arguments.vararg is not None or arguments.kwarg is not None
            if len(arguments.posonlyargs + arguments.args) > 1 or arguments.vararg is None:
                return each.constructor, extra
    return None


def signature(function: ast.FunctionDef) -> tuple[list[str], dict[str, ast.expr]]:
    """The positional parameters after `self`, and every parameter's default."""
    arguments = function.args
    positional = [each.arg for each in arguments.posonlyargs + arguments.args]
    defaults = dict(zip(reversed(positional), reversed(arguments.defaults), strict=False))
    keyword_only = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    defaults |= {argument.arg: default for argument, default in keyword_only if default is not None}
    return positional[1:], defaults


def number(expression: ast.expr | None) -> float | None:
    """A literal number; None for anything else."""
    match expression:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return float(value)
    return None


def _literal_keys(value: ast.expr) -> Iterator[str]:
    match value:
        case ast.Dict(keys=keys):
            constants = (key.value for key in keys if isinstance(key, ast.Constant))
            yield from (value for value in constants if isinstance(value, str))
        case ast.Call(func=ast.Name(id="dict"), keywords=keywords):
            yield from (keyword.arg for keyword in keywords if keyword.arg is not None)


def default_keys(function: ast.FunctionDef) -> set[str]:
    """The keys of the `defaults` that a constructor passes on to its base.

    Those are the dicts that `super().__init__(...)` is given, by name or written out; a constructor that
    collects `locals()` makes a key of every parameter.
    """
    passed: set[str] = set()
    keys: set[str] = set()
    for node in ast.walk(function):
        match node:
            case ast.Call(func=ast.Attribute(attr="__init__"), args=args, keywords=keywords):
                for value in [*args, *(keyword.value for keyword in keywords)]:
                    if isinstance(value, ast.Name):
                        passed.add(value.id)
                    keys.update(_literal_keys(value))
            case ast.Call(func=ast.Name(id="locals")):
                keys.update(signature(function)[0][1:], (each.arg for each in function.args.kwonlyargs))
    for node in ast.walk(function):
        match node:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=ast.expr() as value)
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
            ) if name in passed:
                keys.update(_literal_keys(value))
            case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=str(key)), ctx=ast.Store()) if (
                name in passed
            ):
                keys.add(key)
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="update"), args=args, keywords=keywords) if (
                name in passed
            ):
                keys.update(keyword.arg for keyword in keywords if keyword.arg is not None)
                keys.update(key for value in args for key in _literal_keys(value))
    return keys


def group_keys(found: Class) -> set[str]:
    """The keys that a class's methods ask of a parameter group: some are never in `defaults`."""
    keys: set[str] = set()
    for node in ast.walk(found.node):
        match node:
            case (
                ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=str(key)))
                | ast.Call(
                    func=ast.Attribute(value=ast.Name(id=name), attr="get" | "setdefault"),
                    args=[ast.Constant(value=str(key)), *_],
                )
                | ast.Compare(
                    left=ast.Constant(value=str(key)),
                    ops=[ast.In() | ast.NotIn()],
                    comparators=[ast.Name(id=name)],
                )
            ) if name in ("group", "param_group"):
                keys.add(key)
    return keys
