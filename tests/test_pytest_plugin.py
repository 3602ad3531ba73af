"""The pytest plugin, as the tests of a user's project meet it."""

from __future__ import annotations

from importlib import metadata

import pytest

import wdlint

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch
pytest_plugins = ("pytester",)

TRAIN = """\
import torch
from torch import nn

DECAY = 0.1

def build():
    model = nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4), nn.Linear(4, 2))
    groups = [
        {"params": [p for p in model.parameters() if p.ndim >= 2], "weight_decay": DECAY},
        {"params": [p for p in model.parameters() if p.ndim < 2], "weight_decay": 0.0},
    ]
    return model, torch.optim.AdamW(groups)
"""
ROWS = """\
[optimizers]
"AdamW" = { class = "torch.optim.AdamW" }

[parameters]
"{0,2}.weight" = { decay = 0.1, optimizer = "AdamW", group = 0, count = 2 }
"1.weight" = { decay = 0.0, optimizer = "AdamW", group = 1 }
"*.bias" = { decay = 0.0, optimizer = "AdamW", group = 1, count = 3 }
"""


@pytest.fixture(scope="module", autouse=True)
def loaded() -> None:
    """What an audit imports, once: pytester forgets what is imported within its runs."""
    model = torch.nn.Linear(1, 1)
    wdlint.audit(model, torch.optim.SGD(model.parameters()))


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """A training script beside its tests."""
    pytester.makepyfile(train=TRAIN)
    pytester.syspathinsert()
    if not metadata.entry_points(group="pytest11", name="wdlint"):
        pytester.plugins = ["wdlint.integrations.pytest"]
    return pytester


def test_importing_the_plugin_is_light(pytester: pytest.Pytester) -> None:
    if not metadata.entry_points(group="pytest11", name="wdlint"):
        pytest.skip("installed before there was a plugin: pip install -e . again")
    pytester.makepyfile(
        """
        import sys

        def test_it(pytestconfig):
            assert pytestconfig.pluginmanager.hasplugin("wdlint")
            assert not {"torch", "libcst", "wdlint.linter", "wdlint.live"} & sys.modules.keys()
        """
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=1)


def test_assert_decay_fails_for_what_the_audit_finds(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest
        import torch
        import train
        from wdlint.integrations.pytest import assert_decay

        def test_good():
            assert assert_decay(*train.build(), policy="strict").findings == ()

        def test_undivided():
            model, _ = train.build()
            assert_decay(model, torch.optim.AdamW(model.parameters(), weight_decay=0.1))

        def test_meant():
            model, _ = train.build()
            optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.1)
            assert_decay(model, optimizer, ignore=["undivided-parameters"])
            assert_decay(model, optimizer, fail_on="error")
            assert_decay(model, optimizer, policy="everything")

        def test_left_out():
            model, _ = train.build()
            optimizer = torch.optim.AdamW([{"params": [model[0].weight], "weight_decay": 0.1}])
            assert_decay(model, optimizer, ignore=["WD207"])
            assert_decay(model, optimizer)

        def test_a_part():
            model, _ = train.build()
            assert_decay(model, torch.optim.SGD(model[2].parameters(), lr=0.1))

        def test_wrong_word():
            with pytest.raises(ValueError, match="severity is one of"):
                assert_decay(*train.build(), fail_on="loud")
        """
    )
    result = project.runpytest()
    result.assert_outcomes(passed=3, failed=3)
    result.stdout.fnmatch_lines(
        [
            "E*AssertionError: the decay is not as it should be:",
            "E*WD400*undivided-parameters*",
            "E*5 trainable parameters are in no group: 1 weight matrix (2.weight), *",
            "E*4 trainable parameters are in no group: 1 weight matrix (0.weight), *",
        ]
    )


def test_a_snapshot_is_written_when_asked_and_compared(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_train="""
        import pytest
        import train

        @pytest.mark.parametrize("case", ["a-b"])
        def test_it(decay_snapshot, case):
            decay_snapshot(*train.build())
            decay_snapshot(*train.build(), name="again")
        """
    )
    first = project.runpytest()
    first.assert_outcomes(failed=1)
    first.stdout.fnmatch_lines(
        ["E*AssertionError: there is no decay_snapshots/test_train.test_it[[]a-b[]].toml yet: pytest --update-*"]
    )
    assert not (project.path / "decay_snapshots").exists()

    project.runpytest("--update-decay-snapshots").assert_outcomes(passed=1)
    files = sorted((project.path / "decay_snapshots").iterdir())
    assert [file.name for file in files] == ["again.toml", "test_train.test_it[a-b].toml"]
    text = files[1].read_text()
    assert text.endswith(ROWS)
    assert 'spec = "test_train.py::test_it[a-b]"' in text
    project.runpytest().assert_outcomes(passed=1)
    files[1].write_text(text.replace("2.", "1."))  # other versions are no change
    project.runpytest("--update-decay-snapshots").assert_outcomes(passed=1)
    assert files[1].read_text() != text

    (project.path / "train.py").write_text(TRAIN.replace("nn.LayerNorm(4)", "nn.Linear(4, 4, bias=True)"))
    moved = project.runpytest()
    moved.assert_outcomes(failed=1)
    moved.stdout.fnmatch_lines(
        [
            "E*AssertionError: moved since decay_snapshots/test_train.test_it[[]a-b[]].toml:",
            "E*1.weight: 0.1 in group 0 of AdamW, was 0.0 in group 1 of AdamW",
            "E*if this is meant: pytest --update-decay-snapshots",
        ]
    )


def test_the_lock_of_the_project_is_compared(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_train="""
        import train

        def test_it(decay_lock):
            decay_lock(*train.build())

        def test_named(decay_lock):
            decay_lock(*train.build(), file="other/my.decay.lock")
        """
    )
    missing = project.runpytest()
    missing.assert_outcomes(failed=2)
    missing.stdout.fnmatch_lines(["E*FileNotFoundError: no decay.lock beside the test nor above it: wdlint lock*"])
    head = 'format = 1\nspec = "train.py:build"\nmodel = "Sequential"\nlibrary = ""\n\n'
    (project.path / "decay.lock").write_text(head + ROWS)
    (project.path / "other").mkdir()
    (project.path / "other" / "my.decay.lock").write_text(head + ROWS.replace("decay = 0.1", "decay = 0.2"))
    result = project.runpytest()
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "E*AssertionError: moved since other/my.decay.lock:",
            "E*{0,2}.weight *2: 0.1 in group 0 of AdamW, was 0.2 in group 0 of AdamW",
            "E*if this is meant: wdlint lock train.py:build",
        ]
    )
