"""What makes the rows of a run the same measurement, or not."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from scr_lens.decoding.one_pass_scr import OnePassScr
from scr_lens.errors import DataError
from scr_lens.measurement import Measurement
from scr_lens.one_pass import find_predictor
from scr_lens.questions import Condition
from scr_lens.store import row_key
from scr_lens.trace import Lens


class RowIdentity:
    """The identity columns of every row that a model, conditions and a measurement can give."""

    def __init__(self, lens: Lens, conditions: Sequence[Condition], measurement: Measurement) -> None:
        """Collect what all rows share.

        Args:
            lens: The model.
            conditions: Methods and settings.
            measurement: How answers are taken.

        Raises:
            DataError: If conditions share a name.
            ConfigError: If a condition needs a trained predictor that the model does not have.
        """
        names = [condition.name for condition in conditions]
        if len(set(names)) != len(names):
            raise DataError(f"conditions {names}: names must differ; rename one")
        self.conditions = tuple(conditions)
        self._lens = lens
        self._model = {
            "model_id": lens.model_id,
            "model_revision": lens.revision,
            "processor_digest": lens.processor_digest,
            "dtype": lens.dtype,
            "attn_implementation": lens.attn_implementation,
        }
        extra = measurement.settings
        self._settings = {c.name: _columns(c, {**extra, **_trained(lens, c)}) for c in self.conditions}
        self._prompts: dict[str, str] = {}

    def prompt(self, text: str) -> str:
        """The full prompt of a question, as the model gets it; made once per text."""
        if text not in self._prompts:
            self._prompts[text] = self._lens.family.prompt(self._lens.processor, text)
        return self._prompts[text]

    def cells(self, image_sha256: str, prompt: str, condition: Condition) -> dict[str, Any]:
        """The identity columns of a row, with the columns that explain them.

        Args:
            image_sha256: Hash of the image file.
            prompt: Full prompt.
            condition: One of the conditions.

        Returns:
            Cells by column.
        """
        known = {"image_sha256": image_sha256, "prompt": prompt}
        return {**self._model, **known, **self._settings[condition.name]}

    def key(self, image_sha256: str, prompt: str, condition: Condition) -> str:
        """The key of a row; see `store.row_key`."""
        return row_key(self.cells(image_sha256, prompt, condition))


def _columns(condition: Condition, extra: Mapping[str, Any]) -> dict[str, str]:
    return {
        "condition": condition.name,
        "config_digest": condition.digest(extra),
        "config_json": json.dumps({**condition.settings, **extra}, sort_keys=True),
    }


def _trained(lens: Lens, condition: Condition) -> dict[str, str]:
    """The weights of a condition's predictor: rows made with others are other rows."""
    if not isinstance(condition.config, OnePassScr):
        return {}
    state = find_predictor(lens, condition.config.predictor).state_dict()
    found = hashlib.sha256()
    for name in sorted(state):
        found.update(name.encode() + state[name].contiguous().numpy().tobytes())
    return {"predictor_sha256": found.hexdigest()}
