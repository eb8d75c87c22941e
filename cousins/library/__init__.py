"""Shapes to swap in for the objects of a scene: household things of our own, or a user's folder.

library = Household()                      # or index(Path("meshes"))
for item in library(asset, 8, rng):
    swapped = fitted(asset, item, "mug_2")  # None where it does not fit
"""

from cousins.library.fit import fitted
from cousins.library.folder import Entry, Folder, index
from cousins.library.household import Household
from cousins.library.item import Item, Library
from cousins.library.within import LibraryError

__all__ = ["Entry", "Folder", "Household", "Item", "Library", "LibraryError", "fitted", "index"]
