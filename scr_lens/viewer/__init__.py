"""The inspector: patch maps before and after a method, in a notebook or as a page that needs no network.

A *card* is one image with one question; its *passes* are the untouched model and one or more methods; a *map*
holds a value per block and patch. A *payload* is what the viewer is given: a light index, and per card the
arrays, which the browser decodes when the card is looked at. The same JavaScript draws a widget in JupyterLab
(`widget`), a page of inspected images (`inspection_payload`, `write_page`) and the gallery of a stored run
(`gallery`).
"""

from scr_lens.viewer.exhibit import Exhibit, exhibit
from scr_lens.viewer.gallery import Gallery, gallery
from scr_lens.viewer.page import page, write_page
from scr_lens.viewer.payload import Payload, inspection_payload
from scr_lens.viewer.widget import widget

__all__ = [
    "Exhibit",
    "Gallery",
    "Payload",
    "exhibit",
    "gallery",
    "inspection_payload",
    "page",
    "widget",
    "write_page",
]
