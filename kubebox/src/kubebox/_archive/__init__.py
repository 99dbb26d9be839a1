"""Folders of this machine as tar streams: made of what the user has, and made into files of what a sandbox sends.

The latter is not believed.
"""

from kubebox._archive.pack import pack
from kubebox._archive.unpack import unpack

__all__ = ["pack", "unpack"]
