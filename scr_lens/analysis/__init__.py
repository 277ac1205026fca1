"""Pure statistics of arrays and record frames: no input or output, no model.

Vocabulary: *credit* is a non-negative number per image patch, *credit entropy* how evenly it is spread, a
*record* one question asked about one image under one condition. Questions about one image share that image,
so every interval and test here resamples, flips or clusters *images*.
"""
