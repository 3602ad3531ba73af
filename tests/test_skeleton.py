"""Files that are only looked up in: what is parsed later is what would have been parsed at once, and once only."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import pytest

import wdlint
from wdlint.linter import check_path
from wdlint.looking import LintSettings
from wdlint.reading import project, skeleton
from wdlint.reading.project import Project
from wdlint.reading.skeleton import SMALLEST, unread
from wdlint.reading.text import Source
from wdlint.reading.tree import Module, parts, walk

PADDING = "\n".join(f"value_{number} = {number}" for number in range(SMALLEST // 12))
PADDING_ROW = "x" * SMALLEST
HOME = Path(wdlint.__file__).parent
OWN = sorted(HOME.rglob("*.py"), key=lambda path: -path.stat().st_size)[:40]

TRICKY = {
    "decorators": "@one\n@two(\n    3,\n)\ndef f():\n    pass\n@three\n\n# between\nclass C: pass\n",
    "decorators at the margin": "@one(\n1,\nx='(',\n)\n@two([\n2])\ndef f(): pass\n@three(\n3)\nclass C: pass\n",
    "brackets at the margin": "def f(\n    a,\n) -> int:\n    return [\n1, 2,\n]\n\nx = 1\n",
    "strings at the margin": (
        'def f():\n    """text\ndef g():\n    pass\n"""\n    return """\n""".join(x)\n\nclass C:\n    pass\n'
    ),
    "comments at the margin": "def f():\n    pass\n# def g(): ''' \n    return 1  # \"\nasync def g():\n    pass\n",
    "a continued row": "def f():\n    x = 1 + \\\n2\n    return x\ny = 2\n",
    "several on one row": "def f(): pass; x = 1\nclass C: y = 2; z = 3\na = 1; b = [\n2]; c = 3\n",
    "the same name twice": "def f():\n    return 1\nif x:\n    def f():\n        return 2\ndef f():\n    return 3\n",
    "quotes in quotes": """def f():\n    return '"' + "'" + r'\\'' + b'\\'' + '\\\n'\ndef g(): pass\n""",
    "long quotes that open nothing": (
        'a = 1  # """ one\nb = \'"""\'\ndef f():\n    pass\nc = \'"""\'\n\nclass C:\n    """text\ndef g(): pass\n"""\n'
    ),
    "a long string with an escaped quote": (
        'def f():\n    """a \\"""\ndef g(): pass\n"""\n    return 1\ndef h(): pass\n'
    ),
    "both long quotes": "def f():\n    '''\n\"\"\"\nclass C: pass\n'''\n\ndef g():\n    \"\"\"\n'''\n\"\"\"\n",
    "a comment that ends like a continued row": "x = 1  # \\\ndef f():\n    pass\n# \\\ndef g(): pass\n",
    "brackets in strings and comments": (
        'def f(\n    a="(",\n):\n    """1) one [0, 1)\n"""\n    return [")",  # (\n1]\n\ndef g(): pass\n'
    ),
    "else at the margin": (
        "if a:\n    pass\nelif b:\n    pass\nelse:\n    pass\ndef f(): pass\ntry:\n    pass\nfinally:\n    pass\n"
    ),
}


def filled(text: str) -> str:
    tree = skeleton.skeleton(text)
    for statement in parts(tree.body):
        assert getattr(statement, "body", None) != []  # asks for it
    assert not skeleton.failed(tree)
    assert skeleton.still_unread(tree) == 0
    return ast.dump(tree, include_attributes=True)


@pytest.mark.parametrize("name", TRICKY)
def test_what_is_parsed_later_is_the_same(name: str) -> None:
    text = f"{TRICKY[name]}{PADDING}\n{TRICKY[name]}"
    assert filled(text) == ast.dump(ast.parse(text), include_attributes=True)


@pytest.mark.parametrize("inner", [False, True])
@pytest.mark.parametrize("name", TRICKY)
def test_what_is_parsed_later_in_a_class_is_the_same(name: str, inner: bool) -> None:
    body = "".join(f"  {row}" if row.strip() else row for row in TRICKY[name].splitlines(keepends=True))
    if inner:
        body = f"  class D:\n    def f(self): pass\n  {body.replace(chr(10), chr(10) + '  ')}\n    '{PADDING_ROW}'\n"
    text = (
        f"@one\nclass C(\n    object,\n):\n  '{PADDING_ROW}'\n  def f(self): pass\n{body}  def g(self): pass\nx = 1\n"
    )
    try:
        expected = ast.dump(ast.parse(text), include_attributes=True)
    except SyntaxError:
        pytest.skip("what it says needs the margin")
    assert filled(text) == expected


def test_only_the_methods_that_are_asked_for_are_parsed(tmp_path: Path) -> None:
    methods = "    def f(self):\n        self.x = 1\n    def g(self):\n        h(self.x)\n    def last(self): pass\n"
    module = looked_up(tmp_path, f"class C:\n    '{PADDING_ROW}'\n{methods}")
    (cls,) = module.tree.body
    assert isinstance(cls, ast.ClassDef)
    assert [call.lineno for call in module.calls("h")] == [6]
    assert [unread(statement) is None for statement in cls.body] == [True, False, True, True]
    assert [method.name for method, _, _ in module.attributes(cls, "x")] == ["f"]
    assert all(module.parents[statement] is cls for statement in cls.body)


