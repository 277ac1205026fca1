"""Which family serves which `config.model_type`. Adding a family is one file and one line here."""

from scr_lens.errors import ContractError, unknown_name
from scr_lens.families.base import ModelFamily
from scr_lens.families.chameleon import ChameleonFamily
from scr_lens.families.idefics3 import Idefics3Family
from scr_lens.families.internvl import InternVLFamily
from scr_lens.families.llava import LlavaFamily
from scr_lens.families.qwen2_5_vl import Qwen25VLFamily
from scr_lens.families.qwen2_vl import Qwen2VLFamily
from scr_lens.families.qwen_vl import QwenVLFamily
from scr_lens.families.smolvlm import SmolVLMFamily

FAMILIES: dict[str, ModelFamily] = {
    family.model_type: family
    for family in (
        LlavaFamily(),
        ChameleonFamily(),
        Qwen2VLFamily(),
        QwenVLFamily(),
        Qwen25VLFamily(),
        InternVLFamily(),
        Idefics3Family(),
        SmolVLMFamily(),
    )
}


def family_for(model_type: str) -> ModelFamily:
    """The family registered for a `config.model_type`.

    Args:
        model_type: The value in the checkpoint's `config.json`.

    Returns:
        The family, shared by all models of that type.

    Raises:
        ContractError: If no family is registered under this name.
    """
    if model_type not in FAMILIES:
        raise ContractError(unknown_name("model family (config.model_type)", model_type, sorted(FAMILIES)))
    return FAMILIES[model_type]
