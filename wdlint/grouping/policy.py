"""Named policies: which parameters may be decayed. None is a law; each says whose practice it is."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterable, Sequence

from wdlint.models.parameters import Kind, Parameter
from wdlint.nearest import nearest
from wdlint.records import dataclass

DEFAULT = "strict"

Judge = Callable[[Parameter], bool | None]


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy, with the `decay` and `no_decay` entries that a project adds to it.

    An entry is the name of a kind, or a pattern for a parameter's whole name or one of its aliases, as in `fnmatch`.
    A pattern counts before a kind, both count before the policy, and `no_decay` before `decay` where both say so alike.
    `summary`: one line for people. `source`: whose practice it is, and where that is written.
    """

    name: str
    summary: str
    source: str
    judge: Judge
    decay: tuple[str, ...] = ()
    no_decay: tuple[str, ...] = ()

    def decays(self, parameter: Parameter) -> bool | None:
        """Whether it may be decayed; None when that cannot be known. Frozen parameters are judged like any other."""
        for says in (_named, _of_kind):
            if says(parameter, self.no_decay):
                return False
            if says(parameter, self.decay):
                return True
        return self.judge(parameter)

    def unmatched(self, parameters: Iterable[Parameter]) -> tuple[str, ...]:
        """The entries of `decay` and `no_decay` that no parameter answers to, in order."""
        known = list(parameters)
        entries = dict.fromkeys((*self.decay, *self.no_decay))
        return tuple(e for e in entries if not any(_named(p, (e,)) or _of_kind(p, (e,)) for p in known))


def policy(name: str, decay: Sequence[str] = (), no_decay: Sequence[str] = ()) -> Policy:
    """The policy of that name with a project's own entries.

    Raises ValueError, with a message for people, for a name that does not exist, an entry that is in both lists, and
    an entry that is a kind's name but for case, hyphens or a plural.
    """
    found = POLICIES.get(name)
    if found is None:
        raise ValueError(f"there is no policy {name!r}{nearest(name, POLICIES)} (policies: {', '.join(POLICIES)})")
    for entry in (*decay, *no_decay):
        _checked(entry)
    if both := [entry for entry in decay if entry in no_decay]:
        raise ValueError(f"{both[0]!r} is both in decay and in no-decay")
    return Policy(found.name, found.summary, found.source, found.judge, tuple(decay), tuple(no_decay))


def rank(parameter: Parameter) -> int | None:
    """Its number of dimensions; None when it is not known."""
    return None if parameter.shape is None else len(parameter.shape)


def _strict(parameter: Parameter) -> bool | None:
    return False if parameter.declared_exempt else _matrices(parameter)


def _matrices(parameter: Parameter) -> bool | None:
    # LoRA's factors take a weight's place: decay pulls their product to 0, which is the pretrained model.
    return _but(parameter, parameter.kind not in (Kind.WEIGHT, Kind.LORA))


def _hf(parameter: Parameter) -> bool | None:
    # The state of a router is a bias by its name, which is what the Trainer goes by.
    return _but(parameter, parameter.kind in (Kind.NORM, Kind.BIAS, Kind.ROUTER_STATE))


def _but(parameter: Parameter, spared: bool) -> bool | None:
    return None if parameter.kind is Kind.UNKNOWN else not spared


def _ndim(parameter: Parameter) -> bool | None:
    dimensions = rank(parameter)
    return None if dimensions is None else dimensions >= 2


def _timm(parameter: Parameter) -> bool | None:
    if parameter.declared_exempt or parameter.name.endswith(".bias"):
        return False
    return _ndim(parameter)


def _olmo2(parameter: Parameter) -> bool | None:
    if parameter.kind is Kind.EMBEDDING or parameter.owner_class == "torch.nn.Embedding":
        return False
    return _but(parameter, False)


def _everything(_: Parameter) -> bool | None:
    return True


_ALL = (
    Policy(
        "strict",
        "only weights and the factors of LoRA, and none that the model itself declares exempt",
        "wdlint: what minGPT does, with declared exclusions honoured as timm does",
        _strict,
    ),
    Policy(
        "hf",
        "everything but norms and biases; embeddings, positions and scales are decayed",
        "what Trainer.get_decay_parameter_names of transformers 5.23 means (trainer.py, lines 1408-1418), judged by"
        " kind; its patterns themselves miss some norms and hit some weights",
        _hf,
    ),
    Policy(
        "ndim",
        "everything with two dimensions or more; embeddings are decayed",
        "nanoGPT, model.py, configure_optimizers (commit 3adf61e, lines 263-276)",
        _ndim,
    ),
    Policy(
        "timm",
        "everything with two dimensions or more, but not *.bias nor what the model declares exempt",
        "timm/optim/_param_groups.py, param_groups_weight_decay (1.0.31, lines 17-70)",
        _timm,
    ),
    Policy(
        "mingpt",
        "only weights of matrix products, whatever the model declares exempt",
        "minGPT, mingpt/model.py, configure_optimizers (commit 37baab7, lines 216-257)",
        _matrices,
    ),
    Policy(
        "olmo2",
        "everything but embeddings; norms and biases are decayed",
        "OLMo, configs/official-1124/OLMo2-7B-stage1.yaml (commit 59a53e3, lines 44-50); olmo/optim.py takes every"
        " nn.Embedding",
        _olmo2,
    ),
    Policy(
        "everything",
        "everything that is trained",
        "torchtitan, components/optimizer/optimizer.py (commit b5bcd76); also litgpt, torchtune, fairseq",
        _everything,
    ),
)
POLICIES = {one.name: one for one in _ALL}


def _named(parameter: Parameter, entries: Iterable[str]) -> bool:
    names = (parameter.name, *parameter.aliases)
    return any(fnmatch.fnmatchcase(name, e) for e in entries if not _is_kind(e) for name in names)


def _of_kind(parameter: Parameter, entries: Iterable[str]) -> bool:
    return any(parameter.kind.value == entry for entry in entries)


def _is_kind(entry: str) -> bool:
    return entry in Kind.__members__.values()


def _checked(entry: str) -> None:
    if _is_kind(entry):
        return
    word = entry.lower().replace("-", "_")
    for kind in Kind:
        if word in (kind.value, f"{kind.value}s", f"{kind.value}es"):
            kinds = ", ".join(Kind)
            raise ValueError(f"{entry!r} is no kind of parameter; did you mean {kind.value!r}? (kinds: {kinds})")
