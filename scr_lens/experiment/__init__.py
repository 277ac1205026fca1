"""The full experiment on one organism: what is run is data (`Plan`), how it is run is `carry_out`.

from scr_lens.experiment import Plan, carry_out
folder = carry_out("llava-small", "runs", Plan())
"""

from scr_lens.experiment.carry_out import carry_out, experiment_folder
from scr_lens.experiment.plan import (
    Plan,
    ablation_conditions,
    caption_conditions,
    chosen_conditions,
    control_conditions,
    main_conditions,
    plan_table,
)

__all__ = [
    "Plan",
    "ablation_conditions",
    "caption_conditions",
    "carry_out",
    "chosen_conditions",
    "control_conditions",
    "experiment_folder",
    "main_conditions",
    "plan_table",
]
