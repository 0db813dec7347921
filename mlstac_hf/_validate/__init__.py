"""What is wrong with a collection, and where."""

from mlstac_hf._validate._report import Finding, Report
from mlstac_hf._validate._validate import validate

__all__ = ["Finding", "Report", "validate"]
