"""Runs in the project's own interpreter, as a script: builds a model and describes it, or measures an optimizer.

Standard library and torch only: nothing of wdlint may be imported here but optimizers/measuring, by its path.
`describe` serves by itself too. As a script, `worker.py REQUEST` does what REQUEST (JSON, see `main`) says and answers
in a file, so that nothing that the project's code prints can disturb the answer. wdlint/models/containment.py limits
its time and memory from outside.
"""

from __future__ import annotations

import contextlib
import difflib
import faulthandler
import fnmatch
import functools
import importlib
import importlib.util
import inspect
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

SKIPPED = ("torch.nn.modules.module.Module", "builtins.object", "abc.ABC", "typing.Generic")
DECLARATIONS = ("no_weight_decay", "no_weight_decay_keywords")
ASKED_FOR = ("weight", "bias")
MANY_MODULES = 50_000
LONG = 20.0  # seconds
OLDEST_TORCH = (2, 0)  # the first whose devices are context managers
HEADS = ("CAUSAL_LM", "SEQ_TO_SEQ_CAUSAL_LM", "IMAGE_TEXT_TO_TEXT", "MASKED_LM", "IMAGE_CLASSIFICATION")


def describe(model: Any) -> dict[str, Any]:
    """The raw facts that an inventory is made from.

    `tensors` in the order of `named_parameters()`, each with all its names, the first one that of
    `named_parameters()`; the shape is None for a lazy module's tensor. `modules`: [name, index into `classes`] in the
    order of a walk; `classes`: each one's dotted path and those of its bases. `shared`: modules that are met before
    under another path, with that path. `attributes`: what modules have under a name where no parameter is, as
    `wdlint.models.parameters.Inventory` says. `whole`: both are complete; else `modules` has those that hold a
    parameter, themselves or below. `declarations`: what `no_weight_decay()` and `no_weight_decay_keywords()` return,
    by method.
    """
    names: dict[int, list[str]] = {}
    tensors: dict[int, Any] = {}
    owners: dict[int, Any] = {}
    modules: dict[str, Any] = {}
    held: set[str] = set()
    first: dict[int, str] = {}
    shared: dict[str, str] = {}
    attributes: list[list[str]] = []
    whole = not _names_its_own(model) and not isinstance(model, _loaded("torch").jit.ScriptModule)
    for prefix, module in _walk(model):
        own = [(name, tensor) for name, tensor in module._parameters.items() if tensor is not None]
        for name, tensor in own:
            names.setdefault(id(tensor), []).append(f"{prefix}.{name}" if prefix else name)
            tensors[id(tensor)] = tensor
            owners.setdefault(id(tensor), module)
        if own:
            parts = prefix.split(".") if prefix else []
            held.update(".".join(parts[:depth]) for depth in range(len(parts) + 1))
        modules[prefix] = _class(module)
        if first.setdefault(id(module), prefix) != prefix:
            shared[prefix] = first[id(module)]
        elif whole:
            attributes += ([f"{prefix}.{name}" if prefix else name, what] for name, what in _attributes(module))
    if not whole:
        modules = {prefix: cls for prefix, cls in modules.items() if prefix in held}
        shared = {prefix: path for prefix, path in shared.items() if prefix in held}
    if _names_its_own(model):
        names, tensors = {}, {}
        for name, tensor in model.named_parameters():
            names.setdefault(id(tensor), []).append(name)
            tensors[id(tensor)] = tensor
            if id(tensor) in owners:
                modules.setdefault(name.rpartition(".")[0], _class(owners[id(tensor)]))
    classes: dict[Any, int] = {}
    for cls in modules.values():
        classes.setdefault(cls, len(classes))
    declarations = {method: entries for method in DECLARATIONS if (entries := _asked(model, method))}
    return {
        "tensors": [
            {
                "names": names[key],
                "shape": _shape(tensor),
                "requires_grad": bool(tensor.requires_grad),
                "exempt": _tagged(tensor) or any(_declared(name, declarations) for name in names[key]),
            }
            for key, tensor in tensors.items()
        ],
        "modules": [[name, classes[cls]] for name, cls in modules.items()],
        "classes": [lineage(cls) for cls in classes],
        "shared": shared,
        "attributes": attributes,
        "whole": whole,
        "declarations": declarations,
    }


