"""What the experiment runs, as data: sizes, conditions and what they can show.

Sizes follow from the smallest effect that each claim is about and from the aim of an hour for six organisms
on two cores:

* Main conditions, 1,000 images, all splits: the paper's reductions (4.7 to 6.0 points) need far fewer, but P2
  compares two quarters of the questions, and P1's smallest relevant correlation is 0.1 per question. With 15%
  changed answers, as in the paper, the overall reduction is seen from 2.0 points on, and the contrast of two
  quarters from about four times as much.
* Uniform-Smooth, 1,000 images: the adversarial questions only, which are all that any claim and the paper's
  tables ask of it. The chosen settings: of those the ones about absent objects, since the claim about them is
  one about the hallucination rate; they are not run where they are the paper's.
* Ablations, 200 images: differences of 4.4 points with 15% changed answers and of 2.0 points with 3%; the
  paper's are 3.0 and 4.7 points, so the smaller one is seen only where few answers change. They are asked the
  main run's adversarial questions about absent objects, which every claim about them is made of; accuracy is
  not known for them. The conditions of the other runs are not run again for them.
* Captions, 300 images: CHAIR-s is seen to change from 6.2 points on with 15% changed captions; the paper's
  changes are 3.7 to 5.2 points. Credit with gradients, 300 questions on as many images: r is known to about
  0.02. Choice of settings, 40 validation images: 9.8 points between two settings with 15% changed answers, so
  that among settings as close as these the choice is mostly chance; what it chose is then tested on 1,000.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import pandas as pd

from scr_lens.analysis.power import detectable_net_change
from scr_lens.config import DiagnosticConfig, LayerRange, ScrConfig
from scr_lens.evidence.evidence import CHOSEN_CONDITION
from scr_lens.questions import Condition, standard_conditions

CREDIT_ESTIMATORS = ("grad_norm", "grad_dot", "attention")
"""Estimators measured apart from the run, which stores norms and the attention map itself."""

_ABSENT_PER_IMAGE = 3
_QUESTIONS_PER_IMAGE = {"main": 10.5, "controls": 6.0, "chosen": 3.0, "ablations": 3.0}
_CHANGED = {"as in the paper": 0.15, "few": 0.03}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Sizes and grids of the experiment.

    Attributes:
        n_images: Test images of the main conditions (all three splits) and of the controls (adversarial).
        n_ablation_images: Images of the ablations, the first of the main run's, adversarial questions
            about absent objects.
        n_caption_images: Test images with captions.
        n_credit_questions: Test questions, one per image, whose credit is measured with gradients.
        lambdas: Strengths of P4 besides the paper's.
        head_share: Share of heads of ablation (d).
        n_choice_images: Validation images on which settings are chosen; 0 leaves that out.
        causal: Images per causal test by its name; a test that is not named is left out.
    """

    n_images: int = 1000
    n_ablation_images: int = 200
    n_caption_images: int = 300
    n_credit_questions: int = 300
    lambdas: tuple[float, ...] = (1.02, 1.05, 1.2, 1.35, 1.6)
    head_share: float = 0.2
    n_choice_images: int = 40
    causal: Mapping[str, int] = field(
        default_factory=lambda: {"credit": 16, "dose": 40, "prior": 80, "direction": 100}
    )


def main_conditions() -> tuple[Condition, ...]:
    """Conditions of the main run, which every split is asked under.

    Returns:
        Vanilla and SCR.
    """
    return standard_conditions(("vanilla", "scr"))


def control_conditions() -> tuple[Condition, ...]:
    """Conditions that are compared with the main ones on the adversarial split alone.

    Returns:
        Uniform-Smooth.
    """
    return standard_conditions(("uniform-smooth",))


def chosen_conditions(
    chosen: ScrConfig | None, patch_counts: Iterable[int], n_layers: int, model_type: str
) -> tuple[Condition, ...]:
    """SCR with chosen settings, unless they are the paper's on this model: then the main run has the answers.

    Args:
        chosen: Settings frozen on validation scenes; None if none were chosen.
        patch_counts: Patches of every size of picture that is asked about.
        n_layers: Decoder blocks of the model.
        model_type: The model's type, which decides the paper's layer range.

    Returns:
        One condition or none.
    """

    def acts_as_paper_s(settings: ScrConfig) -> bool:
        sizes = [(count, n_layers, model_type) for count in patch_counts]
        return all(settings.resolved(*size) == ScrConfig().resolved(*size) for size in sizes)

    if chosen is None or acts_as_paper_s(chosen):
        return ()
    return (Condition(name=CHOSEN_CONDITION, method="scr", config=chosen),)


