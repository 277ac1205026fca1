"""Options of the commands that build a published model with random weights."""

from typing import Annotated

import typer

RandomWeights = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Take a published model of true size with random weights: llava-1.5-7b, llava-1.5-13b, "
        "chameleon-7b, chameleon-30b, qwen-vl or qwen2-vl-7b.",
    ),
]
Layers = Annotated[
    int | None, typer.Option(min=1, help="Keep only so many decoder blocks, for small machines.")
]
DistinctBlocks = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Blocks with weights of their own, which the others repeat: full depth and arithmetic in the "
        "memory of a few blocks.",
    ),
]