def _attributes(module: Any) -> Iterator[tuple[str, str]]:
    """What a module has where no parameter is: what is registered as None, and what code asks most modules for."""
    torch = _loaded("torch")

    for name, tensor in module._parameters.items():
        if tensor is None:
            yield name, "registered"
    for name in ASKED_FOR:
        if name in module._parameters or module._modules.get(name) is not None:
            continue
        try:
            value = getattr(module, name)
        except Exception:  # there is none, or a property that does not work yet
            continue
        if value is None:
            yield name, "none"
        elif isinstance(value, torch.Tensor):
            yield name, "parameter" if isinstance(value, torch.nn.Parameter) else "tensor"
        else:
            yield name, "other"


def _loaded(name: str) -> Any:
    """A module that may not be there where wdlint itself runs, or is checked."""
    return importlib.import_module(name)


def _walk(module: Any, prefix: str = "", above: tuple[int, ...] = ()) -> Iterator[tuple[str, Any]]:
    """`named_modules(remove_duplicate=False)`, also for a model that holds one of its own ancestors."""
    yield prefix, module
    above = (*above, id(module))
    for name, child in module._modules.items():
        if child is not None and id(child) not in above:
            yield from _walk(child, f"{prefix}.{name}" if prefix else name, above)


def _names_its_own(model: Any) -> bool:
    """Whether the model has a `named_parameters()` of its own: an optimizer gets what that one says."""
    torch = _loaded("torch")

    stock = (torch.nn.Module, torch.jit.ScriptModule, torch.jit.RecursiveScriptModule)
    return any("named_parameters" in vars(cls) for cls in type(model).__mro__ if cls not in stock)


def _shape(tensor: Any) -> list[int] | None:
    try:
        return [int(size) for size in tensor.shape]
    except RuntimeError:  # torch.nn.parameter.UninitializedParameter: known after the first batch only
        return None


def _class(module: Any) -> Any:
    """The module's class; for a scripted module the one that was scripted, or its path where that is not loaded."""
    torch = _loaded("torch")
    if not isinstance(module, torch.jit.ScriptModule):
        return type(module)
    parts = module._c._type().qualified_name().split(".")
    package, name = [part for part in parts if not part.startswith("___torch_mangle_")][1:-1], parts[-1]
    return getattr(sys.modules.get(".".join(package)), name, ".".join([*package, name]))


def lineage(cls: Any) -> list[str]:
    """A class's dotted path and those of its bases that say anything."""
    if isinstance(cls, str):
        return [cls]
    paths = [f"{base.__module__}.{base.__qualname__}" for base in cls.__mro__]
    return [paths[0], *(path for path in paths[1:] if path not in SKIPPED)]


def _tagged(tensor: Any) -> bool:
    """Whether the tensor itself says so: Mamba's `_no_weight_decay`, S4's `_optim`."""
    optim = getattr(tensor, "_optim", None)
    return bool(getattr(tensor, "_no_weight_decay", False)) or (
        isinstance(optim, dict) and optim.get("weight_decay", 1) == 0
    )


def _declared(name: str, declarations: dict[str, list[str]]) -> bool:
    """Whether the model's own `no_weight_decay()` or `no_weight_decay_keywords()` names a parameter.

    Only the root's methods count and entries may be patterns, as in timm/optim/_param_groups.py.
    """
    exact, keywords = (declarations.get(method, ()) for method in DECLARATIONS)
    return any(fnmatch.fnmatchcase(name, entry) for entry in exact) or any(keyword in name for keyword in keywords)


def _asked(model: Any, method: str) -> list[str]:
    try:
        answer = getattr(model, method)()
        return sorted(entry for entry in answer if isinstance(entry, str))  # often a set
    except Exception:  # no such method, or one of another meaning
        return []


class Plan(NamedTuple):
    """How to build what was asked for: `make` is called on each device that is tried, `called` is its name."""

    make: Callable[[], Any]
    called: str
    notes: tuple[str, ...] = ()
    typical: bool = False


class Refused(Exception):
    """What was asked for cannot be built on any device; its text says why and what to do."""


class NoConnection(socket.gaierror):
    """Models are built without a network; a kind of OSError, as libraries expect of one that is down."""


