"""scr_lens: where in the image does a vision-language model put its credit, and what does moving it change?

Vocabulary. A *lens* is a loaded model with everything needed to look inside. A *sample* is an image with a
question; a *batch* is several of them as the model takes them. A *pass* runs a batch once, with an
*intervention* on the residual stream, and returns a *record* per sample; "before" is the pass with
`Identity()`. The *diagnostic map* is the attention from text to every patch; from it a *plan* is selected:
*sources* and the *neighbors* that receive their credit. *Credit* is a non-negative number per patch, by one
of several estimators, and its *entropy* says how evenly it is spread.

    import scr_lens as sl
    lens = sl.load()                                   # the shipped organism; or a folder, or a hub name
    inspection = sl.inspect_image(lens, sl.Sample(image, question="Is there a dog in the image?"))
"""

import lazy_loader

# The names live in __init__.pyi; each is imported when first used, so that `import scr_lens` costs nothing.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
