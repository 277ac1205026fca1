"""The run store: Parquet shards and manifests that survive kills, resume and merge.

A *run directory* belongs to one run; a *row* is one (model, image, question, condition) under a content
*key*; a *shard* is a file of rows; a *writer* is one process that appends; its *manifest* lists its complete
shards.
"""

from scr_lens.store.keys import image_digest, missing_image_digest, row_key
from scr_lens.store.manifest import ShardEntry, unlisted_shards
from scr_lens.store.merging import merge_runs
from scr_lens.store.reader import completed_keys, read_info, read_run
from scr_lens.store.rows import Row, to_table
from scr_lens.store.schema import (
    COLUMNS,
    COMPARED_COLUMNS,
    IDENTITY_COLUMNS,
    SCHEMA_VERSION,
    Column,
    arrow_schema,
)
from scr_lens.store.writer import RunStore

__all__ = [
    "COLUMNS",
    "COMPARED_COLUMNS",
    "IDENTITY_COLUMNS",
    "SCHEMA_VERSION",
    "Column",
    "Row",
    "RunStore",
    "ShardEntry",
    "arrow_schema",
    "completed_keys",
    "image_digest",
    "merge_runs",
    "missing_image_digest",
    "read_info",
    "read_run",
    "row_key",
    "to_table",
    "unlisted_shards",
]
