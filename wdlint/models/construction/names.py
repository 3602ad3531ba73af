"""What names mean: local, closed over, the module's own, imported."""

from __future__ import annotations

import ast
import builtins
import math
import re
from pathlib import Path

from wdlint.models.construction import calling, expressions
from wdlint.models.construction.containers import items
from wdlint.models.construction.layers import canonical
from wdlint.models.construction.machine import Exhausted, Machine, Raised
from wdlint.models.construction.things import (
    MISSING,
    Bound,
    Choice,
    Class,
    Environment,
    External,
    Function,
    Given,
    Opaque,
    Package,
    Table,
    Value,
    join,
    options,
)
from wdlint.reading.evaluate import defines
from wdlint.reading.imports import source_file, starred, submodule_file
from wdlint.reading.tree import Binding, Module, reaching, walk

HARMLESS = frozenset(
    [
        "abc",
        "argparse",
        "ast",
        "atexit",
        "builtins",
        "collections",
        "contextlib",
        "copy",
        "dataclasses",
        "datetime",
        "enum",
        "errno",
        "functools",
        "gc",
        "glob",
        "hashlib",
        "importlib",
        "inspect",
        "io",
        "itertools",
        "json",
        "logging",
        "loguru",
        "math",
        "multiprocessing",
        "numbers",
        "numpy",
        "omegaconf",
        "operator",
        "os",
        "packaging",
        "pathlib",
        "pickle",
        "platform",
        "pprint",
        "random",
        "re",
        "scipy",
        "shutil",
        "signal",
        "string",
        "struct",
        "subprocess",
        "sys",
        "tempfile",
        "textwrap",
        "threading",
        "time",
        "traceback",
        "tqdm",
        "types",
        "typing",
        "typing_extensions",
        "uuid",
        "warnings",
        "wandb",
        "yaml",
        "tensorboard",
        "tensorboardX",
        "PIL",
        "cv2",
        "h5py",
        "absl",
        "rich",
        "pandas",
        "matplotlib",
        "seaborn",
    ]
)
CONSTANTS: dict[str, Value] = {"math.pi": math.pi, "math.e": math.e, "math.inf": math.inf, "numpy.pi": math.pi}
MOST_DECORATED = 100  # definitions whose decorators are run
# an indented statement that puts something into a dict
_FILLED = r"^[ \t]+(?:%s\[[^\]\n]*\]\s*=[^=]|%s\.(?:update|setdefault)\()"
BUILTINS = frozenset(name for name in dir(builtins) if not name.startswith("_"))


def external(path: str) -> Value:
    """Something outside the project."""
    return CONSTANTS[path] if path in CONSTANTS else External(canonical(path))


def lookup(machine: Machine, name: str, env: Environment) -> Value:
    """The value of a name."""
    here: Environment | None = env
    while here is not None:
        if name in here.slots:
            value = here.slots[name]
            return join(options(value)) if isinstance(value, Choice) and MISSING in value.options else value
        here = here.outer
    return of_module(machine, env.module, name)


def of_module(machine: Machine, module: Module, name: str) -> Value:
    """A name of a module, as functions of it see it."""
    key = (id(module), name)
    if key not in machine.globals:
        machine.globals[key] = Opaque(f"`{name}` depends on itself")
        journal, machine.journal = machine.journal, None
        try:
            machine.globals[key] = _of_module(machine, module, name)
        except Exhausted:
            del machine.globals[key]
            raise
        finally:
            machine.journal = journal
    return machine.globals[key]


def _of_module(machine: Machine, module: Module, name: str) -> Value:
    bindings, _ = module.leaving(module.tree, name)
    if bindings:
        own = bindings[0]
        if own.kind == "assign" and own.value is not None and _mentions(own.value, name):
            before, _ = reaching(module, module.tree, name, own.node)  # `X = decorated(X)`
            if before:
                machine.globals[(id(module), name)] = bound(machine, before, machine.environment(module))
        value = bound(machine, bindings, machine.environment(module))
        _mutate(machine, module, name, value)
        if isinstance(value, Table) and re.search(_FILLED % ((re.escape(name),) * 2), module.source.text, re.MULTILINE):
            value.open = True  # a registry that functions fill: decorators, mostly
            machine.globals[(id(module), name)] = value
            for node in module.tree.body:
                _register(machine, module, node, module)
            if machine.subject is not None:
                _register(machine, *machine.subject, module)
        return value
    for function in module.globals.get(name, ()):
        return Opaque(f"`{name}` is set by `{function.name}`")
    if "import *" in module.source.text:
        found = starred(machine.evaluator.project, module.path.absolute(), name)
        match found:
            case Path():
                other = machine.evaluator.project.module(found)
                if other is not None and other is not module:
                    return of_module(machine, other, name)
            case str() if name not in BUILTINS:
                return external(f"{found}.{name}")
    if name in BUILTINS:
        return External(f"builtins.{name}")
    if name in ("__file__", "__doc__"):
        return Opaque(name)
    if name == "__name__":
        return module.name
    return Opaque(f"`{name}` is not defined here")


def _register(machine: Machine, module: Module, node: ast.AST, registry: Module) -> None:
    """Run the decorators of a definition that are functions of a registry's module, once: they may put it there."""
    if not isinstance(node, ast.ClassDef | ast.FunctionDef) or not node.decorator_list or id(node) in machine.decorated:
        return
    if len(machine.decorated) >= MOST_DECORATED:
        return
    machine.decorated.add(id(node))
    env = machine.environment(module)
    made: Value = (
        function(node, env) if isinstance(node, ast.FunctionDef) else project_class(machine, module, node, env)
    )
    for decorator in reversed(node.decorator_list):
        try:
            found = expressions.evaluate(machine, decorator, env)
            decorates = found.function if isinstance(found, Bound) else found
            if isinstance(decorates, Function) and decorates.module is registry:
                calling.call(machine, found, Given((made,)))
        except Raised:
            continue


