"""Which model type a checkpoint of the Hugging Face hub has, as far as the sources of transformers say it.

Part of `python -m wdlint.models.atlas_generate`. Two kinds of places are read: the checkpoint that a configuration
class is documented with (`@auto_docstring(checkpoint=…)`), and `Class.from_pretrained("organisation/name")` in the
examples of that class's own folder. A checkpoint that is said to be of two types is left out. Some examples name
checkpoints that do not exist (text copied from another model and renamed): nobody can load those.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path

DOCUMENTED = re.compile(r'@auto_docstring\([^)]*?checkpoint="(\w[\w.-]*/[\w.-]+)"[^)]*\)\s*(?:@[^\n]*\n)*class (\w+)')
LOADED = re.compile(r"""\b(\w+)\.from_pretrained\(\s*["'](\w[\w.-]*/[\w.-]+)["']""")

# Checkpoints that had no organisation until they moved, and are still found by the short name:
# https://github.com/huggingface/transformers/pull/28795 ("canonical repos moves", January 2024).
MOVED: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("google-bert", "bert"): (
        "bert-base-cased", "bert-base-chinese", "bert-base-german-cased", "bert-base-multilingual-cased",
        "bert-base-multilingual-uncased", "bert-base-uncased", "bert-large-cased",
        "bert-large-cased-whole-word-masking", "bert-large-uncased", "bert-large-uncased-whole-word-masking",
        "bert-large-uncased-whole-word-masking-finetuned-squad",
    ),
    ("openai-community", "gpt2"): ("gpt2", "gpt2-large", "gpt2-medium", "gpt2-xl"),
    ("openai-community", "openai-gpt"): ("openai-gpt",),
    ("FacebookAI", "roberta"): ("roberta-base", "roberta-large", "roberta-large-mnli"),
    ("FacebookAI", "xlm-roberta"): (
        "xlm-roberta-base", "xlm-roberta-large", "xlm-roberta-large-finetuned-conll03-english",
    ),
    ("FacebookAI", "xlm"): ("xlm-mlm-en-2048", "xlm-mlm-ende-1024", "xlm-mlm-enfr-1024", "xlm-mlm-tlm-xnli15-1024"),
    ("google-t5", "t5"): ("t5-11b", "t5-3b", "t5-base", "t5-large", "t5-small"),
    ("distilbert", "distilbert"): (
        "distilbert-base-cased", "distilbert-base-cased-distilled-squad", "distilbert-base-multilingual-cased",
        "distilbert-base-uncased", "distilbert-base-uncased-distilled-squad",
        "distilbert-base-uncased-finetuned-sst-2-english",
    ),
    ("distilbert", "gpt2"): ("distilgpt2",),
    ("distilbert", "roberta"): ("distilroberta-base",),
    ("albert", "albert"): (
        "albert-base-v1", "albert-base-v2", "albert-large-v1", "albert-large-v2", "albert-xlarge-v2",
        "albert-xxlarge-v1", "albert-xxlarge-v2",
    ),
    ("almanach", "camembert"): ("camembert-base",),
    ("xlnet", "xlnet"): ("xlnet-base-cased", "xlnet-large-cased"),
    ("Salesforce", "ctrl"): ("ctrl",),
}  # fmt: skip

# These hold whichever model the checkpoint names: their default configuration says nothing of it.
WRAPPERS = frozenset({"timm_backbone", "timm_wrapper"})

# Checkpoints whose config.json was read, in copies of it in public repositories (gpt2: vanu23/chatbot; bert: du511/
# Sonic-RNY80C and lukyanchikov/NLP; t5: learningexample/xformer), with all that decides names, sizes and ties.
READ: Mapping[str, Mapping[str, object]] = {
    "openai-community/gpt2": {
        "n_embd": 768, "n_head": 12, "n_inner": None, "n_layer": 12, "n_positions": 1024, "vocab_size": 50257,
    },
    "google-bert/bert-base-uncased": {
        "hidden_size": 768, "intermediate_size": 3072, "max_position_embeddings": 512, "num_attention_heads": 12,
        "num_hidden_layers": 12, "type_vocab_size": 2, "vocab_size": 30522,
    },
    "google-t5/t5-small": {
        "d_ff": 2048, "d_kv": 64, "d_model": 512, "feed_forward_proj": "relu", "num_decoder_layers": 6, "num_heads": 8,
        "num_layers": 6, "relative_attention_num_buckets": 32, "vocab_size": 32128,
    },
}  # fmt: skip


def exact(types: Mapping[str, str], default: Callable[[str], object]) -> list[str]:
    """The checkpoints whose configuration is the default one of their type, which `default` gives."""
    return [
        name for name, sizes in READ.items() if all(getattr(default(types[name]), k) == v for k, v in sizes.items())
    ]


def moved() -> dict[str, str]:
    """The short name of a checkpoint → its id since it moved."""
    return {name: f"{owner}/{name}" for (owner, _), names in MOVED.items() for name in names}


def model_types(models: Path, configurations: Mapping[str, str], classes: Mapping[str, str]) -> dict[str, str]:
    """Checkpoint → model type. `models`: the folder transformers/models; the others map a class to its model type."""
    documented: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    loaded: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for file in sorted(models.glob("*/*.py")):
        if file.name.startswith(("configuration_", "modeling_")):
            text, folder = file.read_text("utf-8"), file.parent.name
            for name, cls in DOCUMENTED.findall(text):
                if cls in configurations:
                    documented[name][folder].add(configurations[cls])
            for cls, name in LOADED.findall(text):
                if cls in classes:
                    loaded[name][folder].add(classes[cls])
    found = {f"{owner}/{name}": model_type for (owner, model_type), names in MOVED.items() for name in names}
    for name in sorted({*documented, *loaded} - {*found}):
        said = documented.get(name) or loaded[name]
        folder = next(iter(said))
        model_type = _whole(folder, said[folder] | loaded[name][folder])
        if len(said) == 1 and model_type is not None and model_type not in WRAPPERS:
            found[name] = model_type
    return found


def _whole(folder: str, said: set[str]) -> str | None:
    """The type of a checkpoint in a folder that has types for its parts too: the one that is called as the folder."""
    if len(said) == 1:
        return next(iter(said))
    own = [model_type for model_type in said if re.sub(r"[-.]", "_", model_type) == folder]
    parts = [model_type for model_type in said if re.sub(r"[-.]", "_", model_type).startswith(f"{folder}_")]
    return own[0] if len(own) == 1 and len(own) + len(parts) == len(said) else None
