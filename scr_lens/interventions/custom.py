"""A user's own intervention, named as `module:Class`, in the same comparison as the built-in ones.

The class is called once per batch with a `BuildContext` (attention maps, token layouts, blocks, settings,
sample keys) and the object it makes is an `Intervention`: it has `layers` and can be called with the residual
stream and the block. Put this into `dampen.py` in the folder where the command runs:

    import torch

    class Dampen:
        needs_attention = True  # the default; False if context.attention is not read

        def __init__(self, context):
            self.layers = context.layers
            self.lambda_ = context.config.lambda_
            pairs = zip(context.attention, context.layouts, strict=True)
            self.targets = [layout.image_positions[attention.argmax()] for attention, layout in pairs]

        def __call__(self, resid_post, layer):
            edited = resid_post.clone()
            for row, target in enumerate(self.targets):
                edited[row, target] /= self.lambda_
            return edited

and this into the run's file:

    [[conditions]]
    name = "dampen"
    method = "dampen:Dampen"
    lambda = 1.2

Rows are keyed by the SHA-256 of the module's whole source file: after any change of the file its rows are
computed anew. Code in other files that the module imports is not covered; change the condition's name after
changing that. The module is imported, so its code runs: name only modules you trust.
"""

import hashlib
import importlib
import inspect
from collections.abc import Callable
from typing import Any

from scr_lens.errors import ConfigError
from scr_lens.interventions.base import Intervention


def is_custom(name: str) -> bool:
    """Whether a method's name means a class of the user's own.

    Examples:
        >>> is_custom("scr"), is_custom("my_methods:Dampen")
        (False, True)
    """
    return ":" in name


def import_class(name: str) -> type:
    """Imports the class of a method named "module:Class".

    Args:
        name: Importable module and class in it; a nested class is written with dots.

    Returns:
        The class.

    Raises:
        ConfigError: If the name has another form, the module cannot be imported, or it has no such class.
    """
    module_name, _, class_name = name.partition(":")
    if not all(part.isidentifier() for part in (*module_name.split("."), *class_name.split("."))):
        raise ConfigError(f"method {name!r} is not of the form module:Class, such as 'my_methods:Dampen'")
    found: Any = _import(name, module_name)
    for part in class_name.split("."):
        found = getattr(found, part, None)
    if not isinstance(found, type):
        kind = "has no class" if found is None else f"has a {type(found).__name__}, not a class,"
        raise ConfigError(f"method {name!r}: module {module_name!r} {kind} {class_name!r}; check the name")
    return found


def source_sha256(name: str) -> str:
    """Hashes the source of the module that a method comes from.

    Args:
        name: "module:Class".

    Returns:
        SHA-256 of the module's source.

    Raises:
        ConfigError: If the module has no source that can be read.
    """
    module = inspect.getmodule(import_class(name))
    try:
        if module is None:
            raise OSError("it belongs to no module")
        return hashlib.sha256(inspect.getsource(module).encode()).hexdigest()
    except (OSError, TypeError) as error:
        raise ConfigError(
            f"method {name!r}: its source cannot be read ({error}), so results could not be told apart after "
            "a change; put the class into a .py file"
        ) from error


def builder(name: str, own: type) -> Callable[[Any], Intervention]:
    """Makes the function that builds the class for a batch and checks what it made.

    Args:
        name: "module:Class", for messages.
        own: The class.

    Returns:
        A function from `BuildContext` to the intervention; it raises ConfigError when the class takes no
        context or makes something that is no intervention.
    """

    def build(context: Any) -> Intervention:
        try:
            inspect.signature(own).bind(context)
        except (TypeError, ValueError) as error:
            raise ConfigError(
                f"method {name!r} cannot be called with one BuildContext ({error}); "
                "give __init__ exactly one required parameter, context"
            ) from error
        made = own(context)
        if not isinstance(made, Intervention):
            raise ConfigError(
                f"method {name!r} makes a {own.__name__} that is no intervention; "
                "give it layers (a LayerRange or None) and __call__(resid_post, layer)"
            )
        return made

    return build


def _import(name: str, module_name: str) -> Any:
    try:
        return importlib.import_module(module_name)
    except ImportError as error:
        raise ConfigError(
            f"method {name!r}: cannot import module {module_name!r} ({error}); run where Python finds it, "
            "for instance in its folder, or install it"
        ) from error
