"""Public benchmark files: where they are, how they come here, and how we know that they are the right ones.

A *dataset* has *remote files*; each has one place under the data folder. A file counts once its size and
checksum were checked; an archive once it is unpacked.
"""

from scr_lens.datasets.acquire import fetch, import_files
from scr_lens.datasets.registry import DATASETS, Dataset, RemoteFile, find_dataset

__all__ = ["DATASETS", "Dataset", "RemoteFile", "fetch", "find_dataset", "import_files"]
