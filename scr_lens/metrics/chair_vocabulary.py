"""The words that CHAIR counts as objects, and the object that each of them names."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Final

from scr_lens.errors import DataError

COCO_OBJECTS: Final = (
    *("person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light"),
    *("fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow"),
    *(
        "elephant",
        "bear",
        "zebra",
        "giraffe",
        "backpack",
        "umbrella",
        "handbag",
        "tie",
        "suitcase",
        "frisbee",
    ),
    *(
        "skis",
        "snowboard",
        "sports ball",
        "kite",
        "baseball bat",
        "baseball glove",
        "skateboard",
        "surfboard",
    ),
    *("tennis racket", "bottle", "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple"),
    *("sandwich", "orange", "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch"),
    *("potted plant", "bed", "dining table", "toilet", "tv", "laptop", "mouse", "remote", "keyboard"),
    *(
        "cell phone",
        "microwave",
        "oven",
        "toaster",
        "sink",
        "refrigerator",
        "book",
        "clock",
        "vase",
        "scissors",
    ),
    *("teddy bear", "hair drier", "toothbrush"),
)

# Everyday words for some of the objects: enough to try the metric. The published numbers need the official
# list.
_EVERYDAY: Final[Mapping[str, str]] = {
    "person": "man woman boy girl child people baby kid lady guy player rider",
    "bicycle": "bike",
    "car": "taxi van",
    "motorcycle": "motorbike scooter",
    "airplane": "plane jet",
    "boat": "ship canoe",
    "bird": "duck seagull goose",
    "cat": "kitten",
    "dog": "puppy",
    "horse": "pony foal",
    "sheep": "lamb goat",
    "cow": "cattle calf bull ox",
    "handbag": "purse",
    "suitcase": "luggage",
    "skis": "ski",
    "sports ball": "ball",
    "tennis racket": "racket",
    "couch": "sofa",
    "dining table": "table desk",
    "tv": "television monitor",
    "laptop": "computer",
    "cell phone": "phone smartphone",
    "oven": "stove",
    "refrigerator": "fridge",
    "donut": "doughnut",
}


@dataclass(frozen=True)
class ChairVocabulary:
    """Words that name objects.

    Attributes:
        objects: Every word or double word that is counted, with the object it names.
        source: Where the words come from, to be stated beside a score.
    """

    objects: Mapping[str, str]
    source: str

    @cached_property
    def names(self) -> frozenset[str]:
        """The objects themselves, such as "dining table" (80 for COCO)."""
        return frozenset(self.objects.values())

    def nodes(self, words: Iterable[str]) -> list[str]:
        """Give the object that each word names, leaving out words that name none, repeats kept."""
        return [self.objects[word] for word in words if word in self.objects]


def builtin_vocabulary() -> ChairVocabulary:
    """Give the package's own short vocabulary: COCO's 80 object names and some everyday words for them.

    Returns:
        A vocabulary to try the metric with; it finds fewer objects than the official list of synonyms.
    """
    objects = {name: name for name in COCO_OBJECTS}
    for name, words in _EVERYDAY.items():
        objects |= dict.fromkeys(words.split(), name)
    return ChairVocabulary(MappingProxyType(objects), "built in")


def read_vocabulary(path: str | Path) -> ChairVocabulary:
    """Read CHAIR's official list of synonyms.

    A line holds the name of an object and then other words for it, separated by a comma and one space. As in
    the original script, further spaces stay part of a word, and of two lines with the same word the later one
    counts.

    Args:
        path: The file `synonyms.txt`.

    Returns:
        The vocabulary, with the file's name as its source.

    Raises:
        DataError: When the file cannot be read, is empty, or has a line that starts with no name.

    Source: github.com/LisaAnne/Hallucination, data/synonyms.txt.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot read the list of synonyms ({error}); give a text file") from error
    objects: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        name, *synonyms = line.strip().split(", ")
        if not name:
            raise DataError(f"{path}:{number}: the line is empty, expected 'object, synonym, ...'; remove it")
        objects |= dict.fromkeys((name, *synonyms), name)
    if not objects:
        raise DataError(
            f"{path}: the list of synonyms is empty, expected one object per line; check the file"
        )
    return ChairVocabulary(MappingProxyType(objects), path.name)
