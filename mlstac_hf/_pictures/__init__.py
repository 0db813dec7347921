"""Pictures of a collection, out of its arrays: of samples, of where they are, of their classes."""

from mlstac_hf._pictures._classes import draw_classes
from mlstac_hf._pictures._map import draw_map
from mlstac_hf._pictures._sheet import contact_sheet
from mlstac_hf._pictures._targets import Target, target_of
from mlstac_hf._pictures._tones import Stretch, Tones

__all__ = ["Stretch", "Target", "Tones", "contact_sheet", "draw_classes", "draw_map", "target_of"]
