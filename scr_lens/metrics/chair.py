"""CHAIR: which objects a caption mentions that are not in the image."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from scr_lens.errors import DataError
from scr_lens.metrics.chair_vocabulary import ChairVocabulary
from scr_lens.metrics.double_words import join_double_words
from scr_lens.metrics.singular import Singularization, singular_words
from scr_lens.metrics.words import words


@dataclass(frozen=True, slots=True)
class Mention:
    """One mention of an object: the word, the object it names, and the word's position in the caption."""

    word: str
    name: str
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptionObjects:
    """What a caption says.

    Attributes:
        words: Lower-case singular words and marks, double words joined.
        mentions: Mentions of objects in order; an object named twice is there twice.
    """

    words: tuple[str, ...]
    mentions: tuple[Mention, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptionScore:
    """One caption: its mentions, those that are hallucinated, and the objects of its image."""

    image_id: int
    n_words: int
    mentions: tuple[Mention, ...]
    hallucinated: tuple[Mention, ...]
    objects: tuple[str, ...]

    @property
    def recalled(self) -> frozenset[str]:
        """The objects of the image that the caption mentions."""
        return frozenset(mention.name for mention in self.mentions) & frozenset(self.objects)


@dataclass(frozen=True, kw_only=True)
class ChairScore:
    """Scores of a set of captions; a ratio whose denominator is zero is None.

    Attributes:
        singularization: How words were made singular; scores of the two ways are not comparable.
        vocabulary: Where the words for objects come from.
        n_captions: Captions, those without any object included.
        n_hallucinated_captions: Captions with at least one hallucinated mention.
        n_mentions: Mentions of objects, repeats counted.
        n_hallucinated_mentions: Mentions of objects that are not in the image.
        n_objects: Objects in the images, summed over captions.
        n_recalled_objects: Those that the caption of their image mentions.
        chair_s: n_hallucinated_captions / n_captions; 0 = no caption hallucinates, 1 = all do.
        chair_i: n_hallucinated_mentions / n_mentions; 0 = every mention is true, 1 = none is.
        recall: n_recalled_objects / n_objects; 1 = every object in the images is mentioned.
        mean_words: Words and marks per caption after joining double words; longer captions hallucinate more.
        captions: The caption-by-caption results.

    Source: https://arxiv.org/abs/1809.02156; recall as in github.com/Maxlinn/CHAIR-metric-standalone.
    """

    singularization: Singularization
    vocabulary: str
    n_captions: int
    n_hallucinated_captions: int
    n_mentions: int
    n_hallucinated_mentions: int
    n_objects: int
    n_recalled_objects: int
    chair_s: float | None
    chair_i: float | None
    recall: float | None
    mean_words: float | None
    captions: tuple[CaptionScore, ...]

    def to_dict(self) -> dict[str, Any]:
        """Give the fields as plain values, ready for JSON."""
        return asdict(self)


def find_objects(
    caption: str, vocabulary: ChairVocabulary, singularization: Singularization
) -> CaptionObjects:
    """Find the objects that a caption mentions.

    The words are made lower-case and singular, double words are joined, and beside a toilet no seat counts.

    Args:
        caption: A caption of any length.
        vocabulary: Words that name objects.
        singularization: "pattern" (the original script) or "lemma" (OPERA's).

    Returns:
        The words and the mentions; no mention when the caption names no object.

    Raises:
        ConfigError: For another singularization.

    Source: github.com/LisaAnne/Hallucination, utils/chair.py.
    """
    joined = join_double_words(singular_words(words(caption.lower()), singularization))
    found = tuple(word for _, word in joined)
    skipped = "seat" if "toilet" in found else None
    mentions = tuple(
        Mention(word, vocabulary.objects[word], position)
        for position, word in joined
        if word in vocabulary.objects and word != skipped
    )
    return CaptionObjects(words=found, mentions=mentions)


def caption_ground_truth(
    captions: Mapping[int, Iterable[str]],
    instances: Mapping[int, Iterable[str]],
    vocabulary: ChairVocabulary,
    singularization: Singularization,
) -> dict[int, frozenset[str]]:
    """Unite the annotated objects of each image with those that people mention in its captions.

    Args:
        captions: Captions by people per image id.
        instances: Names of annotated categories per image id, crowd regions included.
        vocabulary: Words that name objects; it must know every category.
        singularization: "pattern" or "lemma"; the same as for the captions that will be scored.

    Returns:
        The objects of every image that has annotations or captions.

    Raises:
        DataError: When a category is not in the vocabulary.
        ConfigError: For another singularization.
    """
    truth: dict[int, set[str]] = {image: set() for image in (*instances, *captions)}
    for image, categories in instances.items():
        truth[image].update(_node(category, vocabulary) for category in categories)
    for image, texts in captions.items():
        for text in texts:
            truth[image].update(
                mention.name for mention in find_objects(text, vocabulary, singularization).mentions
            )
    return {image: frozenset(names) for image, names in truth.items()}


def chair_score(
    captions: Iterable[tuple[int, str]],
    objects: Mapping[int, Collection[str]],
    vocabulary: ChairVocabulary,
    singularization: Singularization = "pattern",
) -> ChairScore:
    """Score captions against the objects of their images.

    Args:
        captions: Image id and caption; every pair counts once.
        objects: Objects in each image, see `caption_ground_truth`.
        vocabulary: Words that name objects.
        singularization: "pattern" (the original script) or "lemma" (OPERA's).

    Returns:
        CHAIR over sentences and instances, recall, counts, and the results of every caption.

    Raises:
        DataError: When an image is not in `objects`.
        ConfigError: For another singularization.

    Source: https://arxiv.org/abs/1809.02156.
    """
    scored = tuple(
        _caption_score(image, caption, objects, find_objects(caption, vocabulary, singularization))
        for image, caption in captions
    )
    return _summary(scored, singularization, vocabulary.source)


def _node(category: str, vocabulary: ChairVocabulary) -> str:
    if category not in vocabulary.objects:
        raise DataError(
            f"category {category!r} is not in the vocabulary ({vocabulary.source}); "
            "add a line for it or give annotations with COCO's 80 categories"
        )
    return vocabulary.objects[category]


def _caption_score(
    image: int, caption: str, objects: Mapping[int, Collection[str]], found: CaptionObjects
) -> CaptionScore:
    if image not in objects:
        raise DataError(
            f"image {image} (caption {caption[:40]!r}) has no ground truth; "
            "give the annotations of the split that it belongs to"
        )
    present = objects[image]
    return CaptionScore(
        image_id=image,
        n_words=len(found.words),
        mentions=found.mentions,
        hallucinated=tuple(mention for mention in found.mentions if mention.name not in present),
        objects=tuple(sorted(present)),
    )


def _summary(
    captions: tuple[CaptionScore, ...], singularization: Singularization, vocabulary: str
) -> ChairScore:
    hallucinated = sum(bool(caption.hallucinated) for caption in captions)
    mentions = sum(len(caption.mentions) for caption in captions)
    false_mentions = sum(len(caption.hallucinated) for caption in captions)
    n_objects = sum(len(caption.objects) for caption in captions)
    recalled = sum(len(caption.recalled) for caption in captions)
    return ChairScore(
        singularization=singularization,
        vocabulary=vocabulary,
        n_captions=len(captions),
        n_hallucinated_captions=hallucinated,
        n_mentions=mentions,
        n_hallucinated_mentions=false_mentions,
        n_objects=n_objects,
        n_recalled_objects=recalled,
        chair_s=_ratio(hallucinated, len(captions)),
        chair_i=_ratio(false_mentions, mentions),
        recall=_ratio(recalled, n_objects),
        mean_words=_ratio(sum(caption.n_words for caption in captions), len(captions)),
        captions=captions,
    )


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
