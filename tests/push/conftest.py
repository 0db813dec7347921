"""What publishing needs is not in the core."""

from __future__ import annotations

import pytest

pytest.importorskip("datasets")
pytest.importorskip("shapely")
