"""Lists, dicts, comprehensions, loops: how collections of parameters and groups come about."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from wdlint.reading import conditions
from wdlint.reading.growing import is_changed
from wdlint.reading.selections import TRUE, Formula, Not
from wdlint.reading.tree import LOOPS, SCOPES, TAKERS, Binding, changed_by, statements_of, subscripts
from wdlint.reading.values import (
    Collection,
    Element,
    Entry,
    External,
    Form,
    Known,
    Mapping,
    Method,
    Place,
    Product,
    Selection,
    Sequence,
    Unknown,
    Value,
    alternatives,
    join,
    known,
)
from wdlint.records import replace

if TYPE_CHECKING:
    from wdlint.reading.evaluate import Evaluator, Frame
    from wdlint.reading.tree import Module

ANY = "*"  # the key of an entry whose key is not known
PARTS = {Form.PAIR: (Form.NAME, Form.PARAMETER), Form.NAMED_MODULE: (Form.NAME, Form.MODULE)}


def target_path(target: ast.AST, name: str, path: tuple[int, ...] = ()) -> tuple[int, ...] | None:
    """Where `name` stands in an assignment target: `(1,)` for b in `a, b`; None when it does not."""
    match target:
        case ast.Name(identifier):
            return path if identifier == name else None
        case ast.Tuple(elements) | ast.List(elements):
            for index, inner in enumerate(elements):
                found = target_path(inner, name, (*path, index))
                if found is not None:
                    return found
    return None


def unpacked(value: ast.expr, path: tuple[int, ...]) -> ast.expr | None:
    """The expression that an unpacking target gets, when the right side is a display."""
    for index in path:
        match value:
            case ast.Tuple(elements) | ast.List(elements) if 0 <= index < len(elements):
                if any(isinstance(element, ast.Starred) for element in elements):
                    return None
                value = elements[index]
            case _:
                return None
    return value


def item(value: Value, path: tuple[int, ...]) -> Value:
    """The member of a value at `path`."""
    for index in path:
        value = _item(value, index)
    return value


def _item(value: Value, index: int) -> Value:
    found = []
    for option in alternatives(value):
        match option.value:
            case Sequence(items, open_) if 0 <= index < len(items) and not (open_ and len(items) == 1):
                found.append(items[index])
            case Sequence(items) if -len(items) <= index < 0:
                found.append(items[index])
            case Sequence(items, True) if items:
                found.append(join(items))
            case Element(form, selections) if form in PARTS and 0 <= index < 2:
                found.append(known(Element(PARTS[form][index], selections)))
            case Collection(form, selections):
                found.append(known(Element(form, selections)))
            case _:
                found.append(Unknown("an item of something unknown"))
    return join(found) if found else (value if isinstance(value, Unknown) else Unknown("an item"))


def element(value: Value, path: tuple[int, ...]) -> Value:
    """What a loop variable at `path` of the target stands for when `value` is iterated."""
    found: list[Value] = []
    for option in alternatives(value):
        match option.value:
            case Collection(Form.MAP, selections):
                found.append(item(known(Element(Form.NAME, selections)), path))
            case Collection(form, selections):
                found.append(item(known(Element(form, selections)), path))
            case Sequence(items) if items:
                found += [item(one, path) for one in items]
            case Mapping(entries) if entries:
                found += [known(entry.key) if entry.key != ANY else Unknown("a key") for entry in entries]
            case _:
                found.append(Unknown("a loop over something unknown"))
    return join(found) if found else (value if isinstance(value, Unknown) else Unknown("a loop"))


def display(evaluator: Evaluator, elements: list[ast.expr], node: ast.expr, frame: Frame) -> Value:
    """`[a, b, *c]`."""
    items: list[Value] = []
    open_ = False
    gathered: Value | None = None
    parted = isinstance(node, ast.Tuple) and isinstance(frame.module.parents.get(node), ast.Return)
    for inner in elements:
        if isinstance(inner, ast.Starred):
            value = evaluator.evaluate(inner.value, frame)
            match value:
                case Known(Collection()):
                    here = known(Sequence(tuple(items)))
                    gathered = concatenate(gathered or here, ast.Add(), value)
                    items = []
                case Known(Sequence(more, more_open)):
                    items += more
                    open_ = open_ or more_open
                case _:
                    open_ = True
            continue
        value = evaluator.evaluate(inner, frame)
        if not parted and _may_be_tensor(value, inner):
            value = single(inner, frame)
        items.append(value)
    if gathered is not None:
        whole = concatenate(gathered, ast.Add(), known(Sequence(tuple(items), open_)))
        return whole or Unknown("a list of many things")
    return Known(Sequence(tuple(items), open_), place=Place(frame.module, node))


def _may_be_tensor(value: Value, node: ast.expr) -> bool:
    """An unknown attribute, or what an external function made: `nn.Parameter(...)`, `torch.zeros(...)`."""
    if isinstance(value, Unknown):
        return isinstance(node, ast.Attribute | ast.Subscript)
    made = all(isinstance(option.value, Product | Method) for option in alternatives(value))
    return made and isinstance(node, ast.Name | ast.Attribute | ast.Subscript)


def single(node: ast.expr, frame: Frame) -> Value:
    """One thing that is not known further, as it may be a tensor: `self.logvar`."""
    place = Place(frame.module, node)
    return Known(Element(Form.PARAMETER, (Selection(ast.unparse(node), TRUE, place, single=True),)), place=place)


def dictionary(evaluator: Evaluator, node: ast.Dict, frame: Frame) -> Value:
    """`{"params": ..., **rest}`."""
    entries: list[Entry] = []
    open_ = False
    for key, value in zip(node.keys, node.values, strict=True):
        if key is None:
            match evaluator.evaluate(value, frame):
                case Known(Mapping(more, more_open)):
                    entries += more
                    open_ = open_ or more_open
                case _:
                    open_ = True
            continue
        name = evaluator.evaluate(key, frame)
        label = _label(name)
        open_ = open_ or label == ANY
        entries.append(Entry(label, evaluator.evaluate(value, frame), key, value))
    return Known(Mapping(tuple(entries), open_, Place(frame.module, node)), place=Place(frame.module, node))


def subscript(evaluator: Evaluator, node: ast.Subscript, container: ast.expr, index: ast.expr, frame: Frame) -> Value:
    """`container[index]`."""
    value = evaluator.evaluate(container, frame)
    place = conditions.within(container, index)
    if isinstance(index, ast.Slice):
        match value:
            case Known(Collection(form, selections, once)):
                return replace(value, value=Collection(form, conditions.narrowed(selections, place), once))
        return Unknown("a slice")
    key = evaluator.evaluate(index, frame)
    if isinstance(value, Unknown):
        return value

    def pick(option: Known) -> Value:
        found = picked(option, key, evaluator, frame)
        match option.value, found:
            case Collection(listed), Known(Element(form, selections)) if listed is not Form.MAP:
                return replace(found, value=Element(form, conditions.narrowed(selections, place)))
        return found

    return evaluator.each(value, pick)


def picked(container: Known, key: Value, evaluator: Evaluator, frame: Frame) -> Value:
    """`container[key]` of one container that is known."""
    from wdlint.reading import settings
    from wdlint.reading.values import Settings

    match container.value:
        case Collection(Form.MAP, selections):
            if isinstance(key, Known) and isinstance(key.value, Element):
                return known(Element(Form.PARAMETER, key.value.selections))
            return known(Element(Form.PARAMETER, conditions.narrowed(selections, conditions.other("a key"))))
        case Collection(form, selections):
            return known(Element(form, selections))
        case Mapping(entries, open_):
            labels = [str(o.value) for o in alternatives(key) if isinstance(o.value, str | int)]
            if not labels:
                return join([*(entry.value for entry in entries), *([Unknown("a key")] if open_ else [])])
            found = []
            for label in labels:
                entry = container.value.entry(label) or container.value.entry(ANY)
                found.append(entry.value if entry is not None else Unknown(f"key `{label}` is not found"))
            return join(found)
        case Sequence(items, open_):
            match key:
                case Known(int() as number) if -len(items) <= number < len(items):
                    return items[number]
                case _:
                    return join(items) if items else Unknown("an item")
        case Settings(parser) if isinstance(key, Known) and isinstance(key.value, str):
            return settings.setting(evaluator, parser, key.value)
        case External(path):
            return Unknown(f"an item of `{path}`")
        case _:
            return Unknown("an item of something unknown")


def comprehension(
    evaluator: Evaluator, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp, frame: Frame
) -> Value:
    """`[p for n, p in model.named_parameters() if test(n)]`."""
    tests: list[Formula] = []
    for generator in node.generators:
        tests += [conditions.formula(evaluator, test, frame) for test in generator.ifs]
    once = isinstance(node, ast.GeneratorExp)
    if isinstance(node, ast.DictComp):
        key, value = evaluator.evaluate(node.key, frame), evaluator.evaluate(node.value, frame)
        match key, value:
            case Known(Element(Form.NAME)), Known(Element(Form.PARAMETER, selections)):
                return known(Collection(Form.MAP, conditions.narrowed(selections, *tests)))
        entry = Entry(ANY, value, node.key, node.value)
        return Known(Mapping((entry,), True, Place(frame.module, node)), place=Place(frame.module, node))
    value = evaluator.evaluate(node.elt, frame)
    match value:
        case Known(Element(form, selections)):
            narrowed = conditions.narrowed(selections, *tests)
            if any(selection.single for selection in selections):
                # several tensors that a list of single ones holds
                return known(Collection(form, narrowed, once))
            return known(Collection(form, narrowed, once))
        case Known(Sequence((Known(Element(Form.NAME)), Known(Element(Form.PARAMETER, selections))), False)):
            return known(Collection(Form.PAIR, conditions.narrowed(selections, *tests), once))
        case Unknown():
            return Unknown("a comprehension over something unknown")
        case _:
            return Known(Sequence((value,), open=True), place=Place(frame.module, node))


def concatenate(left: Value, op: ast.operator, right: Value) -> Value | None:
    """`+`, `|`, `-`, `&` of containers; None when these are none."""
    containers = (Collection, Sequence, Mapping)
    sides = [s for v in (left, right) for s in alternatives(v)]
    if not any(isinstance(side.value, containers) for side in sides):
        return None
    found = [_joined(one, op, two) for one in alternatives(left) or (None,) for two in alternatives(right) or (None,)]
    return join(found)


def _joined(left: Known | None, op: ast.operator, right: Known | None) -> Value:
    if left is None or right is None:
        known_side = left or right
        if known_side is not None and isinstance(known_side.value, Collection) and isinstance(op, ast.Add | ast.BitOr):
            return Unknown("parameters together with something unknown")
        if known_side is not None and isinstance(known_side.value, Sequence) and isinstance(op, ast.Add):
            return replace(known_side, value=replace(known_side.value, open=True))
        return Unknown("a container together with something unknown")
    match left.value, right.value:
        case Collection(form, some, once), Collection(form_, more) if form is form_:
            if isinstance(op, ast.Sub | ast.BitAnd):
                extra = conditions.other(f"{type(op).__name__} of collections")
                return known(Collection(form, conditions.narrowed(some, extra), once))
            return known(Collection(form, _union(some, more), once))
        case Collection(form, some, once), Sequence(items, open_):
            return _with_items(form, some, items, open_, once)
        case Sequence(items, open_), Collection(form, some, once):
            return _with_items(form, some, items, open_, once)
        case Sequence(items, open_), Sequence(more, more_open):
            if isinstance(op, ast.Sub | ast.BitAnd):
                return Unknown("a difference of lists")
            return replace(left, value=Sequence((*items, *more), open_ or more_open))
        case Mapping(entries, open_), Mapping(more_entries, more_open):
            return replace(left, value=replace(left.value, entries=(*entries, *more_entries), open=open_ or more_open))
        case _:
            return Unknown("containers of different kinds")


def _with_items(form: Form, some: tuple[Selection, ...], items: tuple[Value, ...], open_: bool, once: bool) -> Value:
    found = some
    for one in items:
        match one:
            case Known(Element(inner, selections)) if inner is form:
                found = _union(found, selections)
            case _:
                return Unknown("parameters together with something unknown")
    return Unknown("parameters together with something unknown") if open_ else known(Collection(form, found, once))


def _union(some: tuple[Selection, ...], more: tuple[Selection, ...]) -> tuple[Selection, ...]:
    seen = {(s.source, s.formula) for s in some}
    return (*some, *(s for s in more if (s.source, s.formula) not in seen))


def under_conditions(evaluator: Evaluator, value: Value, statement: ast.stmt, frame: Frame, *further: Formula) -> Value:
    """A value that a statement adds, narrowed by the tests on the way to it from the loop that it stands in."""
    tests = [*conditions.path(evaluator, statement, frame), *further]
    if not tests:
        return value

    def narrow(option: Known) -> Value:
        match option.value:
            case Element(form, selections):
                return replace(option, value=Element(form, conditions.narrowed(selections, *tests)))
            case Collection(form, selections, once):
                return replace(option, value=Collection(form, conditions.narrowed(selections, *tests), once))
            case Sequence(items, open_):
                inner = tuple(under_conditions(evaluator, one, statement, frame, *further) for one in items)
                return replace(option, value=Sequence(inner, open_))
            case _:
                return option

    return evaluator.each(value, narrow)


def mutated(
    evaluator: Evaluator,
    value: Value,
    name: str,
    binding: Binding | None,
    use: ast.AST,
    frame: Frame,
    scope: ast.AST,
) -> Value:
    """A container after what the statements between its binding and its use do to it."""
    module = frame.module
    statements = module.mutations(scope).get(name, []) if scope is not None else []  # type: ignore[arg-type]
    given = [call for call in module.references(name) if module.scope(call) is scope] if _is_container(value) else []
    if not statements and not given:
        return value
    at = module.statement(use)
    line = getattr(at, "lineno", 1 << 30) if module.scope(use) is scope else 1 << 30
    start = binding.node.lineno if binding is not None and isinstance(binding.node, ast.stmt) else 0
    for statement in statements:
        if statement.lineno <= start or (statement is at and not _repeats(module, statement)):
            continue
        if statement.lineno >= line and not _same_loop(module, statement, at):
            continue
        if at is not None and _exclusive(module, statement, at):
            continue
        sure = statement.lineno < line and _always(module, statement, at)
        value = _apply(evaluator, value, name, statement, frame, sure)
    if any(start < call.lineno < line and is_changed(evaluator, module, call, name) for call in given):
        return Unknown(f"a function changes `{name}`")
    return value


def _is_container(value: Value) -> bool:
    return isinstance(value, Known) and isinstance(value.value, Mapping | Sequence | Collection)


def _repeats(module: Module, statement: ast.stmt) -> bool:
    """Whether a loop makes an assignment such as `d["x"] = d["x"] + 1` again."""
    return isinstance(statement, ast.Assign | ast.AugAssign) and _repeated(module, statement)


def _always(module: Module, statement: ast.stmt, at: ast.stmt | None) -> bool:
    """Whether nothing but straight lines lies between a statement and a later one."""
    shared = set(module.ancestors(at)) if at is not None else set()
    straight = (*SCOPES, ast.With, ast.AsyncWith)
    return all(above in shared or isinstance(above, straight) for above in module.ancestors(statement))


def _same_loop(module: Module, one: ast.AST, two: ast.AST | None) -> bool:
    if two is None:
        return True
    loops = {id(above) for above in module.ancestors(two) if isinstance(above, LOOPS)}
    return any(id(above) in loops for above in module.ancestors(one))


def _exclusive(module: Module, one: ast.AST, two: ast.AST) -> bool:
    """Whether two statements stand in different arms of one `if`."""
    chain = {id(node): node for node in (one, *module.ancestors(one))}
    child = two
    for above in module.ancestors(two):
        if id(above) in chain:
            if not isinstance(above, ast.If):
                return False
            first = next((n for n in chain.values() if module.parents.get(n) is above), None)
            return first is not None and (first in above.body) != (child in above.body)
        child = above
    return False


def _apply(evaluator: Evaluator, value: Value, name: str, statement: ast.stmt, frame: Frame, sure: bool) -> Value:
    """A container after a statement that changes it; `sure` says that the statement runs."""
    for popped, call in frame.module.pops(statement).get(statement, ()):
        if popped == name:
            keys = [evaluator.evaluate(argument, frame) for argument in call.args[:1]]
            value = _taken(value, keys[0] if keys else None, sure)
    if name not in changed_by(statement):
        return value
    match statement:
        case ast.Expr(ast.Call(ast.Attribute(receiver, "update"), arguments, keywords)) if keywords:
            keys = _keys(evaluator, receiver, frame)
            for given in arguments:
                value = _changed(value, keys, _merging(evaluator.evaluate(given, frame), sure))
            for keyword in keywords:
                new = evaluator.evaluate(keyword.value, frame)
                if keyword.arg is not None:
                    entry = Entry(keyword.arg, new, keyword, keyword.value)
                    new = known(Mapping((entry,)))
                value = _changed(value, keys, _merging(new, sure))
            return value
        case ast.Expr(ast.Call(ast.Attribute(receiver, method), arguments)):
            chosen: tuple[Formula, ...] = ()
            if isinstance(receiver, ast.IfExp):
                receiver, chosen = _arm(evaluator, receiver, name, frame)
            keys = _keys(evaluator, receiver, frame)
            if any(not isinstance(key, Known) or key.origin.settable for key in keys):
                chosen = (*chosen, conditions.other(ast.unparse(receiver)))  # one of several lists, by turns
            if method in ("append", "add", "appendleft") and len(arguments) == 1:
                added = evaluator.evaluate(arguments[0], frame)
                if _may_be_tensor(added, arguments[0]):
                    added = single(arguments[0], frame)
                added = known(Sequence((under_conditions(evaluator, added, statement, frame, *chosen),)))
            elif method == "insert" and len(arguments) == 2:
                added = known(Sequence((evaluator.evaluate(arguments[1], frame),)))
            elif method == "setdefault" and arguments:
                key = evaluator.evaluate(arguments[0], frame)
                new = evaluator.evaluate(arguments[1], frame) if len(arguments) > 1 else known(None)
                return _changed(value, keys, lambda inner: _supplied(inner, key, new, arguments[0], arguments[-1]))
            elif method in TAKERS:
                return _changed(value, keys, lambda inner: _taken(inner, None, sure, emptied=method == "clear"))
            elif method in ("extend", "update") and len(arguments) == 1:
                more = evaluator.evaluate(arguments[0], frame)
                added = under_conditions(evaluator, more, statement, frame, *chosen)
            else:
                return value
            if method == "update" and any(isinstance(option.value, Mapping) for option in alternatives(value)):
                return _changed(value, keys, _merging(added, sure))
            many = _repeated(frame.module, statement)
            return _changed(value, keys, lambda inner: _extended(inner, added, many))
        case ast.Assign([ast.Subscript(receiver, index)], given):
            keys = _keys(evaluator, receiver, frame)
            key = evaluator.evaluate(index, frame)
            new = evaluator.evaluate(given, frame)
            return _changed(value, keys, lambda inner: _assigned(inner, key, new, index, given, sure))
        case ast.AugAssign(ast.Subscript(receiver, index), op, given):
            keys = [*_keys(evaluator, receiver, frame), evaluator.evaluate(index, frame)]
            more = under_conditions(evaluator, evaluator.evaluate(given, frame), statement, frame)
            again = _repeated(frame.module, statement)
            return _changed(value, keys, lambda inner: _augmented(evaluator, inner, op, more, sure, again))
        case ast.Delete(targets):
            for target in _stored(targets, name):
                key = evaluator.evaluate(target.slice, frame)
                value = _changed(value, _keys(evaluator, target.value, frame), partial(_taken, key=key, sure=sure))
        case ast.Assign(targets):
            value = _written(evaluator, value, targets, name, frame)
        case ast.For(ast.Name(each), ast.Name(over)) if over == name:
            for inner in statements_of(statement):
                value = _each_changed(evaluator, value, each, inner, frame)
        case ast.AnnAssign(target) | ast.For(target) | ast.AsyncFor(target):
            value = _written(evaluator, value, [target], name, frame)
    return value


def _each_changed(evaluator: Evaluator, value: Value, each: str, statement: ast.stmt, frame: Frame) -> Value:
    """A list of dicts after a loop over them in which a statement changes each."""
    match value:
        case Known(Sequence(items) as sequence) if each in changed_by(statement):
            changed = tuple(_apply(evaluator, item, each, statement, frame, sure=False) for item in items)
            return replace(value, value=replace(sequence, items=changed))
    return value


def _stored(targets: Iterable[ast.expr], name: str) -> Iterator[ast.Subscript]:
    """The items of a named container among assignment targets."""
    for target in targets:
        for one in subscripts(target):
            inner: ast.expr = one
            while isinstance(inner, ast.Subscript):
                inner = inner.value
            if isinstance(inner, ast.Name) and inner.id == name:
                yield one


def _written(evaluator: Evaluator, value: Value, targets: Iterable[ast.expr], name: str, frame: Frame) -> Value:
    """A container some of whose items get what is not followed."""
    new = Unknown("one of several that are assigned at once")
    for target in _stored(targets, name):
        key = evaluator.evaluate(target.slice, frame)
        change = partial(_assigned, key=key, new=new, key_node=target.slice, value_node=target, sure=False)
        value = _changed(value, _keys(evaluator, target.value, frame), change)
    return value


def _taken(value: Value, key: Value | None, sure: bool, emptied: bool = False) -> Value:
    """A container without an item: that of a key, or one that is not known, or any at all."""
    if not isinstance(value, Known):
        return value
    match value.value:
        case Mapping(entries) as mapping:
            label = None if key is None else _label(key)
            gone = Unknown("it may be taken out")
            kept = tuple(
                replace(one, value=join([one.value, gone]))
                if not sure or (not emptied and label in (None, ANY))
                else one
                for one in entries
                if not (sure and (emptied or one.key == label))
            )
            return replace(value, value=replace(mapping, entries=kept, open=mapping.open and not (sure and emptied)))
        case Sequence(items) if items:
            return replace(value, value=Sequence((), False)) if sure and emptied else Unknown("something is taken out")
        case Collection():
            return Unknown("something is taken out")
    return value


def _supplied(value: Value, key: Value, new: Value, key_node: ast.expr, value_node: ast.expr) -> Value:
    """A dict after `setdefault`."""
    match value:
        case Known(Mapping() as mapping):
            before = mapping.entry(_label(key))
            if before is None and not mapping.open:
                return _assigned(value, key, new, key_node, value_node, sure=True)
            if before is None:
                perhaps = join([new, Unknown("it may be there before")])
                return _assigned(value, key, perhaps, key_node, value_node, sure=True)
    return value


def _label(key: Value) -> str:
    """The key of an entry; ANY for one that is not known, or that a flag or a configuration sets."""
    if isinstance(key, Known) and isinstance(key.value, str | int) and not key.origin.settable:
        return str(key.value)
    return ANY


def _augmented(evaluator: Evaluator, value: Value, op: ast.operator, more: Value, sure: bool, again: bool) -> Value:
    new = evaluator.combine(value, op, more)
    if not any(isinstance(option.value, int | float) for option in alternatives(new)):
        return new
    new = join([new, Unknown("a loop counts it on")]) if again else new
    return new if sure else join([value, new])


def _merging(added: Value, sure: bool) -> Callable[[Value], Value]:
    """What `update` makes of a dict."""

    def merge(value: Value) -> Value:
        if not (isinstance(value, Known) and isinstance(value.value, Mapping)):
            return value
        mapping = value.value
        match added:
            case Known(Mapping(entries, open_)):
                new = tuple(entry if sure else _perhaps(mapping, entry) for entry in entries)
                return replace(
                    value, value=replace(mapping, entries=(*mapping.entries, *new), open=mapping.open or open_)
                )
            case _:
                unknown = Unknown("a dict updated with something unknown")
                kept = tuple(replace(entry, value=join([entry.value, unknown])) for entry in mapping.entries)
                return replace(value, value=replace(mapping, entries=kept, open=True))

    return merge


def _perhaps(mapping: Mapping, entry: Entry) -> Entry:
    """An entry that may or may not replace the one that is there."""
    before = mapping.entry(entry.key)
    return entry if before is None else replace(entry, value=join([before.value, entry.value]))


def _arm(evaluator: Evaluator, choice: ast.IfExp, name: str, frame: Frame) -> tuple[ast.expr, tuple[Formula, ...]]:
    """The arm of `decay if test else no_decay` that `name` is, and when it is chosen."""
    test = conditions.formula(evaluator, choice.test, frame)
    body = choice.body
    while isinstance(body, ast.Subscript):
        body = body.value
    if isinstance(body, ast.Name) and body.id == name:
        return choice.body, (test,)
    return choice.orelse, (Not(test),)


def _repeated(module: Module, statement: ast.stmt) -> bool:
    return any(isinstance(above, LOOPS) for above in module.ancestors(statement))


def _keys(evaluator: Evaluator, receiver: ast.expr, frame: Frame) -> list[Value]:
    keys: list[Value] = []
    while isinstance(receiver, ast.Subscript):
        keys.insert(0, evaluator.evaluate(receiver.slice, frame))
        receiver = receiver.value
    return keys


def _changed(value: Value, keys: list[Value], change: Callable[[Value], Value]) -> Value:
    if not keys:
        return change(value)
    key, rest = keys[0], keys[1:]
    if not isinstance(value, Known):
        return value
    match value.value:
        case Sequence(items, open_):
            if isinstance(key, Known) and isinstance(key.value, int) and -len(items) <= key.value < len(items):
                index = key.value % len(items)
                inner = (*items[:index], _changed(items[index], rest, change), *items[index + 1 :])
            else:
                inner = tuple(join([one, _changed(one, rest, change)]) for one in items)
            return replace(value, value=Sequence(inner, open_))
        case Mapping(entries):
            label = _label(key)
            hit = any(entry.key == label for entry in entries)
            new = tuple(
                replace(entry, value=_changed(entry.value, rest, change))
                if (entry.key == label if hit and label != ANY else label == ANY or entry.key == ANY)
                else entry
                for entry in entries
            )
            return replace(value, value=replace(value.value, entries=new))
    return value


def _extended(value: Value, added: Value, many: bool) -> Value:
    if isinstance(value, Unknown):
        return value
    found: list[Value] = []
    for option in alternatives(value):
        if isinstance(option.value, Sequence) and not option.value.items and not option.value.open:
            match added:
                case Known(Sequence((Known(Element(form, selections)),), False)):
                    found.append(known(Collection(form, selections)))
                    continue
                case Known(Collection() as collection):
                    found.append(known(replace(collection, once=False)))
                    continue
        joined = concatenate(option, ast.Add(), added) or Unknown("a container filled with something unknown")
        match joined:
            case Known(Sequence(items, _)) if many and not isinstance(option.value, Collection):
                joined = replace(joined, value=Sequence(items, True))
        found.append(joined)
    return join(found)


def _assigned(value: Value, key: Value, new: Value, key_node: ast.expr, value_node: ast.expr, sure: bool) -> Value:
    if not isinstance(value, Known):
        return value
    match value.value:
        case Mapping(entries) as mapping:
            label = _label(key)
            entry = Entry(label, new, key_node, value_node)
            if label == ANY:
                kept = tuple(replace(one, value=join([one.value, new])) if one.key != ANY else one for one in entries)
            else:
                kept = tuple(one for one in entries if one.key != label)
                entry = entry if sure else _perhaps(mapping, entry)
            unknown = mapping.open or label == ANY
            return replace(value, value=replace(mapping, entries=(*kept, entry), open=unknown))
        case Sequence(items, open_):
            if isinstance(key, Known) and isinstance(key.value, int) and -len(items) <= key.value < len(items):
                index = key.value % len(items)
                new = new if sure else join([items[index], new])
                return replace(value, value=Sequence((*items[:index], new, *items[index + 1 :]), open_))
    return value
