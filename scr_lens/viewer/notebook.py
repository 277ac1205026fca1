"""The widget class; importing this module needs anywidget."""

from __future__ import annotations

import anywidget
import traitlets

from scr_lens.viewer.assets import script, style


class InspectorWidget(anywidget.AnyWidget):
    """The inspector in a notebook.

    Attributes:
        payload: What it shows; sent once.
        card: Number of the card shown.
        layer: Block shown, from 0.
        view: "before", "after" or "difference".
        map: Identifier of the map shown, such as "norm".
    """

    _esm = script()
    _css = style()
    payload = traitlets.Dict().tag(sync=True)
    card = traitlets.Int(0, min=0).tag(sync=True)
    layer = traitlets.Int(0, min=0).tag(sync=True)
    view = traitlets.Enum(("before", "after", "difference"), "before").tag(sync=True)
    map = traitlets.Unicode("norm").tag(sync=True)
