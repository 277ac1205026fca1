"""What an intervention is, and the one that does nothing."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from scr_lens.config import LayerRange


@runtime_checkable
class Intervention(Protocol):
    """An edit of the residual stream after a decoder block."""

    @property
    def layers(self) -> LayerRange | None:
        """The blocks that the intervention acts on; None means none."""

    def __call__(
        self, resid_post: Float[Tensor, "batch seq d_model"], layer: int
    ) -> Float[Tensor, "batch seq d_model"]:
        """Edit the output of one block.

        Args:
            resid_post: Residual stream after the block's second addition.
            layer: The block, counted from 0.

        Returns:
            The edited stream as a new tensor; the same object where the intervention does not act.
        """


@dataclass(frozen=True)
class Identity:
    """The intervention that acts nowhere and returns every input as the same object."""

    @property
    def layers(self) -> None:
        """No block."""
        return None

    def __call__(
        self, resid_post: Float[Tensor, "batch seq d_model"], layer: int
    ) -> Float[Tensor, "batch seq d_model"]:
        """Return the input.

        Args:
            resid_post: Residual stream after a block.
            layer: The block, counted from 0; not used.

        Returns:
            The same object.
        """
        del layer
        return resid_post
