"""Training an organism: the dense phase of the picture's encoder, then encoder and decoder jointly."""

from __future__ import annotations

import logging
import math
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from scr_lens.errors import ConfigError
from scr_lens.organisms.bodies import Body, body_for
from scr_lens.organisms.corpus import BACKGROUND, Corpus, load_corpora
from scr_lens.organisms.initialization import features_of, initialize
from scr_lens.organisms.losses import patch_loss, presence_loss, text_losses
from scr_lens.organisms.packing import IGNORED, PackedBatch, Packer
from scr_lens.organisms.recipe import Recipe
from scr_lens.organisms.recipe import recipe as recipe_named
from scr_lens.training_state import TrainingState

logger = logging.getLogger(__name__)

PRESENCE_WEIGHT = 1.0
"""Weight of the presence loss beside the yes/no loss."""
FUSED = ("DecoderLayer", "EncoderLayer", "ResnetBlock", "PatchBlock", "VisionBlock")
"""Endings of the class names of blocks that are worth compiling."""

Log = Callable[[dict[str, float]], None]


def train(recipe: Recipe, cache: Path, device: torch.device, log: Log) -> tuple[Any, Any]:
    """Trains an organism from scratch.

    Where it starts from another organism's encoder, that one's dense phase is carried out first, unless its
    state is in the cache. Either way the encoder is the same.

    Args:
        recipe: What to build and how; its seed decides initialization and data order.
        cache: Folder for rendered pictures and for the state from which a stopped training resumes.
        device: Where to train. Bits differ between devices, scores should not.
        log: Called with measured quantities every 50 steps.

    Returns:
        The trained model (float32, on `device`) and its processor.

    Raises:
        ConfigError: If the recipe names an encoder that does not fit it.
        DataError: If the state of a stopped training is damaged.
    """
    body = body_for(recipe.model_type)
    corpora = load_corpora("train", recipe.train_scenes, recipe.canvases, recipe.patch, cache)
    if recipe.tower is not None:
        train_tower(recipe, body, corpora, cache, device, log)
    model, processor = _untrained(body, recipe, device)
    patch_head = pretrain_vision(model, body, corpora, recipe, cache, device, log)
    initialize(model, body, processor, corpora[0], device)
    train_jointly(model, body, patch_head, processor, corpora, recipe, cache, device, log)
    return model.eval(), processor


def _untrained(body: Body, recipe: Recipe, device: torch.device) -> tuple[Any, Any]:
    processor = body.processor(recipe)
    model = body.model(recipe, processor).to(device)
    compile_blocks(model)
    return model, processor


def train_tower(
    recipe: Recipe, body: Body, corpora: tuple[Corpus, ...], cache: Path, device: torch.device, log: Log
) -> None:
    """Carries out the dense phase of the organism whose encoder a recipe starts from, unless it was done.

    On that organism's own model: initial weights depend on the size of the decoder that is drawn with them,
    so the dense phase of the larger model would be another one, under the same name.

    Raises:
        ConfigError: If the two differ in what decides the dense phase.
    """
    tower = recipe_named(recipe.tower_name)
    if tower.vision_settings != recipe.vision_settings:
        mine, other = recipe.vision_settings, tower.vision_settings
        differing = sorted(name for name in mine if mine[name] != other[name])
        raise ConfigError(
            f"{recipe.name}: starts from the encoder of {tower.name}, but {', '.join(differing)} differ; "
            "give both recipes the same values, or this one no tower"
        )
    model, _ = _untrained(body, tower, device)
    pretrain_vision(model, body, corpora, tower, cache, device, log)


def autocast(device: torch.device) -> AbstractContextManager[None]:
    """bfloat16 products with float32 parameters where the hardware has them, else plain float32.

    A CPU without matrix units emulates bfloat16, four to five times slower than float32 (measured).
    """
    has_bfloat16 = device.type != "cpu" or torch.cpu._is_amx_tile_supported()
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=has_bfloat16)


def compile_blocks(model: nn.Module) -> None:
    """Fuses each transformer block's small operations, which is most of the time of so small a model.

    Measured on one core of a loaded machine: 345 ms per picture as is, 87 ms compiled. Needs a C++ compiler;
    without one the training is only slower.
    """
    if not any(shutil.which(name) for name in ("c++", "g++", "clang++")):
        logger.warning("no C++ compiler found: training runs uncompiled, about four times slower")
        return
    for module in model.modules():
        if type(module).__name__.endswith(FUSED):
            module.compile()


