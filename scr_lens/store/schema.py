"""The row of a run: one (model, image, question, condition), declared once with its documentation."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa

SCHEMA_VERSION = 1

Kind = Literal["text", "texts", "count", "number", "indices", "floats", "halves"]

ARROW_TYPES: Mapping[Kind, Any] = {
    "text": pa.string(),
    "texts": pa.list_(pa.string()),
    "count": pa.int16(),
    "number": pa.float64(),
    "indices": pa.list_(pa.int16()),
    "floats": pa.list_(pa.float32()),
    "halves": pa.list_(pa.float16()),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of the store.

    Attributes:
        name: Name of the column.
        kind: What a cell holds; `ARROW_TYPES` gives the stored type.
        doc: Meaning and unit; also written into every shard.
        required: Whether a cell must be filled in every row, failed ones included.
        identity: Whether the cell is part of the row key.
        compared: Whether two rows of one key must agree in it.
        allowed: The only values of a text cell; () = any.
        within: Lowest and highest value of a number.
    """

    name: str
    kind: Kind
    doc: str
    required: bool = False
    identity: bool = False
    compared: bool = True
    allowed: tuple[str, ...] = ()
    within: tuple[float, float] = (float("-inf"), float("inf"))


def _text(name: str, doc: str, **traits: Any) -> Column:
    return Column(name=name, kind="text", doc=doc, **traits)


def _identity(name: str, doc: str) -> Column:
    return Column(name=name, kind="text", doc=doc, required=True, identity=True)


# The order is the order in the files and in a data frame.
COLUMNS: tuple[Column, ...] = (
    _text("key", "SHA-256 over the identity columns and the schema version.", required=True),
    _text("model_id", "Name or path the model was loaded by.", required=True),
    _identity("model_revision", "Commit of the checkpoint, or SHA-256 of its weights and config."),
    _identity("processor_digest", "SHA-256 of the processor and tokenizer settings."),
    _identity("dtype", "Floating-point type of the forward pass, such as 'float32'."),
    _identity("attn_implementation", "Attention implementation of the forward pass."),
    _text("benchmark", "Name of the question set, such as 'pope'.", required=True),
    Column(
        name="splits",
        kind="texts",
        doc="Splits of the benchmark that ask this question; a split that asks it twice is listed twice.",
        required=True,
    ),
    _text("image_id", "Name of the image in its benchmark.", required=True),
    _identity("image_sha256", "SHA-256 of the bytes of the image file."),
    Column(name="grid_h", kind="count", doc="Patch rows; empty if no pass was made."),
    Column(name="grid_w", kind="count", doc="Patch columns; empty if no pass was made."),
    _text("question", "The benchmark's question; empty for captions."),
    _identity("prompt", "Full prompt given to the model, with the image placeholder."),
    _text("object", "Object asked for."),
    _text("label", "Right answer.", allowed=("yes", "no")),
    _identity("condition", "Method applied, such as 'vanilla' or 'scr'."),
    _identity("config_digest", "SHA-256 of the canonical settings of the condition."),
    _text("config_json", "Settings of the condition as JSON.", required=True),
    _text("status", "Whether the row was computed.", required=True, allowed=("ok", "failed")),
    _text("error", "Why a failed row failed; empty for ok rows."),
    _text("answer", "Answer by the first token.", allowed=("yes", "no", "other")),
    _text("answer_text", "Answer or caption as generated."),
    Column(name="p_yes", kind="number", doc="Probability of yes, all spellings.", within=(0.0, 1.0)),
    Column(name="p_no", kind="number", doc="Probability of no, all spellings.", within=(0.0, 1.0)),
    Column(name="n_layers", kind="count", doc="Decoder layers of the model."),
    Column(name="sources", kind="indices", doc="Source patches of SCR, raster indices."),
    Column(name="neighbors", kind="indices", doc="Patches that received credit, raster indices."),
    Column(
        name="neighbors_per_source", kind="number", doc="Mean neighbors owned by a source, 0 to 8 (or more)."
    ),
    Column(
        name="attention", kind="floats", doc="Diagnostic text-to-image attention per patch, raster order."
    ),
    Column(
        name="resid_norm",
        kind="halves",
        doc="L2 norm of the residual stream per layer and patch: n_layers runs of grid_h * grid_w values.",
    ),
    Column(name="entropy_norm_nats", kind="floats", doc="Entropy of the norm credit per layer, nats."),
    Column(name="entropy_attention_nats", kind="number", doc="Entropy of the attention map, nats."),
    Column(name="wall_ms", kind="number", doc="Wall time of this row's share, ms; varies.", compared=False),
)

BY_NAME: Mapping[str, Column] = {column.name: column for column in COLUMNS}
IDENTITY_COLUMNS: tuple[str, ...] = tuple(column.name for column in COLUMNS if column.identity)
COMPARED_COLUMNS: tuple[str, ...] = tuple(column.name for column in COLUMNS if column.compared)


def arrow_schema() -> Any:
    """Build the pyarrow schema of a shard.

    Returns:
        A `pyarrow.Schema` whose metadata holds the schema version and, per field, its documentation.
    """
    fields = [
        pa.field(c.name, ARROW_TYPES[c.kind], nullable=not c.required, metadata={"doc": c.doc})
        for c in COLUMNS
    ]
    return pa.schema(fields, metadata={"scr_lens_schema_version": str(SCHEMA_VERSION)})


def version_of(schema: Any) -> int | None:
    """Read the schema version that a shard declares.

    Args:
        schema: A `pyarrow.Schema`, as read from a shard.

    Returns:
        The version; None if the file was not written by this package.
    """
    declared = (schema.metadata or {}).get(b"scr_lens_schema_version")
    return int(declared) if declared is not None and declared.isdigit() else None
