"""Iterators over parameters that are stored under a name and read more often than they can be."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from wdlint.optimizers import registry
from wdlint.reading.calls import MEMBERS
from wdlint.reading.evaluate import GLANCE, Evaluator
from wdlint.reading.scout import in_definition
from wdlint.reading.text import extent_of
from wdlint.reading.tree import (
    COMPREHENSIONS,
    LOOPS,
    SCOPES,
    Module,
    Scope,
    block_leaving,
    blocks,
    children,
    reaching,
    running,
    statements_of,
    terminates,
    walk,
)
from wdlint.reading.values import ClassThing, Collection, External, Known, alternatives
from wdlint.records import dataclass

# what reads an iterator to its end, by the last name; torch's own take any iterable of tensors
READERS = frozenset(
    {
        "list", "tuple", "set", "frozenset", "dict", "OrderedDict", "sorted", "sum", "any", "all", "max", "min", "zip",
        "enumerate", "map", "filter", "tqdm", "chain", "clip_grad_norm_", "clip_grad_value_", "clip_grad_norm",
        "parameters_to_vector",
    }
)  # fmt: skip

BUILTIN_MAKERS = frozenset({"filter", "map", "iter"})
MAKERS = frozenset({"chain", "from_iterable", "islice"})


@dataclass(frozen=True, slots=True)
class ExhaustedIterator:
    """A stored iterator whose `second` reader gets nothing, because `first` has read it.

    `peeked`: the first reader took one element only. `repeated`: both are one place in a loop. `stepped`: some use
    takes single elements by `next`, which a list does not allow.
    """

    module: Module
    name: str
    definition: ast.expr
    first: ast.Name
    second: ast.Name
    peeked: bool = False
    repeated: bool = False
    stepped: bool = False

    @property
    def deferred(self) -> bool:
        """Whether parameters may be frozen or replaced between the definition and its first reader, which sees that."""
        text = self.module.source.text
        (_, start), (end, _) = (extent_of(self.module.source, node) for node in (self.definition, self.first))
        return (
            re.search(r"requires_grad|freez|setattr|add_module|\.\w+ = (?:torch\.)?nn\.", text[start:end]) is not None
        )


def exhausted(evaluator: Evaluator, module: Module) -> Iterator[ExhaustedIterator]:
    """All such iterators of a module, one finding each."""
    text = module.source.text
    if not any(f"{member}(" in text for member in MEMBERS):
        return
    for scope in (module.tree, *module.functions(in_definition("ExhaustedIterator"))):
        uses: dict[str, list[ast.Name]] | None = None
        for statement in statements_of(scope):
            match statement:
                case ast.Assign([ast.Name(name)], value) | ast.AnnAssign(ast.Name(name), _, ast.expr() as value):
                    pass
                case _:
                    continue
            if not _may_be_iterator(value):
                continue
            uses = uses if uses is not None else _loads(module, scope)
            found = _second_use(evaluator, module, scope, name, statement, value, uses.get(name, []))
            # what the value is, is the dearest question, and few get so far
            if found is not None and _once(evaluator, module, value) and not _own_collection(evaluator, value):
                yield found


def _may_be_iterator(value: ast.expr) -> bool:
    """A first look, before anything is evaluated."""
    match value:
        case ast.GeneratorExp():
            return True
        case ast.Call(ast.Name(leaf) | ast.Attribute(ast.Name("builtins"), leaf)) if leaf in BUILTIN_MAKERS:
            return True
        case ast.Call(ast.Name(leaf) | ast.Attribute(_, leaf)):
            return leaf in MEMBERS or leaf in MAKERS or "param" in leaf
    return False


def _once(evaluator: Evaluator, module: Module, value: ast.expr) -> bool:
    """Whether an expression gives an iterator over parameters or modules, whatever happens."""
    evaluator.begin(GLANCE)
    match evaluator.evaluate(value, evaluator.frame(module)):
        case Known(Collection(_, _, True)):
            return True
    return False


def _own_collection(evaluator: Evaluator, value: ast.expr) -> bool:
    """Whether the project has a method of the same name that is no generator: it may return a list."""
    called = (node.func for node in walk(value) if isinstance(node, ast.Call))
    names = {func.attr for func in called if isinstance(func, ast.Attribute) and func.attr in MEMBERS}
    for name in sorted(name for name in names if evaluator.project.defines_method(name)):
        for module in evaluator.mentioning(evaluator.project.defining(name)):
            for node in module.nodes:
                if not isinstance(node, ast.FunctionDef) or node.name != name or module.owner(node) is None:
                    continue
                if not any(isinstance(inner, ast.Yield | ast.YieldFrom) for inner in walk(node)):
                    return True
    return False


def _loads(module: Module, scope: Scope) -> dict[str, list[ast.Name]]:
    """The uses of names whose code runs with the scope itself, in the order of the text."""
    found: dict[str, list[ast.Name]] = {}
    for node in running(scope.body) if not isinstance(scope, ast.Lambda) else ():
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            found.setdefault(node.id, []).append(node)
    return found


def _second_use(
    evaluator: Evaluator,
    module: Module,
    scope: Scope,
    name: str,
    definition: ast.stmt,
    value: ast.expr,
    loads: list[ast.Name],
) -> ExhaustedIterator | None:
    uses = []
    for use in loads:
        bindings, complete = reaching(module, scope, name, use)
        if complete and len(bindings) == 1 and bindings[0].node is definition:
            uses.append(use)
    stepped = any(_is_next(module, use) for use in uses)
    readers = [use for use in uses if _reads(evaluator, module, use)]
    for index, second in enumerate(readers):
        for first in readers[:index]:
            if _follows(module, first, second):
                return ExhaustedIterator(module, name, value, first, second, stepped=stepped)
        for peek in uses:
            if _is_peek(module, peek) and _follows(module, peek, second):
                return ExhaustedIterator(module, name, value, peek, second, peeked=True, stepped=True)
        if _again(module, definition, second):
            return ExhaustedIterator(module, name, value, second, second, repeated=True, stepped=stepped)
    return None


def _reads(evaluator: Evaluator, module: Module, use: ast.Name) -> bool:
    """Whether a use reads the iterator to its end."""
    parent = module.parents[use]
    match parent:
        case ast.For(_, iterable) | ast.AsyncFor(_, iterable):
            return iterable is use
        case ast.comprehension():
            return parent.iter is use
        case ast.Starred():
            return isinstance(module.parents[parent], ast.List | ast.Tuple | ast.Set | ast.Call)
        case ast.Dict(keys, values):
            key = next((k for k, v in zip(keys, values, strict=True) if v is use), None)
            return isinstance(key, ast.Constant) and key.value == "params"
        case ast.Call():
            return use in parent.args and _is_reader(evaluator, module, parent)
        case ast.keyword("params" | "parameters"):
            above = module.parents[parent]
            return isinstance(above, ast.Call) and _is_reader(evaluator, module, above)
    return False


def _is_reader(evaluator: Evaluator, module: Module, call: ast.Call) -> bool:
    """Whether a call reads the iterable that it is given: a builtin, a function of torch, an optimizer."""
    match call.func:
        case ast.Name(leaf) | ast.Attribute(_, leaf) if leaf not in READERS and not leaf[:1].isupper():
            if "optim" not in leaf:
                return False
    for option in alternatives(evaluator.evaluate(call.func, evaluator.frame(module))):
        match option.value:
            case External(path) if path.rpartition(".")[2] in READERS:
                return True
            case External(path):
                return registry.find(path) is not None
            case ClassThing() as cls:
                bases = evaluator.external_bases(cls)
                return any(base.endswith(".Optimizer") or registry.find(base) is not None for base in bases)
    return False


def _is_next(module: Module, use: ast.Name) -> bool:
    match module.parents[use]:
        case ast.Call(ast.Name("next"), [first, *_]):
            return first is use
    return False


def _is_peek(module: Module, use: ast.Name) -> bool:
    """`next(params).device`: a look at the first element, which is gone then."""
    return _is_next(module, use) and isinstance(module.parents[module.parents[use]], ast.Attribute)


def _follows(module: Module, first: ast.AST, second: ast.AST) -> bool:
    """Whether a run that has passed `first` surely may reach `second` afterwards, in the order of the text."""
    chain = [first, *module.ancestors(first)]
    at = {id(node): index for index, node in enumerate(chain)}
    path = [second, *module.ancestors(second)]
    meet = next(node for node in path if id(node) in at)
    before, after = chain[: at[id(meet)]], path[: path.index(meet)]
    if not before or not after or _exclusive(meet, before[-1], after[-1]):
        return False
    if not _leaves(module, before):
        return False
    # `if a: … use …` and `if b: … use …`: mostly one of both, unless the tests are the same
    tests = [_tests(module, nodes) for nodes in (before, after)]
    if tests[0] and tests[1]:
        return bool(set(tests[0]) >= set(tests[1]))
    return True


def _exclusive(meet: ast.AST, one: ast.AST, two: ast.AST) -> bool:
    """Whether two parts of a node never run one after the other."""
    match meet:
        case ast.If(test) | ast.IfExp(test):
            if isinstance(meet, ast.IfExp):
                return one is not test
            return one is not test and (one in meet.body) != (two in meet.body)
        case ast.Try() | ast.TryStar():
            return any(node in meet.handlers for node in (one, two))
        case ast.Match():
            return one is not meet.subject
        case ast.For() | ast.AsyncFor() | ast.comprehension():
            return one is meet.iter  # the loop's own iterator, read on inside it
        case ast.BoolOp():
            return True
    return isinstance(meet, COMPREHENSIONS)


def _leaves(module: Module, chain: list[ast.AST]) -> bool:
    """Whether a run goes on behind the last node of a chain, out of all the blocks that the chain leads through."""
    if any(isinstance(node, ast.Return | ast.Raise) for node in chain):
        return False
    for node in chain[:-1]:
        if isinstance(node, ast.stmt):
            block = next((b for b in blocks(module.parents[node]) if node in b), [])
            if terminates(block):
                return False
    return True


def _tests(module: Module, chain: list[ast.AST]) -> list[str]:
    """The conditions under which the nodes of a chain run, from the inside out."""
    found = []
    for node in chain:
        parent = module.parents[node]
        if isinstance(parent, ast.If | ast.IfExp) and node is not parent.test and parent in chain:
            body = parent.body if isinstance(parent.body, list) else [parent.body]
            found.append(("" if node in body else "not ") + ast.unparse(parent.test))
        elif isinstance(parent, ast.match_case) and parent in chain:
            found.append(ast.unparse(parent.pattern))
    return found


def _again(module: Module, definition: ast.stmt, use: ast.Name) -> bool:
    """Whether a loop that begins after the definition comes to the use in every round, more than once."""
    around = {id(node) for node in module.ancestors(definition)}
    child: ast.AST = use
    conditional = isinstance(module.parents[use], ast.IfExp)
    for above in module.ancestors(use):
        if id(above) in around:
            return False
        if isinstance(above, ast.If | ast.Try | ast.Match | ast.IfExp | ast.BoolOp):
            conditional = True
        if isinstance(above, SCOPES):
            return False
        if isinstance(above, COMPREHENSIONS) and child is not above.generators[0] and not conditional:
            return True
        if isinstance(above, ast.For | ast.AsyncFor) and child in above.body:
            return not conditional and not _stops(above)
        if isinstance(above, ast.While) and child in above.body:
            return False  # a loop that tries until something works
        child = above
    return False


def _stops(loop: ast.For | ast.AsyncFor) -> bool:
    """Whether a loop may end in its first round."""
    stack: list[ast.AST] = list(loop.body)
    while stack:
        node = stack.pop()
        if isinstance(node, ast.Break | ast.Return | ast.Raise | ast.Yield):
            return True
        if not isinstance(node, (*SCOPES, *LOOPS)):
            stack.extend(children(node))
        elif isinstance(node, LOOPS):
            stack.extend(inner for inner in walk(node) if isinstance(inner, ast.Return))
    return False


def is_list_shadowed(module: Module) -> bool:
    """Whether `list` means something of the module's own."""
    return bool(block_leaving(module.tree.body, "list")[0])
