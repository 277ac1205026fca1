"""What one pass should bring back, decided before it runs so that everything is reduced before it is kept."""

from dataclasses import dataclass
from typing import Literal, get_args

from scr_lens.config import LayerRange, QuerySet
from scr_lens.errors import ConfigError, unknown_name

GradientTarget = Literal["answer"] | tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class CaptureSpec:
    """The quantities a pass records.

    Args:
        resid_norms: Norm of the residual stream after every block, at image positions.
        attention: Blocks whose attention from text to image is recorded; None records none.
        queries: Text positions whose attention rows are averaged.
        attention_heads: Also keep the attention of every head (still averaged over queries).
        residuals: Blocks whose residual stream is kept whole, at image positions only.
        gradients: Gradient credit of every block, from one backward pass.
        gradient_target: "answer" is the model's own greedy token; else one token id per sample.
        logits: Logits of the last position.
        stop_after: Last block to execute; None runs the whole model.

    Raises:
        ConfigError: If the settings contradict each other.
    """

    resid_norms: bool = True
    attention: LayerRange | None = None
    queries: QuerySet = "all_text_after_image"
    attention_heads: bool = False
    residuals: tuple[int, ...] = ()
    gradients: bool = False
    gradient_target: GradientTarget = "answer"
    logits: bool = True
    stop_after: int | None = None

    def __post_init__(self) -> None:
        if self.queries not in get_args(QuerySet):
            raise ConfigError(unknown_name("query set", self.queries, get_args(QuerySet)))
        if self.attention_heads and self.attention is None:
            raise ConfigError("attention_heads=True needs attention=LayerRange(first, last)")
        if self.stop_after is not None and (self.logits or self.gradients):
            raise ConfigError(
                f"stop_after={self.stop_after} ends the pass before there are logits; "
                "pass logits=False and gradients=False with it"
            )
        if isinstance(self.gradient_target, str) and self.gradient_target != "answer":
            raise ConfigError(
                f"gradient_target is {self.gradient_target!r}; give 'answer' or a tuple of token ids"
            )

    def last_layer(self, n_layers: int) -> int:
        """The last block that will run, after checking every requested block against the model.

        Args:
            n_layers: Number of decoder blocks.

        Returns:
            `stop_after`, or the last block.

        Raises:
            ConfigError: If a requested block does not exist or lies after `stop_after`.
        """
        last = n_layers - 1 if self.stop_after is None else self.stop_after
        requested = {"stop_after": last}
        if self.attention is not None:
            requested["attention"] = self.attention.last
        for layer in self.residuals:
            requested[f"residuals entry {layer}"] = layer
            if layer < 0:
                raise ConfigError(f"residuals holds block {layer}; blocks count from 0")
        for name, layer in requested.items():
            if not 0 <= layer <= min(last, n_layers - 1):
                raise ConfigError(
                    f"{name} asks for block {layer}, but the pass runs blocks 0-{min(last, n_layers - 1)} "
                    f"of a model with {n_layers}; choose one of those"
                )
        return last
