"""Running a model and looking inside: the only package that imports nnsight.

`load` gives a `Lens`, `Lens.prepare` turns `Sample`s into a `Batch`, `run_pass` runs it with an intervention
and returns a `PassRecord`. `diagnose`, `credit_maps` and `generate` are built on these. `build_intervention`
makes a named method ready for a batch; `Lens.trace`, `apply` and `walk` put it into one's own nnsight trace.
"""

from scr_lens.trace.ablation import ablation_credit
from scr_lens.trace.building import build_intervention
from scr_lens.trace.capture import CaptureSpec
from scr_lens.trace.credit import ESTIMATORS, credit_maps
from scr_lens.trace.diagnosis import diagnose
from scr_lens.trace.editing import apply, walk
from scr_lens.trace.features import encode_images
from scr_lens.trace.generation import Generated, generate
from scr_lens.trace.loading import load
from scr_lens.trace.model import Lens, wrap
from scr_lens.trace.passes import run_pass
from scr_lens.trace.plain import plain_twin
from scr_lens.trace.record import PassRecord, SampleRecord, YesNo
from scr_lens.trace.sample import Batch, Sample
from scr_lens.trace.shared_prefix import run_pass_shared, untouched_pass

__all__ = [
    "ESTIMATORS",
    "Batch",
    "CaptureSpec",
    "Generated",
    "Lens",
    "PassRecord",
    "Sample",
    "SampleRecord",
    "YesNo",
    "ablation_credit",
    "apply",
    "build_intervention",
    "credit_maps",
    "diagnose",
    "encode_images",
    "generate",
    "load",
    "plain_twin",
    "run_pass",
    "run_pass_shared",
    "untouched_pass",
    "walk",
    "wrap",
]
