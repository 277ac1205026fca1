import os
import shutil
import stat
import zipfile

import pytest

from scr_lens.datasets import unpack
from scr_lens.datasets.unpack import unpack_zip
from scr_lens.errors import DataError

FILES = {"val/a.jpg": b"a" * 1000, "val/sub/b.jpg": b"b", "val/empty": b""}


def archive(path, files=FILES, mode=0):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("val/", "")
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            made.writestr(info, content)
    return path


def tree(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_every_member(tmp_path):
    assert unpack_zip(archive(tmp_path / "x.zip"), tmp_path / "out") == 3
    assert tree(tmp_path / "out") == FILES


def test_an_interrupted_call_is_finished(tmp_path):
    made = archive(tmp_path / "x.zip")
    unpack_zip(made, tmp_path / "out")
    kept = tmp_path / "out" / "val" / "a.jpg"
    stamp = kept.stat().st_mtime_ns
    (tmp_path / "out" / "val" / "sub" / "b.jpg").unlink()
    (tmp_path / "out" / "val" / ".a.jpg.part").write_bytes(b"half")
    unpack_zip(made, tmp_path / "out")
    assert tree(tmp_path / "out") == FILES | {"val/.a.jpg.part": b"half"}
    assert kept.stat().st_mtime_ns == stamp


@pytest.mark.parametrize("name", ["../x", "/etc/x", "val/../../x", "C:\\x", "\\x"])
def test_members_stay_inside(tmp_path, name):
    with pytest.raises(DataError, match=r"leads out of .*do not unpack this archive"):
        unpack_zip(archive(tmp_path / "x.zip", {"ok": b"1", name: b"2"}), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_members_do_not_pass_through_links(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "out" / "val").symlink_to(tmp_path / "outside")
    with pytest.raises(DataError, match="leads out of"):
        unpack_zip(archive(tmp_path / "x.zip"), tmp_path / "out")
    assert list((tmp_path / "outside").iterdir()) == []


def test_links_are_refused(tmp_path):
    made = archive(tmp_path / "x.zip", {"val/link": b"/etc/passwd"}, mode=stat.S_IFLNK | 0o777)
    with pytest.raises(DataError, match="member 'val/link' is no plain file"):
        unpack_zip(made, tmp_path / "out")


def test_damage_is_noticed(tmp_path):
    made = archive(tmp_path / "x.zip", {"val/a": os.urandom(5000)})
    whole = made.read_bytes()
    for damaged in (whole[:100], whole[:1000] + b"?" + whole[1001:], b"no zip"):
        made.write_bytes(damaged)
        with pytest.raises(DataError, match=r"x\.zip: damaged archive .*get it again"):
            unpack_zip(made, tmp_path / "out")
    assert tree(tmp_path / "out") == {}


def test_room_is_needed(tmp_path, monkeypatch):
    monkeypatch.setattr(unpack.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 9, 1))
    with pytest.raises(DataError, match=r"unpacks to 1001 bytes, .* has 1 free; make room"):
        unpack_zip(archive(tmp_path / "x.zip"), tmp_path / "out")
