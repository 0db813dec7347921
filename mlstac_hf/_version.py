"""The version, which cache keys depend on."""

__version__ = "0.1.0"
