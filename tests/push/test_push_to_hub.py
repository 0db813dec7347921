"""`push_to_hub` of what `load_dataset` gave: whoever has only `datasets` reads the same samples."""

import datasets
import numpy as np
import pytest
from hub_process import hub_environment, run_with_hub
from made import TRAITS
from tables import as_row, flat, read_as_a_stranger

from mlstac_hf._formats import widen

COLLECTIONS = ("plain", "class_labels", "ragged_boxes", "bool_bfloat16_float16", "tensor_to_text_0.0.23")
CALLS = {
    "DatasetDict": "mlstac_hf.load_dataset(address)",
    "Dataset": "mlstac_hf.load_dataset(address, split='train')",
    "IterableDataset": "mlstac_hf.load_dataset(address, split='train', streaming=True)",
}


@pytest.fixture
def pushed(hub, tmp_path):
    """Pushes collections as the owner; the rows that somebody without this package then reads, by name."""
    token = hub.token("user")

    def push(call, names):
        made = {name: TRAITS[name](tmp_path / name) for name in names}
        code = f"""
        import json, datasets, mlstac_hf
        datasets.disable_progress_bars()
        for number, address in enumerate({[str(one.address) for one in made.values()]}):
            {call}.push_to_hub(f"user/x{{number}}")
        print(json.dumps("done"))
        """
        run_with_hub(hub, tmp_path / "publisher", code, HF_TOKEN=token)
        answers = read_as_a_stranger(
            tmp_path / "cache",
            [{"path": f"user/x{number}"} for number in range(len(made))],
            hub_environment(hub, tmp_path / "stranger"),
        )
        return made, dict(zip(made, answers, strict=True))

    return push


def has_push(kind):
    return hasattr(getattr(datasets, kind), "push_to_hub")


@pytest.mark.parametrize("kind", [kind for kind in CALLS if has_push(kind)])
def test_whoever_has_only_datasets_reads_what_was_pushed(pushed, kind):
    made, answers = pushed(CALLS[kind], COLLECTIONS if kind == "DatasetDict" else ("plain",))
    for name, collection in made.items():
        splits = collection.splits if kind == "DatasetDict" else {"train": collection.splits["train"]}
        answer = answers[name]
        assert answer["False"].keys() == answer["True"].keys() == splits.keys()
        for split, samples in splits.items():
            for rows in (answer["False"][split], answer["True"][split]):
                assert len(rows) == len(samples)
                for row, sample in zip(rows, samples, strict=True):
                    assert {column: flat(row[column]) for column in sample.shown} == {
                        column: as_row(value) for column, value in sample.shown.items()
                    }
        first = splits["train"][0].shown
        assert {column: answer["dtypes"][column] for column in first} == {
            column: arrow_name(value) for column, value in first.items()
        }


def arrow_name(value):
    """What Arrow calls the dtype that a stock format shows."""
    if isinstance(value, str):
        return "string"
    return {"float16": "halffloat", "float32": "float", "float64": "double"}.get(
        name := widen(np.asarray(value)).dtype.name, name
    )
