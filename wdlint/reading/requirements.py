"""Which versions of a package a project asks for, as its requirement files say."""

from __future__ import annotations

import re
from pathlib import Path

from packaging.specifiers import InvalidSpecifier, Specifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from wdlint.reading.project import Project, content

FILES = ("requirements.txt", "pyproject.toml", "setup.cfg", "setup.py", "environment.yml", "environment.yaml")
# `name==1.2`, `- name=1.2=build` (conda), `name = "1.2"` (Poetry), in whatever stands around it
LINE = r"""(?mx) ^[\s\-"']* %s \s* (?:\[[^\]]*\])? \s* (?:=\s*["'])? \s* (?P<asked> [=<>~!]* \s* \d [^;\#"'\n]*)"""


def stays_below(project: Project, file: Path, package: str, version: str) -> bool:
    """Whether the requirements nearest to a file, of those that name a package, all ask for less than a version."""
    root = project.root.absolute()
    for folder in file.absolute().parents:
        paths = [folder / name for name in FILES]
        project.looked.update(map(str, paths))
        asked = [one for path in paths for one in _asked(content(path), package)]
        if asked or folder == root or root not in folder.parents:
            return bool(asked) and all(_below(one, Version(version)) for one in asked)
    return False


def _asked(data: bytes, package: str) -> list[str]:
    if package.encode() not in data:
        return []
    text = data.decode(errors="replace")
    return [match["asked"].strip() for match in re.finditer(LINE % re.escape(package), text)]


def _below(asked: str, version: Version) -> bool:
    """Whether a requirement leaves out a version and all later ones."""
    if asked[0].isdigit():
        asked = f"=={asked}"
    if conda := re.fullmatch(r"=([^=\s]+)(=.*)?", asked):
        asked = f"=={conda[1]}"
    try:
        return any(_bounds(one, version) for one in SpecifierSet(asked))
    except (InvalidSpecifier, InvalidVersion):
        return False


def _bounds(one: Specifier, version: Version) -> bool:
    limit = Version(one.version.removesuffix(".*"))
    match one.operator:
        case "<":
            return limit <= version
        case "<=" | "==" | "===":
            return limit < version
        case "~=":
            return limit < version and not one.contains(version)
    return False
