"""Model organisms: a rendered world, small vision-language models trained on it, and their checkpoints.

Vocabulary: an *icon* is a category's vector drawing; a *scene type* is a background with a pool of categories
it predicts; a *scene* is one sampled picture with exact boxes; a *recipe* is everything needed to train an
organism again; an *organism* is the resulting ordinary Hugging Face checkpoint folder.
"""