def schedule(step: int, steps: int, warmup: int) -> float:
    """Share of the peak learning rate: linear warm-up, then a cosine to zero at `steps`."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def batch_indices(count: int, size: int, step: int, seed: tuple[int, int]) -> np.ndarray:
    """The pictures of one step: every picture once per epoch, in a new order each epoch.

    A function of the step alone, so that a resumed training continues as if it had never stopped.
    """
    per_epoch = count // size
    order = np.random.default_rng([*seed, step // per_epoch]).permutation(count)
    start = (step % per_epoch) * size
    return order[start : start + size]


def step_pictures(
    corpora: tuple[Corpus, ...], recipe: Recipe, step: int, phase: int
) -> tuple[int, np.ndarray]:
    """Which corpus a step draws from, and which of its pictures: canvases take turns."""
    turn, which = divmod(step, len(corpora))
    return which, batch_indices(len(corpora[which]), recipe.batch, turn, (recipe.seed, phase))


def pretrain_vision(
    model: Any,
    body: Body,
    corpora: tuple[Corpus, ...],
    recipe: Recipe,
    cache: Path,
    device: torch.device,
    log: Log,
) -> nn.Linear:
    """Teaches the encoder which category covers each patch; returns the linear head that reads it."""
    width = features_of(model, body, corpora[0], np.arange(1), device).shape[-1]
    head = nn.Linear(width, BACKGROUND + 1).to(device)
    trained = [*body.encoder(model).parameters(), *head.parameters()]
    optimizer = _optimizer([{"params": trained, "lr": recipe.pretrain_lr}], recipe)
    scheduler = _scheduler(optimizer, recipe.pretrain_steps, recipe.warmup)
    path = cache / f"{recipe.tower_name}-vision.pt"
    state = TrainingState(path, recipe.vision_settings, body.encoder(model), optimizer, scheduler, extra=head)
    for step in state.steps(recipe.pretrain_steps, "vision"):
        which, indices = step_pictures(corpora, recipe, step, 1)
        corpus = corpora[which]
        with autocast(device):
            logits = head(body.patch_features(model, body.normalize(corpus.pixels[indices], device)))
        loss, correct = patch_loss(logits, corpus.patch_labels[indices])
        _update(loss, optimizer, scheduler, recipe.clip)
        if step % 50 == 0:
            log({"phase": 0, "step": step, "loss": loss.item(), "object_patch_accuracy": correct})
    return head


def train_jointly(
    model: Any,
    body: Body,
    patch_head: nn.Linear,
    processor: Any,
    corpora: tuple[Corpus, ...],
    recipe: Recipe,
    cache: Path,
    device: torch.device,
    log: Log,
) -> None:
    """Teaches questions and captions together, while the encoder goes on learning what its patches show.

    loss = yes/no + presence + `caption_weight` x caption + `patch_weight` x patch categories

    The last term is absent where the encoder is fixed (`Body.sees_jointly`).
    """
    packers = [Packer(corpus, processor.tokenizer, recipe, body) for corpus in corpora]
    head = nn.Linear(recipe.d_model, 1).to(device)
    heads = nn.ModuleList([head, patch_head])
    optimizer = _optimizer(_joint_groups(model, body, heads, recipe), recipe)
    scheduler = _scheduler(optimizer, recipe.steps, recipe.warmup)
    yes = processor.tokenizer.convert_tokens_to_ids("yes")
    path = cache / f"{recipe.name}-joint.pt"
    state = TrainingState(path, asdict(recipe), model, optimizer, scheduler, extra=heads)
    for step in state.steps(recipe.steps, "joint"):
        which, indices = step_pictures(corpora, recipe, step, 2)
        packer = packers[which]
        batch = packer.batch(indices, np.random.default_rng([recipe.seed, 3, step]), device)
        with autocast(device), torch.set_grad_enabled(body.sees_jointly):
            features = body.patch_features(model, batch.pixels)
        with autocast(device):
            hidden = packed_hidden(model, body, batch, features, packer)
            logits = model.lm_head(hidden[batch.targets != IGNORED])
            presence = head(hidden[batch.is_name]).squeeze(-1)
        yes_no, told, correct = text_losses(logits, batch, processor.tokenizer.eos_token_id)
        found = presence_loss(presence, batch, yes)
        seen, patch_accuracy = patch_loss(patch_head(features), corpora[which].patch_labels[indices])
        loss = yes_no + PRESENCE_WEIGHT * found + recipe.caption_weight * told
        _update(loss + recipe.patch_weight * seen, optimizer, scheduler, recipe.clip)
        if step % 50 == 0:
            parts = {"yes_no": yes_no.item(), "presence": found.item(), "caption": told.item()}
            log({"phase": 1, "step": step, **parts, "accuracy": correct, "patches": patch_accuracy})


def _joint_groups(model: Any, body: Body, heads: nn.ModuleList, recipe: Recipe) -> list[dict[str, Any]]:
    """Parameter groups: encoder and patch head at their share of the rate, or left out where it is fixed."""
    presence_head, patch_head = heads
    encoder = {id(p) for p in body.encoder(model).parameters()}
    others = [p for p in model.parameters() if id(p) not in encoder]
    groups = [{"params": [*others, *presence_head.parameters()], "lr": recipe.lr}]
    if body.sees_jointly:
        vision = [*body.encoder(model).parameters(), *patch_head.parameters()]
        groups.append({"params": vision, "lr": recipe.lr * recipe.vision_lr_share})
    return groups


def packed_hidden(
    model: Any, body: Body, batch: PackedBatch, features: Float[Tensor, "batch patch feature"], packer: Packer
) -> Float[Tensor, "batch token d_model"]:
    """The decoder's normalized output; logits are taken only where there is a target."""
    device = batch.input_ids.device
    image_embeddings = body.image_embeddings(model, features)
    embeddings = model.get_input_embeddings()(batch.input_ids)
    is_image = (batch.input_ids == model.config.image_token_id).unsqueeze(-1)
    embeddings = embeddings.masked_scatter(is_image, image_embeddings.to(embeddings.dtype))
    output = body.decoder(model)(
        inputs_embeds=embeddings,
        attention_mask=packer.mask(device, torch.float32),
        position_ids=body.language_positions(packer.positions(device)),
        use_cache=False,
    )
    return output.last_hidden_state


def _optimizer(groups: list[dict[str, object]], recipe: Recipe) -> torch.optim.AdamW:
    return torch.optim.AdamW(groups, weight_decay=recipe.weight_decay, betas=recipe.betas)


def _scheduler(
    optimizer: torch.optim.Optimizer, steps: int, warmup: int
) -> torch.optim.lr_scheduler.LambdaLR:
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: schedule(step, steps, warmup))


def _update(
    loss: Tensor,
    optimizer: torch.optim.Optimizer,
    scheduler: torch.optim.lr_scheduler.LRScheduler,
    clip: float,
) -> None:
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    nn.utils.clip_grad_norm_(parameters, clip)
    optimizer.step()
    scheduler.step()