def caption_conditions() -> tuple[Condition, ...]:
    """Conditions under which pictures are described: those that the paper's tables give CIDEr or CHAIR for.

    Returns:
        Vanilla, SCR and Uniform-Smooth.
    """
    return (*main_conditions(), *control_conditions())


def ablation_conditions(plan: Plan, n_patches: int, n_layers: int, model_type: str) -> tuple[Condition, ...]:
    """Conditions of the ablations besides the main ones and controls: each differs from SCR in one setting.

    Args:
        plan: Grids.
        n_patches: Patches of a picture, which decide the number of sources.
        n_layers: Decoder blocks of the model.
        model_type: The model's type, which decides the paper's layer range.

    Returns:
        Distinct conditions, those that are no settings of SCR first.
    """
    base = ScrConfig()
    few_heads = DiagnosticConfig(head_share=plan.head_share)
    settings = {
        "scr-topology-4": replace(base, topology="4"),
        "scr-radius-2": replace(base, topology="radius-2"),
        "scr-scrambled": replace(base, topology="scrambled"),
        "scr-once": replace(base, schedule="once"),
        f"scr-heads-{round(100 * plan.head_share)}": replace(base, diagnostic=few_heads),
        **{f"scr-lambda-{level:g}": replace(base, lambda_=level) for level in plan.lambdas},
        **{f"scr-K-{k}": replace(base, n_sources=k) for k in other_counts(base, n_patches)},
        **{f"scr-layers-{r}": replace(base, layers=r) for r in other_layers(base, n_layers, model_type)},
    }
    others = standard_conditions(("gaussian-noise", "norm-only", "identity"))
    varied = (Condition(name=name, method="scr", config=config) for name, config in settings.items())
    return (*others, *varied)


def other_counts(base: ScrConfig, n_patches: int) -> tuple[int, ...]:
    """Half and twice the number of sources.

    Args:
        base: Settings.
        n_patches: Patches of a picture.

    Returns:
        Distinct numbers of at least 1 that differ from the resolved one and leave room for neighbors.
    """
    count = base.resolved_n_sources(n_patches)
    return tuple(k for k in (count // 2, 2 * count) if 1 <= k <= n_patches // 4 and k != count)


def other_layers(base: ScrConfig, n_layers: int, model_type: str) -> tuple[LayerRange, ...]:
    """Half the range, the rest of the model, and all of it but the last block.

    Args:
        base: Settings.
        n_layers: Decoder blocks.
        model_type: The model's type.

    Returns:
        Distinct ranges other than the resolved one.
    """
    last = base.resolved_layers(n_layers, model_type).last
    ends = ((0, max(0, (last - 1) // 2)), (last + 1, n_layers - 2), (0, n_layers - 2))
    ranges = (LayerRange(first, end) for first, end in ends if first <= end)
    return tuple(dict.fromkeys(r for r in ranges if r != LayerRange(0, last)))


def plan_table(plan: Plan, n_conditions: Mapping[str, int]) -> pd.DataFrame:
    """How many rows each part has and which reduction of the hallucination rate it can show.

    Args:
        plan: Sizes.
        n_conditions: Number of conditions of "main", "controls", "chosen" and "ablations".

    Returns:
        One row per part: images, conditions, rows (expected), and the reduction in points that McNemar's
        test finds with 80% power when 15% (the paper's share) or 3% of the answers change.
    """
    rows = []
    sizes = dict.fromkeys(("main", "controls", "chosen"), plan.n_images)
    for part, images in {**sizes, "ablations": plan.n_ablation_images}.items():
        pairs = _ABSENT_PER_IMAGE * images
        found = {
            f"points, {100 * share:g}% changed": 100 * detectable_net_change(pairs, share)
            for share in _CHANGED.values()
        }
        count = n_conditions[part]
        expected = round(images * _QUESTIONS_PER_IMAGE[part] * count)
        rows.append({"part": part, "images": images, "conditions": count, "rows": expected, **found})
    return pd.DataFrame(rows)
