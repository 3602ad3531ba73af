"""The generated parts of README.md: the rule table, and an excerpt of what the command really prints.

`UPDATE_FIXTURES=1 python -m pytest tests/test_readme.py` rewrites them.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from wdlint import rule
from wdlint.pages import summary

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
PROJECT = "fixtures/projects/speech_rl"


def rules() -> str:
    """The table of all rules."""
    lines = ["| code | name | severity | fix | what it finds |", "|---|---|---|---|---|"]
    for one in rule.load():
        off = "" if one.rule.default else " (off unless selected)"
        fix = "yes" if one.rule.fixable else ""
        cells = (one.rule.code, one.rule.name, one.rule.severity.value, fix, summary(one) + off)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def excerpt() -> str:
    """What `wdlint check` prints for a project of the fixtures."""
    command = [sys.executable, "-m", "wdlint", "check", "--isolated", PROJECT]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "COLUMNS": "100"})
    assert done.returncode == 1, done.stderr
    return f"```\n$ wdlint check {PROJECT}\n{done.stdout.rstrip()}\n```"


@pytest.mark.parametrize("name", ["excerpt", "rules"])
def test_generated_part(name: str) -> None:
    text = README.read_text(encoding="utf-8")
    between = re.compile(rf"(<!-- generated: {name} -->\n)(.*?)(\n?<!-- /generated -->)", re.DOTALL)
    found = between.search(text)
    assert found is not None
    wanted = {"excerpt": excerpt, "rules": rules}[name]()
    if os.environ.get("UPDATE_FIXTURES"):
        README.write_text(between.sub(lambda m: f"{m[1]}{wanted}\n<!-- /generated -->", text), encoding="utf-8")
    else:
        assert found[2].strip() == wanted
