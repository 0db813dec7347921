"""Runs beside mlstac 0.0.12 or 0.0.23: what its own readers make of splits in the sample layout.

Arguments: a file of jobs, a file to write the answers to, the framework.
"""

import hashlib
import json
import pathlib
import sys

import mlstac
import safetensors


def facts(tensors):
    """Dtype, shape and digest of each tensor."""
    return {name: [_dtype(tensor), list(tensor.shape), _digest(tensor)] for name, tensor in tensors.items()}


def _dtype(tensor):
    return str(tensor.dtype).removeprefix("torch.")


def _digest(tensor):
    if hasattr(tensor, "tobytes"):
        return hashlib.sha256(tensor.tobytes()).hexdigest()
    import torch

    return hashlib.sha256(tensor.flatten().contiguous().view(torch.uint8).numpy().tobytes()).hexdigest()


def metadata(path):
    """As 0.0.23 reads it; 0.0.12 has no function for that, and leaves it to safetensors."""
    try:
        from mlstac.utils import read_metadata_safetensor
    except ImportError:
        with safetensors.safe_open(path, "numpy") as file:
            return file.metadata()
    # it adds dtype, shape and place of each tensor under keys of its own
    added = ("__dtype", "__shape", "__offset")
    found = read_metadata_safetensor(path, compress=False)
    return {key: value for key, value in found.items() if not key.endswith(added)}


def read(job, framework):
    """One split, from the files that were downloaded, and streamed."""
    asked = {"split": job["split"], "framework": framework, "verbose": False}
    whole = mlstac.load(job["main"], data_dir=pathlib.Path(job["data_dir"]), **asked)
    answer = {
        "whole": {path.stem: facts(whole[index]) for index, path in enumerate(whole.files)},
        "metadata": {path.stem: metadata(path) for path in whole.files},
    }
    if job["stream"]:
        stream = mlstac.load(job["main"], stream=True, **asked)
        # its __len__ asks for an attribute that it never sets
        answer["stream"] = [facts(stream[index]) for index in range(len(whole))]
    return answer


def main():
    """All jobs."""
    jobs, answers, framework = sys.argv[1:]
    found = {name: read(job, framework) for name, job in json.loads(pathlib.Path(jobs).read_text()).items()}
    pathlib.Path(answers).write_text(json.dumps(found))


main()
