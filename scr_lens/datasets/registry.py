"""Every dataset that `scr-lens data` knows: official addresses, sizes, checksums, licences."""

from __future__ import annotations

from dataclasses import dataclass

from scr_lens.errors import ConfigError, unknown_name


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """One file of a dataset.

    Args:
        url: Official address.
        path: Place under the data folder, with "/" between its parts.
        size: Bytes, where known.
        checksum: "algorithm:hexdigest", where one is published or was taken from the source.
        unpacks_to: For a zip archive, the folder under the data folder that its members make; the archive
            is unpacked beside `path` and then removed.
    """

    url: str
    path: str
    size: int | None = None
    checksum: str | None = None
    unpacks_to: str | None = None

    @property
    def name(self) -> str:
        """File name."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A set of public files.

    Args:
        name: Name on the command line.
        title: One line on what it is.
        licence: Licence, or what is known of it.
        source: Page that describes it.
        size: Size of the download in words.
        files: Files that can be fetched; () when there is no direct address.
        folder: Folder under the data folder, for what has to be imported as a folder.
        how: How to get what cannot be fetched.
    """

    name: str
    title: str
    licence: str
    source: str
    size: str
    files: tuple[RemoteFile, ...] = ()
    folder: str | None = None
    how: str = ""


_GITHUB = "https://raw.githubusercontent.com"
_POPE = f"{_GITHUB}/AoiDragon/POPE/08d957b917e5a378a2f99d35b6293c536a66298b/output"
_AMBER = f"{_GITHUB}/junyangwang0410/AMBER/534babf6bbfcce2e735c26289dedfb21cef3c939/data"
_HALLUSION = f"{_GITHUB}/tianyi-lab/HallusionBench/744007c232c292942c7f80eb61edb2465482da31"
_COCO = "http://images.cocodataset.org"
_COCO_LICENCE = "annotations CC BY 4.0; each image under its own Flickr licence"

# SHA-256: taken from the files at the commits named in the addresses. SHA-1 of COCO 2014: as in NVIDIA's
# public download scripts; MD5 of val2017: as in the MLPerf v0.5 submissions. Files without one are pinned by
# the commit in their address; GQA's archive by nothing but the CRCs inside it.
_POPE_COCO = {
    "random": (368166, "ac25245170b975a5bdf9080b23fd431dfe6be458bc038259c1f4f09a6bef7994"),
    "popular": (370190, "72c1a8ad45d0c13514f5f22598261df41d3b533854d29682e924db50ed8aa753"),
    "adversarial": (370401, "420b3407db1fa9f1187a805dca41cb7b97fd91504e6c2179706188c107fb8ef8"),
}
_AMBER_FILES = {
    "annotations.json": (1813301, "db22a436c4836fbb295e60b4e80d519573077579fb7032f01b193c1bd022b797"),
    "query/query_all.json": (1844750, "127680ae61f7d4a92d2f7f07a8deaec07f0689b194d2c7c0f41ead7bd2c5bcf5"),
    "relation.json": (12699, "c4c1491e9bbc3209abc1888c12a1bf8413bdbab8a0d8be04b990a2e7680cf23e"),
    "safe_words.txt": (57, "f92cf1123f4578a2630832fac3e6ac4de36212ea55859d3bed4fd233723f4043"),
    "metrics.txt": (899, "2fbe2ee584d10e7ce0a568a4902d3d2296727d45f761bf091dd35c4e4b5bc6ac"),
}
_SEEM_ADVERSARIAL = (494039, "sha256:2ddd3bdfa0df7a77a2cb1765ed06ac5ed190b5a093aa405b96986e862e8cdac1")


def _pope_seem(images: str) -> tuple[RemoteFile, ...]:
    known = {("aokvqa", "adversarial"): _SEEM_ADVERSARIAL}
    splits = ("random", "popular", "adversarial")
    return tuple(
        RemoteFile(
            url=f"{_POPE}/seem/{images}/{images}_pope_seem_{split}.json",
            path=f"pope/{images}_pope_seem_{split}.json",
            size=known.get((images, split), (None, None))[0],
            checksum=known.get((images, split), (None, None))[1],
        )
        for split in splits
    )