def _mentions(value: ast.expr, name: str) -> bool:
    return any(isinstance(node, ast.Name) and node.id == name for node in walk(value))


def _mutate(machine: Machine, module: Module, name: str, value: Value) -> None:
    """Let the module's own statements change a dict or list of its own: `REGISTRY["x"] = X`."""
    from wdlint.models.construction.statements import _simple

    for statement in module.mutations(module.tree).get(name, ()):
        machine.globals[(id(module), name)] = value
        try:
            if isinstance(statement, ast.Assign | ast.Expr):
                _simple(machine, statement, machine.environment(module))
        except Raised:
            continue


def bound(machine: Machine, bindings: list[Binding], env: Environment, owner: Class | None = None) -> Value:
    """What bindings give a name: one of them."""
    found: list[Value] = []
    for binding in bindings:
        try:
            found.append(_binding(machine, binding, env, owner))
        except Raised as error:
            found.append(Opaque(str(error)))
    real = [value for value in found if value is not None]
    # `try: import x` / `except ImportError: x = None`, and two definitions of which one is used
    return join(found) if real else None


def _binding(machine: Machine, binding: Binding, env: Environment, owner: Class | None) -> Value:
    from wdlint.models.construction.statements import _unpacked

    match binding.kind, binding.node:
        case "assign", _:
            assert binding.value is not None
            value = expressions.evaluate(machine, binding.value, env)
            for index in binding.path:
                parts = _unpacked(value, [ast.Name("_")] * (index + 1)) if index >= 0 else []
                found = items(value)
                value = (
                    found[index]
                    if found is not None and -len(found) <= index < len(found)
                    else parts[index]
                    if parts
                    else Opaque("an item")
                )
            return value
        case "def", ast.ClassDef() as node:
            return project_class(machine, env.module, node, env)
        case "def", ast.FunctionDef() | ast.AsyncFunctionDef() as node:
            return function(node, env, owner)
        case "import", ast.Import():
            assert binding.alias is not None
            full = binding.alias.name
            return import_of(machine, full if binding.alias.asname else full.partition(".")[0], env.module)
        case "from", ast.ImportFrom() as node:
            assert binding.alias is not None
            return imported_from(machine, node.level, node.module or "", binding.alias.name, env.module)
    return Opaque("a name bound in a loop")


def project_class(machine: Machine, module: Module, node: ast.ClassDef, env: Environment | None) -> Class:
    """The class of a definition at the top of a module or class: one object a run."""
    key = (id(node), 0)
    if key not in machine.classes:
        machine.classes[key] = Class(module, node, env)
    return machine.classes[key]


def function(node: ast.FunctionDef | ast.AsyncFunctionDef, env: Environment, owner: Class | None = None) -> Function:
    """The function of a definition."""
    return Function(env.module, node, env, owner)


def imported(machine: Machine, statement: ast.Import | ast.ImportFrom, env: Environment) -> None:
    """An import inside a function."""
    for alias in statement.names:
        if isinstance(statement, ast.Import):
            name = alias.asname or alias.name.partition(".")[0]
            value = import_of(machine, alias.name if alias.asname else name, env.module)
        else:
            name = alias.asname or alias.name
            value = imported_from(machine, statement.level, statement.module or "", alias.name, env.module)
        machine.put(env.slots, name, value)


def import_of(machine: Machine, dotted: str, module: Module) -> Value:
    """`import a.b`; torch is known by its classes, even where its files can be read."""
    if dotted.partition(".")[0] == "torch":
        return external(dotted)
    path = machine.evaluator.project.find(dotted, str(module.path.parent))
    other = machine.evaluator.project.module(path) if path is not None else None
    return Package(other) if other is not None else external(dotted)


def imported_from(machine: Machine, level: int, dotted: str, name: str, module: Module) -> Value:
    """`from ..dotted import name`."""
    if level == 0 and dotted.partition(".")[0] == "torch":
        return external(f"{dotted}.{name}")
    project = machine.evaluator.project
    here = module.path.absolute()
    path = source_file(project, here, level, dotted)
    if path is None or path == here:
        below = submodule_file(project, here, level, dotted, name)
        other = project.module(below) if below is not None else None
        if other is not None:
            return Package(other)
        return external(f"{dotted}.{name}") if level == 0 else Opaque(f"`{dotted}` has no file", holds=True)
    found = project.module(path)
    return member(machine, found, name) if found is not None else Opaque(f"`{dotted}` cannot be read", holds=True)


def named_module(machine: Machine, dotted: str) -> Value:
    """`sys.modules[dotted]`."""
    for module in (env.module for env in list(machine.environments.values())):
        if module.name == dotted:
            return Package(module)
    return Opaque("a module by name")


def has_member(machine: Machine, module: Module, name: str) -> Value:
    """Whether a module of the project has a name."""
    if defines(module, name) or (
        module.is_package and machine.evaluator.project.module_file(str(module.path.parent / name)) is not None
    ):
        return True
    return Opaque("hasattr") if "import *" in module.source.text else False


def member(machine: Machine, module: Module, name: str) -> Value:
    """An attribute of a module of the project."""
    if defines(module, name):
        return of_module(machine, module, name)
    if module.is_package:
        path = machine.evaluator.project.module_file(str(module.path.parent / name))
        other = machine.evaluator.project.module(path) if path else None
        if other is not None:
            return Package(other)
    return of_module(machine, module, name)
