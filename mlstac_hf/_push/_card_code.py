"""How to load a published collection, in code that can be pasted.

Owns: the snippets of a card. Leaves to others: the rest of it (`_card_text`).
"""

from __future__ import annotations

import json
import re

from mlstac_hf._pictures._tones import RGB
from mlstac_hf._push._card_facts import METADATA, PREVIEW, CardFacts
from mlstac_hf._push._markdown import fenced
from mlstac_hf._spec import Collection

_IMAGE_AXES = 3
_BANDS = 3
_SPLIT = re.compile(r"\w+(\.\w+)*", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9 _.+-]{1,40}")


def loading(facts: CardFacts) -> str:
    """The section, from the plainest way to the most particular."""
    parts = [_plain_raw(facts) if facts.form == "raw" else _plain(facts), _other_configs(facts)]
    parts += [_ours(facts), _selecting(facts), _keras(facts)]
    return "\n\n".join(filter(None, parts))


def _python(*lines: str) -> str:
    return fenced("\n".join(lines), "python")


def _plain(facts: CardFacts) -> str:
    code = _python(
        "from datasets import load_dataset",
        "",
        f'dataset = load_dataset("{facts.repo_id}")  # all splits, kept on disk as Arrow files',
        f'stream = load_dataset("{facts.repo_id}", split="{_split(facts)}", streaming=True)  # reads as it goes',
        "print(dataset, next(iter(stream)).keys())",
    )
    said = (
        "With [`datasets`](https://huggingface.co/docs/datasets) 3.6 or later and nothing else:\n\n"
        f"{code}\n\n"
        "No code of this repository is run: `trust_remote_code=True`, as older snippets have it, changes nothing."
    )
    return f"{said}{_script(facts)}"


def _plain_raw(facts: CardFacts) -> str:
    raw = _python(
        "import mlstac_hf",
        "",
        f'dataset = mlstac_hf.load_dataset("{facts.repo_id}", split="{_split(facts)}")',
    )
    registered = _python(
        "import datasets",
        "import mlstac_hf",
        "",
        "mlstac_hf.register()  # once in a process",
        f'dataset = datasets.load_dataset("{facts.repo_id}", split="{_split(facts)}")',
    )
    return (
        f'**Plain `datasets.load_dataset("{facts.repo_id}")` gives metadata rows only, no pixels**: the samples of '
        "this repository are files as ML-STAC has them, which `datasets` does not read by itself. This line gives "
        f"pixels, after `pip install 'mlstac-hf[hf]'`:\n\n{raw}\n\n"
        f"And so does `datasets` itself, once `mlstac_hf` has registered its reader:\n\n{registered}{_script(facts)}"
    )


def _script(facts: CardFacts) -> str:
    if facts.script is None:
        return ""
    line = f'load_dataset("{facts.repo_id}", revision="{facts.script}", trust_remote_code=True)'
    return (
        "\n\nOn `datasets` before 4, the script of this dataset is on a branch of its own, and reads with `mlstac-hf`: "
        f"`{line}`."
    )


def _other_configs(facts: CardFacts) -> str:
    names = {config.name for config in facts.configs}
    lines = []
    if METADATA in names:
        lines.append(f'rows = load_dataset("{facts.repo_id}", "{METADATA}")  # one a sample: id, outline, time, …')
    if PREVIEW in names:
        lines.append(f'pictures = load_dataset("{facts.repo_id}", "{PREVIEW}")  # a small one of each; needs Pillow')
    if not lines:
        return ""
    code = _python("from datasets import load_dataset", "", *lines)
    return f"Without the tensors, in seconds:\n\n{code}"


def _ours(facts: CardFacts) -> str:
    code = _python(
        "import mlstac_hf",
        "",
        f'samples = mlstac_hf.load("{facts.repo_id}", framework="numpy", split="{_split(facts)}")',
        "sample = samples[0]  # or [2:6], a batch; samples.metadata[0] has its place and time",
    )
    return (
        "With [`mlstac-hf`](https://pypi.org/project/mlstac-hf), in the stored dtypes, for `numpy`, `torch`, "
        f"`tensorflow`, `jax` or `paddle`:\n\n{code}\n\n"
        "The formats of `datasets` itself widen whole numbers to 64 bits, and make floats of 32 of all others; "
        '`.with_format("mlstac_numpy")` and its like (`mlstac_torch`, `mlstac_tf`, `mlstac_jax`, `mlstac_paddle`) keep '
        "what is stored."
    )


def _selecting(facts: CardFacts) -> str:
    arguments = []
    if facts.bbox:
        west, south, east, north = facts.bbox
        x, y = (east - west) / 4, (north - south) / 4
        middle = ", ".join(f"{degrees:.5g}" for degrees in (west + x, south + y, east - x, north - y))
        arguments.append(f"    bbox=({middle}),  # west, south, east, north")
    if facts.start and facts.end:
        arguments.append(f'    datetime="{facts.start:%Y-%m-%d}/{facts.end:%Y-%m-%d}",')
    bands = _bands(facts.collection)
    if bands:
        arguments.append(f"    bands={json.dumps(bands)},")
    if not arguments:
        return ""
    head = f'some = mlstac_hf.load(\n    "{facts.repo_id}",\n    framework="numpy",\n    split="{_split(facts)}",'
    code = _python("import mlstac_hf", "", head, *arguments, ")")
    return f"Only some places, times or bands are read where only some are asked for:\n\n{code}"


def _bands(collection: Collection) -> list[str]:
    """A few band names that can stand in code."""
    names = [band.common_name or band.name for band in collection.bands]
    plain = [name for name in names if _NAME.fullmatch(name)]
    favourites: list[str] = [name for name in RGB if name in plain]
    return favourites if len(favourites) == _BANDS else plain[:_BANDS]


def _keras(facts: CardFacts) -> str:
    """Where images are (bands, rows, columns), all of one size."""
    image, target = ((facts.features or {}).get(name) for name in ("input", "target"))
    shape = getattr(image, "shape", None) or ()
    if len(shape) != _IMAGE_AXES or None in shape or target is None or getattr(target, "dtype", None) == "string":
        return ""
    package = "mlstac_hf" if facts.form == "raw" else "datasets"
    code = _python(
        "import tensorflow as tf",
        f"from {package} import load_dataset",
        "",
        f'rows = load_dataset("{facts.repo_id}", split="{_split(facts)}").with_format("tf")',
        'pairs = rows.to_tf_dataset(columns="input", label_cols="target", batch_size=32, shuffle=True)',
        "pairs = pairs.map(lambda x, y: (tf.transpose(tf.cast(x, tf.float32), [0, 2, 3, 1]), y))  # bands last",
        "model.fit(pairs)  # a model of your own",
    )
    return f"In Keras:\n\n{code}"


def _split(facts: CardFacts) -> str:
    """The one to show, by a name that can stand in code."""
    names = [split.name for split in facts.splits if _SPLIT.fullmatch(split.name)]
    return "train" if "train" in names or not names else names[0]
