import hashlib
import zipfile

import pytest

from scr_lens.datasets import DATASETS, Dataset, RemoteFile, fetch, find_dataset, import_files
from scr_lens.datasets.checks import inside
from scr_lens.errors import ConfigError, DataError

PLAIN = b"questions"


def sha1(content: bytes) -> str:
    return f"sha1:{hashlib.sha1(content, usedforsecurity=False).hexdigest()}"


@pytest.fixture
def zipped(tmp_path):
    with zipfile.ZipFile(tmp_path / "pictures.zip", "w") as made:
        made.writestr("pictures/1.jpg", b"one")
        made.writestr("pictures/2.jpg", b"two")
    return (tmp_path / "pictures.zip").read_bytes()


@pytest.fixture
def dataset(site, zipped):
    files = (
        RemoteFile(url=site.put("q.json", PLAIN), path="set/q.json", size=9, checksum=sha1(PLAIN)),
        RemoteFile(
            url=site.put("pictures.zip", zipped),
            path="set/pictures.zip",
            checksum=sha1(zipped),
            unpacks_to="set/pictures",
        ),
    )
    return Dataset(name="set", title="t", licence="l", source="s", size="z", files=files)


def names(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


COMPLETE = ["set/pictures.unpacked.json", "set/pictures/1.jpg", "set/pictures/2.jpg", "set/q.json"]


def test_fetch_and_fetch_again(dataset, site, tmp_path):
    data = tmp_path / "data"
    assert fetch(dataset, data) == (data / "set/q.json", data / "set/pictures")
    assert names(data) == COMPLETE
    asked = len(site.asked)
    fetch(dataset, data)
    assert len(site.asked) == asked  # everything is there
    (data / "set/q.json").write_bytes(b"changed!!")
    fetch(dataset, data)
    assert (data / "set/q.json").read_bytes() == PLAIN and len(site.asked) == asked + 1


def test_a_stopped_unpacking_is_finished(dataset, site, tmp_path, zipped):
    data = tmp_path / "data"
    (data / "set/pictures").mkdir(parents=True)
    (data / "set/pictures.zip").write_bytes(zipped)
    fetch(dataset, data)
    assert names(data) == COMPLETE and len(site.asked) == 1  # only q.json was missing


def test_an_archive_of_another_folder_is_refused(dataset, site, tmp_path):
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as made:
        made.writestr("other/1.jpg", b"one")
    file = RemoteFile(
        url=site.put("other.zip", (tmp_path / "other.zip").read_bytes()),
        path="set/other.zip",
        unpacks_to="set/pictures",
    )
    other = Dataset(name="o", title="t", licence="l", source="s", size="z", files=(file,))
    with pytest.raises(DataError, match="makes no folder 'pictures'"):
        fetch(other, tmp_path / "data")


def test_what_cannot_be_fetched_says_how_to_get_it(tmp_path):
    with pytest.raises(DataError, match="mme cannot be fetched: the authors give it out on request"):
        fetch(find_dataset("mme"), tmp_path)


@pytest.mark.parametrize("link", [False, True])
def test_import_from_a_folder(dataset, tmp_path, zipped, link):
    source, data = tmp_path / "disk", tmp_path / "data"
    source.mkdir()
    (source / "q.json").write_bytes(PLAIN)
    (source / "pictures.zip").write_bytes(zipped)
    import_files(dataset, [source], data, link=link)
    assert names(data) == COMPLETE and (data / "set/q.json").is_symlink() == link
    assert names(source) == ["pictures.zip", "q.json"]


@pytest.mark.parametrize("link", [False, True])
def test_import_of_an_unpacked_folder(dataset, site, tmp_path, link):
    source, data = tmp_path / "disk" / "pictures", tmp_path / "data"
    source.mkdir(parents=True)
    (source / "1.jpg").write_bytes(b"one")
    (tmp_path / "q.json").write_bytes(PLAIN)
    places = import_files(dataset, [source, tmp_path / "q.json"], data, link=link)
    assert (data / "set/pictures/1.jpg").read_bytes() == b"one" and places[1] == data / "set/pictures"
    assert (data / "set/pictures").is_symlink() == link
    again = import_files(dataset, [source, tmp_path / "q.json"], data, link=link) if link else None
    assert again in (None, places)  # what is linked already stays


def test_import_refuses_what_is_wrong(dataset, tmp_path, zipped):
    data = tmp_path / "data"
    (tmp_path / "q.json").write_bytes(b"damaged!!")
    with pytest.raises(DataError, match=r"'q\.json' is not among"):
        import_files(dataset, [tmp_path / "pictures.zip"], data)
    with pytest.raises(DataError, match=r"q\.json has sha1"):
        import_files(dataset, [tmp_path / "q.json", tmp_path / "pictures.zip"], data)
    with pytest.raises(DataError, match=r"there is no .*absent"):
        import_files(dataset, [tmp_path / "absent"], data)
    (tmp_path / "q.json").write_bytes(PLAIN)
    (data / "set").mkdir(parents=True)
    (data / "set" / "q.json").write_bytes(b"mine")
    with pytest.raises(DataError, match="exists already; move it away first"):
        import_files(dataset, [tmp_path], data)
    assert (data / "set" / "q.json").read_bytes() == b"mine"


def test_import_of_a_set_that_is_a_folder(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "a.jpg").write_bytes(b"a")
    assert import_files(find_dataset("amber-images"), [tmp_path / "disk"], tmp_path / "data") == (
        tmp_path / "data/amber/images",
    )
    assert (tmp_path / "data/amber/images/a.jpg").read_bytes() == b"a"
    with pytest.raises(DataError, match="is a folder; give exactly one"):
        import_files(find_dataset("mme"), [tmp_path / "disk" / "a.jpg"], tmp_path / "data")


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "C:/x", "", " ", "a\0b"])
def test_places_stay_inside(tmp_path, name):
    with pytest.raises((DataError, ValueError)):
        inside(tmp_path, name)


def test_the_registry_is_sound(tmp_path):
    with pytest.raises(ConfigError, match="unknown dataset 'pop'; did you mean 'pope'"):
        find_dataset("pop")
    files = [file for dataset in DATASETS.values() for file in dataset.files]
    assert len({file.path for file in files}) == len(files)
    for name, dataset in DATASETS.items():
        assert name == dataset.name and dataset.licence and dataset.size
        assert bool(dataset.files) != bool(dataset.folder and dataset.how)
    for file in files:
        inside(tmp_path, file.path), inside(tmp_path, file.unpacks_to or "x")
        assert file.url.startswith(("https://", "http://images.cocodataset.org/"))
        if file.url.startswith("http://"):  # unprotected on the way: the checksum must say what it is
            assert file.checksum
        if file.checksum:
            algorithm, digest = file.checksum.split(":")
            assert len(digest) == 2 * hashlib.new(algorithm, usedforsecurity=False).digest_size
        if file.unpacks_to:
            assert file.unpacks_to.rpartition("/")[0] == file.path.rpartition("/")[0]


def test_real_files_have_the_registered_checksums(real_data, tmp_path):
    for name, folder in {
        "pope": "pope/coco",
        "amber": "amber",
        "hallusionbench": "hallusionbench",
        "chair-synonyms": "chair",
    }.items():
        places = import_files(find_dataset(name), [real_data / folder], tmp_path)
        assert all(place.is_file() for place in places)
