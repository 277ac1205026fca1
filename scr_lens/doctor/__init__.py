"""The doctor: does a loaded model do what everything else here relies on? Measured on the model itself."""

from scr_lens.doctor.check import Check
from scr_lens.doctor.examination import Examination, examine, require_sound

__all__ = ["Check", "Examination", "examine", "require_sound"]
