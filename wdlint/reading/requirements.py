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
# a state of a repository: `name @ git+https://host/owner/name.git@state`
STATE = r"""(?mx) ^[^\#\n]* git\+ [^\s"'@]* /%s (?:\.git)? @ (?P<asked> [^\s\#;"']+)"""
LATEST = frozenset({"main", "master", "HEAD"})


def stays_below(project: Project, file: Path, package: str, version: str) -> bool:
    """Whether the requirements nearest to a file, of those that name a package, all ask for less than a version."""
    asked = _nearest(project, file, LINE % re.escape(package), package)
    return bool(asked) and all(_below(one, Version(version)) for one in asked)


def is_another(project: Project, file: Path, package: str) -> bool:
    """Whether the nearest requirements ask for some state of a repository of that name: a fork, a branch, a commit."""
    asked = _nearest(project, file, STATE % re.escape(package), package)
    return bool(asked) and not LATEST.intersection(asked)


def _nearest(project: Project, file: Path, pattern: str, package: str) -> list[str]:
    root = project.root.absolute()
    for folder in file.absolute().parents:
        paths = [folder / name for name in FILES]
        project.looked.update(map(str, paths))
        asked = [one for path in paths for one in _asked(content(path), pattern, package)]
        if asked or folder == root or root not in folder.parents:
            return asked
    return []


def _asked(data: bytes, pattern: str, package: str) -> list[str]:
    if package.encode() not in data:
        return []
    return [match["asked"].strip() for match in re.finditer(pattern, data.decode(errors="replace"))]


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