_ALL = (
    Dataset(
        name="pope",
        title="POPE questions on 500 COCO val2014 images, three splits of 3,000",
        licence="MIT",
        source="https://github.com/AoiDragon/POPE",
        size="1.1 MB",
        files=tuple(
            RemoteFile(
                url=f"{_POPE}/coco/coco_pope_{split}.json",
                path=f"pope/coco_pope_{split}.json",
                size=size,
                checksum=f"sha256:{digest}",
            )
            for split, (size, digest) in _POPE_COCO.items()
        ),
    ),
    Dataset(
        name="pope-aokvqa",
        title="POPE questions on A-OKVQA images (which are COCO val2014 images)",
        licence="MIT",
        source="https://github.com/AoiDragon/POPE",
        size="1.5 MB",
        files=_pope_seem("aokvqa"),
    ),
    Dataset(
        name="pope-gqa",
        title="POPE questions on GQA images",
        licence="MIT",
        source="https://github.com/AoiDragon/POPE",
        size="1.3 MB",
        files=_pope_seem("gqa"),
    ),
    Dataset(
        name="coco-val2014",
        title="COCO val2014: 40,504 photographs, the images of POPE and CHAIR",
        licence=_COCO_LICENCE,
        source="https://cocodataset.org",
        size="6.2 GB, twice that while it is unpacked",
        files=(
            RemoteFile(
                url=f"{_COCO}/zips/val2014.zip",
                path="coco/val2014.zip",
                checksum="sha1:fbedd73593f242db65cce6bcefde193fcedcc5c0",
                unpacks_to="coco/val2014",
            ),
        ),
    ),
    Dataset(
        name="coco-annotations-2014",
        title="COCO 2014 instances and captions, the ground truth of CHAIR and CIDEr",
        licence=_COCO_LICENCE,
        source="https://cocodataset.org",
        size="241 MB, 800 MB unpacked",
        files=(
            RemoteFile(
                url=f"{_COCO}/annotations/annotations_trainval2014.zip",
                path="coco/annotations_trainval2014.zip",
                checksum="sha1:8e0b9df54c175f1688400e98d1a97f292e726870",
                unpacks_to="coco/annotations",
            ),
        ),
    ),
    Dataset(
        name="coco-val2017",
        title="COCO val2017: 5,000 photographs, all of them in val2014 too",
        licence=_COCO_LICENCE,
        source="https://cocodataset.org",
        size="0.8 GB, twice that while it is unpacked",
        files=(
            RemoteFile(
                url=f"{_COCO}/zips/val2017.zip",
                path="coco/val2017.zip",
                checksum="md5:442b8da7639aecaf257c1dceb8ba8c80",
                unpacks_to="coco/val2017",
            ),
        ),
    ),
    Dataset(
        name="gqa-images",
        title="GQA: 148,854 photographs, the images of POPE on GQA",
        licence="CC BY 4.0 (annotations); images of Visual Genome and COCO under their own licences",
        source="https://cs.stanford.edu/people/dorarad/gqa",
        size="20.3 GB, twice that while it is unpacked",
        files=(
            RemoteFile(
                url="https://downloads.cs.stanford.edu/nlp/data/gqa/images.zip",
                path="gqa/images.zip",
                unpacks_to="gqa/images",
            ),
        ),
    ),
    Dataset(
        name="chair-synonyms",
        title="CHAIR's official list of object names, needed for scores that compare with published ones",
        licence="BSD 2-clause",
        source="https://github.com/LisaAnne/Hallucination",
        size="4 kB",
        files=(
            RemoteFile(
                url=f"{_GITHUB}/LisaAnne/Hallucination/master/data/synonyms.txt",
                path="chair/synonyms.txt",
                size=3577,
                checksum="sha256:b685537b36fe21b791c87151b96a991ceb582edff19f3da204dcc7a7905502f2",
            ),
        ),
    ),
    Dataset(
        name="amber",
        title="AMBER annotations and queries (15,220)",
        licence="Apache-2.0",
        source="https://github.com/junyangwang0410/AMBER",
        size="3.7 MB",
        files=tuple(
            RemoteFile(
                url=f"{_AMBER}/{name}",
                path=f"amber/{name.rpartition('/')[2]}",
                size=size,
                checksum=f"sha256:{digest}",
            )
            for name, (size, digest) in _AMBER_FILES.items()
        ),
    ),
    Dataset(
        name="amber-images",
        title="AMBER's 1,004 photographs",
        licence="as the AMBER page says",
        source="https://github.com/junyangwang0410/AMBER",
        size="see the page",
        folder="amber/images",
        how="the page links a Google Drive archive: download it in a browser and unpack it",
    ),
    Dataset(
        name="hallusionbench",
        title="HallusionBench questions (1,129)",
        licence="BSD 3-clause",
        source="https://github.com/tianyi-lab/HallusionBench",
        size="0.4 MB",
        files=(
            RemoteFile(
                url=f"{_HALLUSION}/HallusionBench.json",
                path="hallusionbench/HallusionBench.json",
                size=431987,
                checksum="sha256:ca6e0fb677dd56e5fb0e2700d06c58d01f8a6ae66e0f1773b2ac48c0a095d051",
            ),
        ),
    ),
    Dataset(
        name="hallusionbench-images",
        title="HallusionBench figures",
        licence="BSD 3-clause",
        source="https://github.com/tianyi-lab/HallusionBench",
        size="see the page",
        folder="hallusionbench/images",
        how="the page links a Google Drive archive: download it in a browser and unpack it",
    ),
    Dataset(
        name="mme",
        title="MME: 14 tasks, 2,374 questions with images",
        licence="for research, on request to its authors; no licence file found",
        source="https://github.com/BradyFU/Awesome-Multimodal-Large-Language-Models (branch Evaluation)",
        size="see the page",
        folder="mme",
        how="the authors give it out on request: see the page, then unpack what they send",
    ),
)

DATASETS: dict[str, Dataset] = {dataset.name: dataset for dataset in _ALL}
"""Every dataset by name."""


def find_dataset(name: str) -> Dataset:
    """Looks up a dataset.

    Raises:
        ConfigError: If the name is unknown; the message has the closest one.
    """
    if name not in DATASETS:
        raise ConfigError(unknown_name("dataset", name, DATASETS))
    return DATASETS[name]
