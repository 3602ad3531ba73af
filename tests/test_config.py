"""Configuration files and what they say wrong; which rules run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from wdlint import config
from wdlint.config import ConfigError, Settings, configuration
from wdlint.findings import Severity


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def settings(text: str, tree: Path, **overrides: Any) -> Settings:
    (tree / "wdlint.toml").write_text(text)
    return configuration({key.replace("_", "-"): value for key, value in overrides.items()})(tree)


def codes(text: str, tree: Path, name: str = "train.py", **overrides: Any) -> set[str]:
    """Of the rules WD101, WD110 (off by default) and WD400, those that run."""
    return set(settings(text, tree, **overrides).codes(tree / name)) & {"WD101", "WD110", "WD400"}


def test_the_nearest_file_counts_alone(tree: Path) -> None:
    deep = tree / "a" / "b"
    deep.mkdir(parents=True)
    (tree / "pyproject.toml").write_text("[tool.wdlint]\nfail-on = 'error'\nshow-fixes = true\n")
    (tree / "a" / "pyproject.toml").write_text("[tool.other]\nwdlint = 1\n")
    of = configuration({})
    assert (of(deep).fail_on, of(deep).source) == (Severity.ERROR, tree / "pyproject.toml")
    (tree / "a" / "wdlint.toml").write_text("fail-on = 'advice'\n")
    of = configuration({})
    assert (of(deep).fail_on, of(deep).show_fixes) == (Severity.ADVICE, False)
    assert of(tree).fail_on is Severity.ERROR
    (tree / "a" / ".wdlint.toml").write_text("")
    assert configuration({})(deep).source == tree / "a" / ".wdlint.toml"
    assert configuration({}, isolated=True)(deep).source is None


def test_a_named_file_counts_for_all(tree: Path) -> None:
    (tree / "other.toml").write_text("fail-on = 'error'\n")
    (tree / "wdlint.toml").write_text("fail-on = 'advice'\n")
    assert configuration({}, file=tree / "other.toml")(tree).fail_on is Severity.ERROR


def test_the_command_line_wins(tree: Path) -> None:
    assert settings("fail-on = 'error'\n", tree, fail_on="advice").fail_on is Severity.ADVICE
    both = settings("extend-exclude = ['a']\n", tree, extend_exclude=["b"])
    assert both.excludes(tree / "a")
    assert both.excludes(tree / "b")


def test_patterns_are_seen_from_the_file_that_holds_them(tree: Path) -> None:
    (tree / "sub").mkdir()
    (tree / "sub" / "wdlint.toml").write_text(
        "extend-exclude = ['gen/x.py']\n[per-file-ignores]\n'gen/y.py' = ['WD']\n"
    )
    of = configuration({})(tree / "sub" / "gen")
    assert of.excludes(tree / "sub" / "gen" / "x.py")
    assert not of.excludes(tree / "gen" / "x.py")
    assert of.codes(tree / "sub" / "gen" / "y.py") == frozenset()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {"WD101", "WD400"}),
        ("select = ['ALL']", {"WD101", "WD110", "WD400"}),
        ("select = ['WD1']", {"WD101", "WD110"}),
        ("select = ['coupled-l2']", {"WD101"}),
        ("select = []", set()),
        ("extend-select = ['WD110']", {"WD101", "WD110", "WD400"}),
        ("ignore = ['coupled-l2']", {"WD400"}),
        ("ignore = ['ALL']", set()),
        ("select = ['WD101']\nignore = ['WD1']", {"WD101"}),
        ("select = ['WD1']\nignore = ['WD101']", {"WD110"}),
        ("select = ['WD101']\nignore = ['coupled-l2']", set()),
        ("select = ['ALL']\nignore = ['WD1']\nextend-select = ['WD101']", {"WD101", "WD400"}),
    ],
)
def test_selection(text: str, expected: set[str], tree: Path) -> None:
    assert codes(text, tree) == expected


def test_the_command_lines_selection_is_a_layer_above(tree: Path) -> None:
    assert codes("ignore = ['WD101']", tree, select=["WD1"]) == {"WD101", "WD110"}
    assert codes("ignore = ['WD101']", tree, ignore=["WD4"]) == set()
    assert codes("select = ['WD4']", tree, extend_select=["WD101"]) == {"WD101", "WD400"}


@pytest.mark.parametrize(
    ("pattern", "ignored"),
    [
        ("train.py", True),
        ("*.py", True),
        ("tests", False),
        ("src", True),
        ("src/*.py", True),
        ("/src/train.py", False),
    ],
)
def test_per_file_ignores(pattern: str, ignored: bool, tree: Path) -> None:
    text = f"[per-file-ignores]\n'{pattern}' = ['WD1', 'undivided-parameters']\n"
    assert codes(text, tree, "src/train.py") == (set() if ignored else {"WD101", "WD400"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\nselct = ['WD1']\n", "wdlint.toml:1: unknown key 'x'"),
        ("\nselct = ['WD1']\n", "wdlint.toml:2: unknown key 'selct'; did you mean 'select'?"),
        (
            "extend_select = ['WD1']\n",
            "wdlint.toml:1: unknown key 'extend_select'; did you mean 'extend-select'?",
        ),
        ("select = 'WD1'\n", 'wdlint.toml:1: select: must be a list of strings, not "WD1"'),
        ("select = [1]\n", "wdlint.toml:1: select: must be a list of strings, not [1]"),
        ("force-exclude = 1\n", "wdlint.toml:1: force-exclude: must be true or false, not 1"),
        ("fail-on = 'fatal'\n", 'wdlint.toml:1: fail-on: must be one of advice, warning, error, not "fatal"'),
        (
            "fail-on = ['error']\n",
            'wdlint.toml:1: fail-on: must be one of advice, warning, error, not ["error"]',
        ),
        (
            "select = ['coupled-l3']\n",
            "wdlint.toml:1: select: no rule 'coupled-l3'; did you mean 'coupled-l2'?",
        ),
        ("[per-file-ignores]\na = 'WD1'\n", "per-file-ignores: must be a table of lists of strings, not"),
        ("[per-file-ignores]\na = ['WD77']\n", "per-file-ignores: no rule 'WD77'"),
        ("select = [\n", "wdlint.toml:2:1: not valid TOML: "),
        ("a b = 1\n", "wdlint.toml:1:3: not valid TOML: "),
    ],
)
def test_errors_name_the_place(text: str, message: str, tree: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        settings(text, tree)
    assert message in str(caught.value)


def test_errors_in_pyproject(tree: Path) -> None:
    file = tree / "pyproject.toml"
    file.write_text("[project]\nname = 'x'\n[tool.wdlint]\nselect = []\nexclud = []\n")
    with pytest.raises(ConfigError, match=r"pyproject.toml:5: unknown key 'exclud'; did you mean 'exclude'\?"):
        configuration({})(tree)
    file.write_text("[tool]\nwdlint = 3\n")
    with pytest.raises(ConfigError, match=r"tool.wdlint must be a table"):
        configuration({})(tree)
    file.write_bytes(b"# wdlint\n# \xff\n")
    with pytest.raises(ConfigError, match=r"pyproject.toml:2: not UTF-8"):
        configuration({})(tree)


def test_another_tools_broken_pyproject_is_not_our_business(tree: Path) -> None:
    (tree / "pyproject.toml").write_text("[tool.other\n")
    assert configuration({})(tree).source is None


def test_inline_settings() -> None:
    assert config.override("fail-on = 'error'") == {"fail-on": "error"}
    for text, message in (
        ("x y", "neither a file nor KEY=VALUE"),
        ("selct=[]", "unknown key 'selct'; did you mean"),
    ):
        with pytest.raises(ConfigError, match=message):
            config.override(text)


def test_every_setting_is_shown(tree: Path) -> None:
    one = settings("extend-exclude = ['a']\n[per-file-ignores]\n'b.py' = ['WD101']\n", tree)
    shown = "\n".join(config.show(one, tree / "b.py"))
    assert f"# from {tree / 'wdlint.toml'}" in shown
    assert 'per-file-ignores = {"b.py" = ["WD101"]}' in shown
    assert '"a"]' in shown
    assert 'fail-on = "warning"' in shown
    assert "force-exclude = false" in shown
    assert '"WD101"' not in shown.partition("rules = ")[2]


def test_what_may_be_decayed(tree: Path) -> None:
    text = "policy = 'ndim'\ndecay = ['embedding']\nno-decay = ['*.gate']\n[models]\n'train/**' = 'train.py:build'\n"
    one = settings(text, tree)
    assert (one.policy, one.decay, one.no_decay) == ("ndim", ("embedding",), ("*.gate",))
    assert one.model(tree / "train" / "gpt.py") == "train.py:build"
    assert one.model(tree / "eval.py") is None
    assert settings(text, tree, policy="hf").policy == "hf"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("policy = 'nidm'\n", "wdlint.toml:1: policy: must be one of strict"),
        ("decay = ['norm']\nno-decay = ['norm']\n", "'norm' is both in decay and in no-decay"),
        ("models = ['train.py']\n", "wdlint.toml:1: models: must be a table from file patterns to models"),
    ],
)
def test_wrong_policies_and_models(tree: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=r".") as caught:
        settings(text, tree)
    assert said in str(caught.value)