def main() -> None:
    """Builds a model on the first device that works, or measures an optimizer class, and answers.

    The request: `kind` (a library's name, "module" or "file"), `target` and `where` (see wdlint/models/spec.py),
    `path` (folders for `sys.path`), `devices` (tried in order: "meta", "patched", "cpu", "cuda"), `memory` (bytes),
    `answer` and `trace` (files to write). The answer: `raw` (what `describe` says), `device`, `library`, `notes` and
    `typical`, or `failures`: `device`, `reason`, `frames` (file and row, innermost first) and `final`, when no other
    device can help. With `training`, `target` makes a model and its optimizers, and the answer has `optimizers`, too
    (what `describe` of training.py says of each). With `options` (constructor arguments), `target` is an optimizer
    class that is measured on the one device; the answer then is `measured` (see optimizers/measuring/measure.py),
    `path` (where the class is defined), `package` (name and version; None in the project itself) and `torch` (its
    version).
    """
    request = json.loads(sys.argv[1])
    del sys.path[0]  # this file's folder: the modules beside it are not the project's
    leave = os._exit
    answer = functools.partial(_answer, request["answer"], os.getpid())

    def leave_early(status: int) -> None:
        frames = [[frame.filename, frame.lineno] for frame in inspect.stack(0)[1:]]
        answer({"failures": [{"device": "", "reason": f"calls os._exit({status})", "frames": frames, "final": True}]})
        leave(status)

    with open(request["trace"], "w") as trace:
        faulthandler.enable(trace)
        if hasattr(faulthandler, "register"):
            faulthandler.register(signal.SIGUSR1, trace, all_threads=False)
        _limit(request)
        _disconnect()
        os._exit = leave_early  # type: ignore[assignment]
        try:
            answer(_measured(request) if "options" in request else _built(request))
        except BaseException as error:
            answer({"failures": [_failure(error, request, "", "answering")]})
        leave(0)  # without the project's atexit functions and threads


def _answer(path: str, pid: int, content: dict[str, Any]) -> None:
    if os.getpid() == pid:  # what the model has forked has nothing to say
        with open(path + ".part", "w", encoding="utf-8") as file:
            json.dump(content, file)
        os.replace(path + ".part", path)


def _limit(request: dict[str, Any]) -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if request["devices"] != ["cuda"]:  # whose driver maps far more than it uses
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        limit = request["memory"] if hard == resource.RLIM_INFINITY else min(request["memory"], hard)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))


