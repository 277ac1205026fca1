"""CIDEr and CIDEr-D: how much a caption says what several people said about the same image."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, TypeVar, get_args

from scr_lens.errors import ConfigError, DataError, unknown_name
from scr_lens.metrics.ptb import caption_tokens

CiderVariant = Literal["cider-d", "cider"]
Gram = tuple[str, ...]
Key = TypeVar("Key", int, str)

MAX_N: Final = 4
SIGMA: Final = 6.0
_SCALE: Final = 10.0


@dataclass(frozen=True, kw_only=True)
class DocumentFrequencies:
    """How many images' references contain each run of one to four tokens.

    Attributes:
        counts: Images per run of tokens; runs that no reference contains are absent.
        n_images: Images counted, N in the formula.
    """

    counts: Mapping[Gram, int]
    n_images: int


@dataclass(frozen=True, kw_only=True)
class CiderScore:
    """A corpus score.

    Attributes:
        variant: "cider-d" or "cider".
        n_images: Images scored.
        n_frequency_images: Images behind the document frequencies.
        score: Mean over images; 0 = nothing shared, 10 = every caption equals its references. Papers print it
            times 100.
        per_image: The score of each image, in the order of the captions.
    """

    variant: CiderVariant
    n_images: int
    n_frequency_images: int
    score: float
    per_image: Mapping[int | str, float]

    def to_dict(self) -> dict[str, Any]:
        """Give the fields as plain values, image ids as text, ready for JSON."""
        return asdict(self) | {"per_image": {str(image): value for image, value in self.per_image.items()}}


@dataclass(frozen=True)
class _Weighted:
    """The weights of one sentence: per n, the weight of each run of n tokens, and their Euclidean norm."""

    weights: tuple[Mapping[Gram, float], ...]
    norms: tuple[float, ...]
    n_bigrams: int


def document_frequencies(references: Mapping[Key, Sequence[str]]) -> DocumentFrequencies:
    """Count in how many images' references each run of one to four tokens occurs.

    Args:
        references: Captions by people, per image.

    Returns:
        The counts.

    Raises:
        DataError: When there is no image.

    Source: https://arxiv.org/abs/1411.5726, section 4.
    """
    if not references:
        raise DataError(
            "the references are empty, so no document frequency can be counted; give reference captions"
        )
    counts: Counter[Gram] = Counter()
    for captions in references.values():
        counts.update({gram for caption in captions for gram in _grams(caption_tokens(caption))})
    return DocumentFrequencies(counts=counts, n_images=len(references))


def cider_score(
    captions: Mapping[Key, str],
    references: Mapping[Key, Sequence[str]],
    *,
    variant: CiderVariant = "cider-d",
    frequencies: DocumentFrequencies | None = None,
) -> CiderScore:
    """Score captions against reference captions.

    Per run length n = 1..4, a sentence is the vector of count * (log N - log max(1, df)). CIDEr is the
    cosine of caption and reference, averaged over references and over n, times 10. CIDEr-D, which the COCO
    evaluation calls CIDEr, caps the caption's weights at the reference's in the product and multiplies by
    exp(-(l_caption - l_reference)^2 / (2 * 6^2)), where l counts the runs of two tokens.

    Args:
        captions: One caption per image.
        references: Captions by people for at least those images; the others are not used.
        variant: Which of the two.
        frequencies: Document frequencies of a larger corpus; by default those of the references of the images
            scored, with N their number, which makes the score depend on the set: a single image scores 0.

    Returns:
        The mean score and that of each image, in [0, 10].

    Raises:
        ConfigError: For an unknown variant.
        DataError: When there is no caption, or an image has no reference.

    Source: https://arxiv.org/abs/1411.5726; github.com/salaniz/pycocoevalcap, cider_scorer.py.
    """
    if variant not in get_args(CiderVariant):
        raise ConfigError(unknown_name("variant", variant, get_args(CiderVariant)))
    used = {image: _references_of(image, references) for image in captions}
    if not used:
        raise DataError("there is no caption to score; give at least one caption")
    frequencies = frequencies or document_frequencies(used)
    per_image: dict[int | str, float] = {
        image: _image_score(captions[image], used[image], frequencies, variant) for image in captions
    }
    return CiderScore(
        variant=variant,
        n_images=len(per_image),
        n_frequency_images=frequencies.n_images,
        score=math.fsum(per_image.values()) / len(per_image),
        per_image=per_image,
    )


def _references_of(image: Key, references: Mapping[Key, Sequence[str]]) -> Sequence[str]:
    if not references.get(image):
        raise DataError(
            f"image {image} has a caption but no reference caption; give its references or drop the caption"
        )
    return references[image]


def _grams(tokens: Sequence[str]) -> Iterable[Gram]:
    for n in range(1, MAX_N + 1):
        yield from (tuple(tokens[start : start + n]) for start in range(len(tokens) - n + 1))


def _weighted(caption: str, frequencies: DocumentFrequencies) -> _Weighted:
    weights: tuple[dict[Gram, float], ...] = tuple({} for _ in range(MAX_N))
    log_images = math.log(frequencies.n_images)
    tokens = caption_tokens(caption)
    for gram, count in Counter(_grams(tokens)).items():
        weights[len(gram) - 1][gram] = count * (
            log_images - math.log(max(1, frequencies.counts.get(gram, 0)))
        )
    norms = tuple(math.sqrt(math.fsum(weight**2 for weight in of_length.values())) for of_length in weights)
    return _Weighted(weights, norms, max(0, len(tokens) - 1))


def _image_score(
    caption: str, references: Sequence[str], frequencies: DocumentFrequencies, variant: CiderVariant
) -> float:
    hypothesis = _weighted(caption, frequencies)
    total = math.fsum(
        _similarity(hypothesis, _weighted(reference, frequencies), variant) for reference in references
    )
    return _SCALE * total / len(references)


def _similarity(hypothesis: _Weighted, reference: _Weighted, variant: CiderVariant) -> float:
    cosines = (_cosine(hypothesis, reference, n, variant) for n in range(MAX_N))
    mean = math.fsum(cosines) / MAX_N
    if variant == "cider":
        return mean
    return mean * math.exp(-((hypothesis.n_bigrams - reference.n_bigrams) ** 2) / (2 * SIGMA**2))


def _cosine(hypothesis: _Weighted, reference: _Weighted, n: int, variant: CiderVariant) -> float:
    theirs = reference.weights[n]
    product = 0.0
    for gram, weight in hypothesis.weights[n].items():
        if gram in theirs:
            capped = min(weight, theirs[gram]) if variant == "cider-d" else weight
            product += capped * theirs[gram]
    norm = hypothesis.norms[n] * reference.norms[n]
    return product / norm if norm else product
