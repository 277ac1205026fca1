"""Training an organism: dense pretraining of the vision tower, word initialization, joint training."""

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

from scr_lens.organisms.bodies import Body, body_for
from scr_lens.organisms.corpus import BACKGROUND, Corpus, load_corpora
from scr_lens.organisms.icons import CATEGORY_NAMES
from scr_lens.organisms.packing import IGNORED, PackedBatch, Packer
from scr_lens.organisms.recipe import Recipe
from scr_lens.organisms.training_state import TrainingState

logger = logging.getLogger(__name__)

BACKGROUND_WEIGHT = 0.2
"""Weight of background patches in the dense loss: most patches are background."""
PRESENCE_WEIGHT = 1.0
"""Weight of the presence loss beside the yes/no loss."""
FUSED = ("DecoderLayer", "EncoderLayer", "ResnetBlock", "PatchBlock")
"""Endings of the class names of blocks that are worth compiling."""
SETTLING_PICTURES = 1024
"""Pictures from which words (and codebooks) are initialized."""
END_WEIGHT = 0.05
"""Weight of the end token after an answer; it is learned in a few steps."""

Log = Callable[[dict[str, float]], None]


def train(recipe: Recipe, cache: Path, device: torch.device, log: Log) -> tuple[Any, Any]:
    """Trains an organism from scratch.

    Args:
        recipe: What to build and how; its seed decides initialization and data order.
        cache: Folder for rendered pictures and for the state from which a stopped training resumes.
        device: Where to train. Bits differ between devices, scores should not.
        log: Called with measured quantities every 50 steps.

    Returns:
        The trained model (float32, on `device`) and its processor.
    """
    body = body_for(recipe.model_type)
    processor = body.processor(recipe)
    model = body.model(recipe, processor).to(device)
    compile_blocks(model)
    corpora = load_corpora("train", recipe.train_scenes, recipe.canvases, recipe.patch, cache)
    patch_head = pretrain_vision(model, body, corpora, recipe, cache, device, log)
    initialize(model, body, processor, corpora[0], device)
    train_jointly(model, body, patch_head, processor, corpora, recipe, cache, device, log)
    return model.eval(), processor


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
    width = _features(model, body, corpora[0], np.arange(1), device).shape[-1]
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


def patch_loss(
    logits: Float[Tensor, "batch patch category"], patch_labels: np.ndarray
) -> tuple[Tensor, float]:
    """Weighted cross entropy of the patches' categories, and the share of object patches named rightly."""
    labels = torch.from_numpy(patch_labels.astype(np.int64)).to(logits.device).flatten()
    weight = torch.ones(BACKGROUND + 1, device=logits.device)
    weight[BACKGROUND] = BACKGROUND_WEIGHT
    loss = nn.functional.cross_entropy(logits.flatten(0, 1).float(), labels, weight=weight)
    objects = labels != BACKGROUND
    return loss, (logits.flatten(0, 1).argmax(-1) == labels)[objects].float().mean().item()


@torch.no_grad()
def initialize(model: Any, body: Body, processor: Any, corpus: Corpus, device: torch.device) -> None:
    """Starts the decoder from what the encoder knows: codebook, category words, matching attention.

    Each category word's embedding starts at the mean image embedding of its patches. A question's word then
    already resembles the image tokens that it asks for, and attention finds them in the first steps instead
    of after a long plateau. Directions are centered over categories; words and image tokens get the mean norm
    of the other embeddings.
    """
    indices = np.arange(min(len(corpus), SETTLING_PICTURES))
    labels = torch.from_numpy(corpus.patch_labels[indices].astype(np.int64)).to(device).flatten()
    features = _features(model, body, corpus, indices, device)
    body.settle(model, features.flatten(0, 1), labels)
    seen_by_decoder = body.image_embeddings(model, features).flatten(0, 1)
    embeddings = model.get_input_embeddings().weight
    norm = embeddings[embeddings.norm(dim=-1) > 0].norm(dim=-1).mean()
    initialize_words(embeddings, processor.tokenizer, seen_by_decoder, labels, norm)
    body.scale_image_embeddings(model, norm / seen_by_decoder.norm(dim=-1).mean())
    body.start_matching(model)


def initialize_words(
    embeddings: Tensor, tokenizer: Any, patches: Float[Tensor, "patch d_model"], labels: Tensor, norm: Tensor
) -> None:
    """Points each category word from the mean of all categories to its own patches' mean; length `norm`."""
    seen = [c for c in range(BACKGROUND) if (labels == c).any()]
    means = torch.stack([patches[labels == c].mean(0) for c in seen])
    directions = nn.functional.normalize(means - means.mean(0), dim=-1)
    for c, direction in zip(seen, directions, strict=True):
        for word in tokenizer(CATEGORY_NAMES[c], add_special_tokens=False).input_ids:
            embeddings[word] = direction * norm


@torch.no_grad()
def _features(
    model: Any, body: Body, corpus: Corpus, indices: np.ndarray, device: torch.device
) -> Float[Tensor, "scene patch feature"]:
    chunks = np.array_split(indices, max(1, len(indices) // 128))
    return torch.cat(
        [body.patch_features(model, body.normalize(corpus.pixels[chunk], device)) for chunk in chunks]
    )


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
        yes_no, told, correct = losses(logits, batch, processor.tokenizer.eos_token_id)
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


def presence_loss(presence: Float[Tensor, " question"], batch: PackedBatch, yes: int) -> Tensor:
    """Whether the category is in the picture, asked of the category word itself by a head that is dropped.

    The word's own position is one step away from the image, the answer's two; the shorter path is learned
    first. Measured: 76% right answers after 2,400 pictures, against 50% after 4,000 without this loss.
    """
    is_present = (batch.targets[batch.is_answer] == yes).float()
    return nn.functional.binary_cross_entropy_with_logits(presence.float(), is_present)


def losses(
    logits: Float[Tensor, "target vocabulary"], batch: PackedBatch, end_token: int
) -> tuple[Tensor, Tensor, float]:
    """Mean yes/no loss (with a little of the end token), mean caption loss, share of right answers."""
    where = batch.targets != IGNORED
    targets, answers = batch.targets[where], batch.is_answer[where]
    each = nn.functional.cross_entropy(logits.float(), targets, reduction="none")
    after_answer = torch.zeros_like(answers)
    after_answer[1:] = answers[:-1]
    ends = after_answer & (targets == end_token)
    yes_no = each[answers].mean() + END_WEIGHT * each[ends].mean()
    told = each[~answers & ~ends].mean()
    return yes_no, told, (logits.argmax(-1) == targets)[answers].float().mean().item()


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