def _disconnect() -> None:
    """Refuses every connection but those within the machine's own sockets; processes that it starts are not held."""
    connect, connect_ex, sendto = socket.socket.connect, socket.socket.connect_ex, socket.socket.sendto
    look_up, here = socket.getaddrinfo, (None, "", "localhost", "127.0.0.1", "::1", socket.gethostname())

    def guarded(method: Any) -> Any:
        def guard(self: Any, *args: Any) -> Any:
            if self.family in (socket.AF_INET, socket.AF_INET6):
                raise NoConnection(f"{args[-1][0]}:{args[-1][1]}")
            return method(self, *args)

        return guard

    def resolve(host: Any, *args: Any, **kwargs: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name not in here:
            raise NoConnection(name)
        return look_up(host, *args, **kwargs)

    socket.socket.connect = guarded(connect)  # type: ignore[method-assign]
    socket.socket.connect_ex = guarded(connect_ex)  # type: ignore[method-assign]
    socket.socket.sendto = guarded(sendto)  # type: ignore[method-assign]
    socket.getaddrinfo = resolve


def _built(request: dict[str, Any]) -> dict[str, Any]:
    began = time.monotonic()
    devices = request["devices"]
    try:
        _prepare(request)
        training = _training() if request["training"] else None
        built = training.watch() if training is not None else {}
        plan = PLANS.get(request["kind"], _project)(request)
    except BaseException as error:
        failure = _failure(error, request, "", _importing(request))
        return {"failures": [{**failure, "final": True}]}
    failures = []
    held: list[dict[str, Any]] = []
    for device in devices:
        notes = list(plan.notes)
        try:
            with contextlib.ExitStack() as stack:
                _enter(device, stack)
                if training is None:
                    model = _only_model(plan.make(), plan.called, notes)
                else:
                    model, held = _with_optimizers(training, plan, built)
            raw = describe(model)
        except BaseException as error:
            failures.append(_failure(error, request, device, plan.called))
            if failures[-1]["final"]:
                break
            continue
        notes += _notes(model, device, time.monotonic() - began)
        return {
            "raw": raw,
            "device": _origin(model, device),
            "library": library(type(model)),
            "notes": notes,
            "typical": plan.typical,
            "optimizers": held,
        }
    return {"failures": failures}


def _training() -> Any:
    """training.py beside this file, under a name that is none of the project's."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "training.py")
    spec = importlib.util.spec_from_file_location("wdlint_training", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _with_optimizers(training: Any, plan: Plan, built: Any) -> tuple[Any, list[dict[str, Any]]]:
    """The model, and what training.py says of each of its optimizers."""
    made = plan.make()
    try:
        model, optimizers = training.parts(made, plan.called)
    except training.Incomplete as error:
        raise Refused(str(error)) from None
    return model, [training.describe(optimizer, model, built) for optimizer in optimizers]


def _measured(request: dict[str, Any]) -> dict[str, Any]:
    doing, target = _importing(request), request["target"]
    try:
        _prepare(request)
        torch = _loaded("torch")
        cls = _named(request)
        doing = f"measuring {target}"
        measuring = _measuring()
        if not (isinstance(cls, type) and issubclass(cls, torch.optim.Optimizer)):
            if isinstance(cls, type) and (reason := measuring.wrapping(cls)):
                raise Refused(f"{target}: {reason}")
            found = "a class" if isinstance(cls, type) else _described(cls)
            raise Refused(f"{target} is {found}, no torch.optim.Optimizer")
        try:
            found = measuring.measure(cls, request["options"], request["devices"][0])
        except measuring.Unmeasured as error:
            raise Refused(f"{target}: {error}") from error
    except BaseException as error:
        return {"failures": [{**_failure(error, request, "", doing), "final": True}]}
    return {
        "measured": found._asdict(),
        "path": f"{cls.__module__}.{cls.__qualname__}",
        "package": _package(cls),
        "torch": torch.__version__.partition("+")[0],
    }


def _measuring() -> Any:
    """optimizers/measuring as a package of its own."""
    folder = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "optimizers", "measuring")
    name = "wdlint_measuring"
    spec = importlib.util.spec_from_file_location(
        name, os.path.join(folder, "__init__.py"), submodule_search_locations=[folder]
    )
    assert spec is not None
    assert spec.loader is not None
    sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[name])
    return importlib.import_module(f"{name}.measure")


def _described(thing: Any) -> str:
    return f"the class {thing.__name__}" if isinstance(thing, type) else f"a {type(thing).__name__}"


def _package(cls: type) -> str | None:
    """The distribution that installed a class, and its version."""
    root = cls.__module__.partition(".")[0]
    file = getattr(sys.modules.get(cls.__module__), "__file__", None) or ""
    if not any(folder in file for folder in ("site-packages", "dist-packages")):
        return None
    metadata = _loaded("importlib.metadata")
    names = metadata.packages_distributions().get(root, [root]) if sys.version_info >= (3, 10) else [root]
    try:
        return f"{names[0]} {metadata.version(names[0]).partition('+')[0]}"
    except metadata.PackageNotFoundError:
        return str(names[0])


def _prepare(request: dict[str, Any]) -> None:
    _check_torch(request["devices"])
    if "meta" in request["devices"]:
        _skip_init()
    sys.path[:0] = request["path"]
    sys.argv = [request["where"] or request["target"]]


def _importing(request: dict[str, Any]) -> str:
    return f"importing {os.path.basename(request['where']) or request['target']}"


def _check_torch(devices: list[str]) -> None:
    try:
        torch = _loaded("torch")
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise Refused(f"no torch in {sys.executable}; --python names another interpreter") from None
    if tuple(int(part) for part in torch.__version__.split(".")[:2]) < OLDEST_TORCH:
        raise Refused(f"torch {torch.__version__} in {sys.executable} is too old; 2.0 is needed")
    if devices == ["cuda"] and not torch.cuda.is_available():
        raise Refused(f"no CUDA device that torch {torch.__version__} in {sys.executable} can use")


def _skip_init() -> None:
    """Makes filling a tensor do nothing: on meta, that is most of the time.

    `reset_parameters()` and `_init_weights()` still run, so what they tag or tie stays so.
    """
    init = _loaded("torch.nn.init")

    def keep(tensor: Any, *args: Any, **kwargs: Any) -> Any:
        return tensor

    for name in dir(init):
        if name.endswith("_") and not name.startswith("_"):
            setattr(init, name, keep)


def _enter(device: str, stack: contextlib.ExitStack) -> None:
    torch = _loaded("torch")
    if device in ("meta", "patched", "cuda"):
        stack.enter_context(torch.device("meta" if device == "patched" else device))
    if device == "patched":
        stack.enter_context(_patches())


@contextlib.contextmanager
def _patches() -> Iterator[None]:
    """For models that the meta device alone cannot build: what changes no name, shape or tie.

    `linspace` (drop path rates that are read back) goes to the CPU; `arange` does not, that breaks others. Moving a
    model or a tensor to a device is left out.
    """
    torch = _loaded("torch")

    moves = (torch.Tensor.to, torch.Tensor.cuda, torch.Tensor.cpu)

    class Patches(_loaded("torch.overrides").TorchFunctionMode):  # type: ignore[misc]
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            kwargs = kwargs or {}
            if func is torch.linspace:
                kwargs = {**kwargs, "device": "cpu"}
            if func in moves and args[0].is_meta:
                return args[0]
            return func(*args, **kwargs)

    apply = torch.nn.Module._apply
    torch.nn.Module._apply = lambda self, *args, **kwargs: self
    try:
        with Patches():
            yield
    finally:
        torch.nn.Module._apply = apply


def _only_model(made: Any, called: str, notes: list[str]) -> Any:
    """The one model in what a function has returned."""
    torch = _loaded("torch")
    if isinstance(made, torch.nn.Module):
        return made
    if isinstance(made, (tuple, list, dict)):
        items = made.items() if isinstance(made, dict) else enumerate(made)
        models = [(key, value) for key, value in items if isinstance(value, torch.nn.Module)]
        if len(models) == 1:
            notes.append(f"{called} returned a {type(made).__name__}; the model is its item {models[0][0]!r}")
            return models[0][1]
        if models:
            keys = ", ".join(repr(key) for key, _ in models)
            raise Refused(f"{called} returned {len(models)} models ({keys}): name a function that returns one")
    kind = "None" if made is None else f"a {type(made).__name__}"
    raise Refused(f"{called} returned {kind}, not a torch.nn.Module")


def _notes(model: Any, device: str, seconds: float) -> Iterator[str]:
    torch = _loaded("torch")
    parameters = list(model.parameters())
    if device != "meta":  # the usual rung needs no word
        yield {
            "patched": "built on the meta device, with linspace on the CPU and without moves between devices",
            "cpu": "built on the CPU",
            "cuda": "built on the GPU",
        }[device]
    if device in ("meta", "patched") and (real := _real(model)):
        size = sum(tensor.numel() * tensor.element_size() for tensor in real if _shape(tensor) is not None)
        yield f"{len(real)} of {len(parameters)} parameters took real memory all the same: {size / 2**20:,.1f} MiB"
    if device == "cuda":
        yield f"peak GPU memory {torch.cuda.max_memory_allocated() / 2**30:.2f} GiB"
    lazy = sum(_shape(tensor) is None for tensor in parameters)
    if lazy:
        yield f"{lazy} parameters of lazy modules have no shape before the first batch"
    modules = sum(1 for _ in model.modules())
    if modules > MANY_MODULES:
        yield f"{modules:,} modules"
    if seconds > LONG:
        yield f"importing and building took {seconds:.0f} s"


def _origin(model: Any, device: str) -> str:
    """Where the model is: one that was made while its file was imported is not where it was asked to be."""
    if device not in ("meta", "patched"):
        return device
    real = _real(model)
    if not real or len(real) < sum(1 for _ in model.parameters()):
        return "meta"
    return "cuda" if real[0].is_cuda else "cpu"


def _real(model: Any) -> list[Any]:
    """The parameters that are not on the meta device."""
    return [tensor for tensor in model.parameters() if not tensor.is_meta]


def library(cls: type) -> str:
    """The package that a class comes from and torch, with their versions."""
    torch = _loaded("torch")

    own = f"torch {torch.__version__.partition('+')[0]}"
    package = cls.__module__.partition(".")[0]
    file = getattr(sys.modules.get(cls.__module__), "__file__", None) or ""
    if package == "torch" or not any(folder in file for folder in ("site-packages", "dist-packages")):
        return own
    version = getattr(sys.modules[package], "__version__", "").partition("+")[0]
    return f"{package} {version}, {own}" if version else f"{package}, {own}"


def _failure(error: BaseException, request: dict[str, Any], device: str, doing: str) -> dict[str, Any]:
    reason, final = _explained(error, request, doing)
    return {"device": device, "reason": reason, "frames": list(_frames(error)), "final": final}


def _explained(error: BaseException, request: dict[str, Any], doing: str) -> tuple[str, bool]:
    """Why it failed and what to do, and whether it would fail on any device."""
    text = " ".join(str(error).split())
    for cause in _chain(error):
        if isinstance(cause, NoConnection):
            return f"{doing} wants to connect to {cause}, and nothing is downloaded: turn pretrained weights off", True
        if type(cause).__name__ in ("OfflineModeIsEnabled", "LocalEntryNotFoundError"):
            return f"{doing} wants to download, and nothing is: turn pretrained weights off ({text})", True
    if isinstance(error, Refused):
        return text, True
    if isinstance(error, SystemExit):
        guard = ': put it under `if __name__ == "__main__":`' if doing.startswith("importing") else ""
        return f"{doing} calls sys.exit({error.code!r}){guard}", True
    if isinstance(error, MemoryError) or any(sign in text for sign in ("can't allocate memory", "std::bad_alloc")):
        return f"{doing} needs more than {request['memory'] / 2**30:.3g} GiB of memory", True
    if isinstance(error, EOFError):
        return f"{doing} reads standard input, which is empty here", True
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"{doing} needs the module {error.name!r}, which {sys.executable} does not have", True
    if isinstance(error, RecursionError):
        text = "recursion without end"
    final = isinstance(error, RecursionError) or not isinstance(error, Exception)
    return f"{doing} failed: {type(error).__name__}: {text}" if text else f"{doing}: {type(error).__name__}", final


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _frames(error: BaseException) -> Iterator[list[Any]]:
    for cause in _chain(error):
        if isinstance(cause, SyntaxError) and cause.filename:
            yield [cause.filename, cause.lineno or 1]
        rows = []
        trace = cause.__traceback__
        while trace is not None:
            rows.append([trace.tb_frame.f_code.co_filename, trace.tb_lineno])
            trace = trace.tb_next
        yield from reversed(rows[-2000:])


def _named(request: dict[str, Any]) -> Any:
    """What the request names in a module or file."""
    where, target = request["where"], request["target"]
    found: Any = importlib.import_module(where) if request["kind"] == "module" else _from_file(where)
    for name in target.split("."):
        if not hasattr(found, name):
            raise Refused(f"{os.path.basename(where)} has no {target!r}{_close(target, _public(found))}")
        found = getattr(found, name)
    return found


def _project(request: dict[str, Any]) -> Plan:
    """A function, class or model in the project."""
    torch = _loaded("torch")

    target = request["target"]
    made = _named(request)
    if isinstance(made, torch.nn.Module) or (request["training"] and not callable(made)):
        return Plan(lambda: made, target)
    if not callable(made):
        raise Refused(f"{target} is a {type(made).__name__}, neither a model nor a function or class that makes one")
    called = f"{target}()"
    needed = _needed(made)
    if needed == ["config"] and hasattr(getattr(made, "config_class", None), "model_type"):
        return _by_default(made)
    if needed:
        named = f"{target}.__init__" if isinstance(made, type) else target
        wanted = ", ".join(f"`{name}`" for name in needed)
        raise Refused(f"{named} needs {wanted}: write a function without arguments that calls it, and name that")
    return Plan(made, called)


def _from_file(path: str) -> Any:
    """The file as a module: within its package where it lies in one, else by itself."""
    folder, name = os.path.split(path)
    parts = [os.path.splitext(name)[0]]
    while os.path.exists(os.path.join(folder, "__init__.py")):
        folder, package = os.path.split(folder)
        parts.insert(0, package)
    if len(parts) > 1:
        sys.path.insert(0, folder)
        return importlib.import_module(".".join(part for part in parts if part != "__init__"))
    known = parts[0] in sys.modules or parts[0] in getattr(sys, "stdlib_module_names", ())
    spec = importlib.util.spec_from_file_location(f"{parts[0]}_" if known else parts[0], path)
    if spec is None or spec.loader is None:
        raise Refused(f"{name} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses and pickle look there
    spec.loader.exec_module(module)
    return module


def _needed(made: Any) -> list[str]:
    """The arguments without a default."""
    try:
        parameters = inspect.signature(made).parameters.values()
    except (TypeError, ValueError):
        return []
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [one.name for one in parameters if one.default is one.empty and one.kind not in variable]


def _public(module: Any) -> list[str]:
    return [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]


def _close(name: str, known: Any) -> str:
    close = difflib.get_close_matches(name, known, 3, 0.6)
    return f"; it has {', '.join(close)}" if close else ""


def _transformers(request: dict[str, Any]) -> Plan:
    transformers = _loaded("transformers")

    target, folder = request["target"], request["where"]
    if not folder:
        cls = getattr(transformers, target, None) if target.isidentifier() else None
        if isinstance(cls, type):
            return _by_default(cls)
        cached = _loaded("huggingface_hub").try_to_load_from_cache(target, "config.json")
        folder = os.path.dirname(cached) if isinstance(cached, str) else ""
    if not folder:
        if target not in _loaded("transformers.models.auto.configuration_auto").CONFIG_MAPPING:
            raise Refused(f"{target} is neither a class nor a model type of transformers, nor in the local cache")
        return _by_default(_head(target))
    config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True)
    named = [getattr(transformers, name, None) for name in config.architectures or ()]
    cls = next((one for one in named if isinstance(one, type)), None) or _head(config.model_type)
    return Plan(lambda: cls(config), f"{cls.__name__}(config)")


def _by_default(cls: Any) -> Plan:
    if getattr(cls, "config_class", None) is None:
        raise Refused(f"{cls.__name__} has no configuration of its own: name a model class, a model type or a folder")
    note = f"default configuration ({cls.config_class.__name__}())"
    return Plan(lambda: cls(cls.config_class()), f"{cls.__name__}({cls.config_class.__name__}())", (note,), True)


def _head(model_type: str) -> Any:
    """The class that trains this type of model: a language model's head first, the bare model last."""
    transformers = _loaded("transformers")
    modeling_auto = _loaded("transformers.models.auto.modeling_auto")

    tables = [f"MODEL_FOR_{head}_MAPPING_NAMES" for head in HEADS]
    tables += [name for name in vars(modeling_auto) if name.startswith("MODEL_FOR_") and name.endswith("_NAMES")]
    for table in (*tables, "MODEL_MAPPING_NAMES"):
        name = getattr(modeling_auto, table, {}).get(model_type)
        if name is not None:
            return getattr(transformers, name if isinstance(name, str) else name[0])
    raise Refused(f"transformers has no model class for {model_type!r}")


def _timm(request: dict[str, Any]) -> Plan:
    timm = _loaded("timm")

    target = request["target"]
    if not timm.is_model(target):
        raise Refused(f"timm {timm.__version__} has no model {target!r}{_close(target, timm.list_models())}")
    return Plan(lambda: timm.create_model(target, pretrained=False), f"timm.create_model({target!r})")


def _torchvision(request: dict[str, Any]) -> Plan:
    torchvision = _loaded("torchvision")

    target, known = request["target"], torchvision.models.list_models()
    if target not in known:
        raise Refused(f"torchvision {torchvision.__version__} has no model {target!r}{_close(target, known)}")
    build = torchvision.models.get_model_builder(target)
    taken = inspect.signature(build).parameters
    empty = {name: None for name in ("weights", "weights_backbone") if name in taken}
    return Plan(lambda: build(**empty), f"torchvision.models.{target}()")


def _diffusers(request: dict[str, Any]) -> Plan:
    diffusers = _loaded("diffusers")

    target = request["target"]
    if not hasattr(diffusers, target):
        raise Refused(f"diffusers {diffusers.__version__} has no class {target!r}")
    return Plan(getattr(diffusers, target), f"{target}()", ("default configuration",), True)


def _open_clip(request: dict[str, Any]) -> Plan:
    open_clip = _loaded("open_clip")
    torch = _loaded("torch")

    target, known = request["target"], open_clip.list_models()
    if target not in known:
        raise Refused(f"open_clip {open_clip.__version__} has no model {target!r}{_close(target, known)}")

    def make() -> Any:
        return open_clip.create_model(target, pretrained=None, device=str(torch.empty(0).device))

    return Plan(make, f"open_clip.create_model({target!r})")


PLANS: dict[str, Callable[[dict[str, Any]], Plan]] = {
    "transformers": _transformers,
    "timm": _timm,
    "torchvision": _torchvision,
    "diffusers": _diffusers,
    "open_clip": _open_clip,
}

if __name__ == "__main__":
    main()