@pytest.mark.parametrize("path", OWN, ids=[path.relative_to(HOME).as_posix() for path in OWN])
def test_our_own_files(path: Path) -> None:
    text = path.read_text("utf-8")
    assert filled(text) == ast.dump(ast.parse(text), include_attributes=True)


def looked_up(folder: Path, text: str) -> Module:
    (folder / "models.py").write_text(text)
    module = Project(folder).module(folder / "models.py")
    assert module is not None
    return module


def test_only_what_is_asked_for_is_parsed(tmp_path: Path) -> None:
    module = looked_up(tmp_path, f"def f():\n    return 1\n\nclass C:\n    x = g(1)\n\ndef h():\n    pass\n{PADDING}\n")
    assert [call.lineno for call in module.calls("g")] == [5]
    assert [unread(statement) is None for statement in module.tree.body[:3]] == [False, True, False]
    (binding,), sure = module.leaving(module.tree, "h")
    assert sure
    assert isinstance(binding.node, ast.FunctionDef)
    assert unread(module.tree.body[2]) is not None
    assert isinstance(binding.node.body[0], ast.Pass)
    assert type(binding.node) is ast.FunctionDef
    assert module.parsed < len(module.source.text)


def test_a_definition_that_is_no_python_is_empty(tmp_path: Path) -> None:
    module = looked_up(tmp_path, f"def f():\n    print 'two'\n{PADDING}\nrate = 0.1\n")
    definition = module.tree.body[0]
    assert isinstance(definition, ast.FunctionDef)
    assert isinstance(definition.body[0], ast.Pass)
    assert module.leaving(module.tree, "rate")[1]


def test_every_file_is_parsed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    helper = f"def build(params, wd):\n    return AdamW(params, lr=0.1, weight_decay=wd)\n{PADDING}\n"
    (tmp_path / "helper.py").write_text(f"from torch.optim import AdamW\n{helper}")
    for number in range(6):
        text = f"import torch.optim\nfrom helper import build\nbuild(model.parameters(), wd=0.{number})\n"
        (tmp_path / f"train_{number}.py").write_text(text)
    looked: Counter[str] = Counter()
    definitions: Counter[str] = Counter()
    outline, parsed = skeleton.skeleton, skeleton._parsed

    def whole(source: Source) -> ast.Module:
        raise AssertionError(source.path)

    def outlined(text: str) -> ast.Module:
        looked[text] += 1
        return outline(text)

    def filled_in(kind: type[ast.stmt], name: str, later: skeleton.Later) -> ast.stmt:
        definitions[later.text] += 1
        return parsed(kind, name, later)

    monkeypatch.setattr(project, "parse", whole)
    monkeypatch.setattr(project, "skeleton", outlined)
    monkeypatch.setattr(skeleton, "_parsed", filled_in)
    here = Project(tmp_path)
    settings = LintSettings(frozenset({"WD101", "WD106", "WD109", "WD400", "WD900"}))
    found = [check_path(path, path.name, here, settings) for path in sorted(tmp_path.glob("*.py"), reverse=True)]
    assert sum(result.sites for result in found) == 1
    assert len(looked) == 7
    assert {*looked.values(), *definitions.values()} == {1}


SEARCHED = "def f(model):\n    kept = model.parameters()\n    return list(kept)\n"


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        (f"{SEARCHED}\ndef g():\n    print 'two'\n", []),  # nobody looks into g
        (f"{SEARCHED.replace('return ', '')}    return list(kept)\n\ndef g():\n    pass\n", ["WD205"]),
        (f"{SEARCHED}\ndef g():\n    x = filter(h, m.parameters())\n    print 'two'\n", ["WD900"]),
        (f"{SEARCHED}\ndef g():\n    print(lr=0.1, weight_decay=0)\n    print 'two'\n", []),  # nothing to check in g
        (f"{SEARCHED}\ndef g():\n    AdamW(ps, weight_decay=0)\n    print 'two'\n", ["WD900"]),
        (
            f"{SEARCHED}\nclass C:\n    def g(self):\n        AdamW(ps, weight_decay=0)\n        print 'two'\n",
            ["WD900"],
        ),
        (
            f"{SEARCHED}\ndef g(:\n    pass\n\ndef h():\n    AdamW(ps, weight_decay=0)\n",
            ["WD900"],
        ),  # all of g, as it looks
        (f"{SEARCHED}\ndef g(:\n    pass\n", []),
        (f"{SEARCHED}\nprint 'two'\n", ["WD900"]),
    ],
)
def test_only_definitions_that_may_hold_a_fact_are_parsed(text: str, codes: list[str], tmp_path: Path) -> None:
    path = tmp_path / "train.py"
    path.write_text(f"{text}{PADDING}\n")
    settings = LintSettings(frozenset({"WD101", "WD205", "WD900"}))
    found = check_path(path, path.name, Project(tmp_path), settings).findings
    assert [finding.code for finding in found] == codes


def test_walking_gives_what_ast_gives() -> None:
    tree = ast.parse(Path(__file__).read_text())
    left_out = (ast.expr_context, ast.operator, ast.cmpop, ast.unaryop, ast.boolop)
    assert walk(tree) == [node for node in ast.walk(tree) if not isinstance(node, left_out)]
