from .analysis.entropy import credit_entropy as credit_entropy
from .config import DiagnosticConfig as DiagnosticConfig
from .config import LayerRange as LayerRange
from .config import ScrConfig as ScrConfig
from .errors import ScrLensError as ScrLensError
from .grid import PatchGrid as PatchGrid
from .inspection import Inspection as Inspection
from .inspection import inspect_image as inspect_image
from .interventions import METHODS as METHODS
from .interventions import Identity as Identity
from .interventions import Redistribution as Redistribution
from .interventions import redistribute as redistribute
from .interventions import select as select
from .models import load as load
from .trace import CaptureSpec as CaptureSpec
from .trace import Lens as Lens
from .trace import Sample as Sample
from .trace import apply as apply
from .trace import credit_maps as credit_maps
from .trace import diagnose as diagnose
from .trace import generate as generate
from .trace import run_pass as run_pass
from .trace import walk as walk

__all__ = [
    "METHODS",
    "CaptureSpec",
    "DiagnosticConfig",
    "Identity",
    "Inspection",
    "LayerRange",
    "Lens",
    "PatchGrid",
    "Redistribution",
    "Sample",
    "ScrConfig",
    "ScrLensError",
    "apply",
    "credit_entropy",
    "credit_maps",
    "diagnose",
    "generate",
    "inspect_image",
    "load",
    "redistribute",
    "run_pass",
    "select",
    "walk",
]
