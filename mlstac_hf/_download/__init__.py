"""`download()`: a collection, or a selection of it, as files of this disk."""

from mlstac_hf._download._download import download
from mlstac_hf._download._result import DownloadResult

__all__ = ["DownloadResult", "download"]
