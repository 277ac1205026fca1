"""Evidence: everything stored about one model, as the frames that figures and claims are made of.

A *run* is enough; an *experiment folder* holds a run (`pope/`), one of controls (`controls/`), one of chosen
settings (`chosen/`), one of ablations (`ablations/`), one of captions (`captions/`) and *side tables*: small
CSV files of what is true about the images and of what was measured apart from the questions. A *comparison*
of all methods lies in a folder of its own beside them.
"""

from scr_lens.evidence.captions import score_captions
from scr_lens.evidence.comparison import with_comparison
from scr_lens.evidence.evidence import Comparison, Evidence, read_evidence
from scr_lens.evidence.side_tables import SIDE_TABLES, read_side_table, side_table_key, write_side_table

__all__ = [
    "SIDE_TABLES",
    "Comparison",
    "Evidence",
    "read_evidence",
    "read_side_table",
    "score_captions",
    "side_table_key",
    "with_comparison",
    "write_side_table",
]
