"""Any ML-STAC collection for `datasets` before 4; later ones run no scripts.

datasets.load_dataset("builder_scripts/mlstac.py", data_dir="/path/of/collection", trust_remote_code=True)

Owns: that this works, or says what to install. Leaves to others: reading (`mlstac_hf`).
"""

try:  # indented, so that datasets leaves it to us to say what is missing
    from mlstac_hf._hf._script import Script
except ImportError as error:
    raise ImportError("this script reads with mlstac-hf. Install it with: pip install 'mlstac-hf[hf]'") from error


class MLSTAC(Script):
    """What `data_dir` or `data_files` name: a folder, main.json, files of samples; or any address, as `data_dir`."""
