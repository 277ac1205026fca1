from .analysis.entropy import credit_entropy as credit_entropy
from .config import DiagnosticConfig as DiagnosticConfig
from .config import LayerRange as LayerRange
from .config import ScrConfig as ScrConfig
from .decoding import decode as decode
from .decoding import decode_yes_no as decode_yes_no
from .decoding import make_decoder as make_decoder
from .doctor import examine as examine
from .errors import ScrLensError as ScrLensError
from .grid import PatchGrid as PatchGrid
from .inspection import Inspection as Inspection
from .inspection import inspect_image as inspect_image
from .interventions import METHODS as METHODS
from .interventions import Identity as Identity
from .interventions import Redistribution as Redistribution
from .interventions import find_method as find_method
from .interventions import redistribute as redistribute
from .interventions import select as select
from .models import load as load
from .pictures import read_image as read_image
from .trace import CaptureSpec as CaptureSpec
from .trace import Lens as Lens
from .trace import Sample as Sample
from .trace import apply as apply
from .trace import build_intervention as build_intervention
from .trace import credit_maps as credit_maps
from .trace import diagnose as diagnose
from .trace import generate as generate
from .trace import run_pass as run_pass
from .trace import walk as walk
from .viewer import gallery as gallery
from .viewer import inspection_payload as inspection_payload
from .viewer import widget as widget
from .viewer import write_page as write_page

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
    "build_intervention",
    "credit_entropy",
    "credit_maps",
    "decode",
    "decode_yes_no",
    "diagnose",
    "examine",
    "find_method",
    "gallery",
    "generate",
    "inspect_image",
    "inspection_payload",
    "load",
    "make_decoder",
    "read_image",
    "redistribute",
    "run_pass",
    "select",
    "walk",
    "widget",
    "write_page",
]
