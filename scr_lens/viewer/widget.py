"""The inspector as a widget for JupyterLab and other notebooks that speak anywidget."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from scr_lens.errors import ConfigError
from scr_lens.inspection import Inspection
from scr_lens.viewer.exhibit import Exhibit
from scr_lens.viewer.payload import Payload, inspection_payload

if TYPE_CHECKING:
    from scr_lens.viewer.notebook import InspectorWidget


def widget(shown: Inspection | Exhibit | Payload | Sequence[Inspection | Exhibit]) -> InspectorWidget:
    """Makes the inspector for a notebook cell.

    Its state can be read and set from Python: `w.layer = 3`, `w.view = "difference"`, `w.map = "attention"`,
    `w.card = 1`.

    Args:
        shown: One or several inspections, or exhibits, or the payload of a gallery.

    Returns:
        The widget; a cell that ends with it shows it.

    Raises:
        ConfigError: If anywidget is not installed, or there is nothing to show.
    """
    try:
        from scr_lens.viewer.notebook import InspectorWidget
    except ModuleNotFoundError as error:
        if error.name not in {"anywidget", "traitlets"}:
            raise
        raise ConfigError(
            f"the widget needs {error.name}, which is not installed: pip install 'scr-lens[viewer]', or "
            "write a page with scr_lens.viewer.write_page"
        ) from error
    payload = shown if isinstance(shown, Payload) else inspection_payload(shown)
    acting = payload.index["cards"][0]["passes"][1]["acting"]
    return InspectorWidget(payload=payload.to_dict(), layer=acting[1] if acting else 0)
