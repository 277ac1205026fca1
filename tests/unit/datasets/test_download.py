import hashlib
import random
import urllib.request

import pytest

from scr_lens.datasets.download import _NoDowngrade, download
from scr_lens.errors import DataError

CONTENT = random.Random(0).randbytes(1_000_000)
SHA = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


def get(url, target, **options):
    download(url, target, **{"pause": 0.001, **options})


def leftovers(folder):
    return sorted(path.name for path in folder.iterdir() if ".part" in path.name)


def test_a_file_arrives_whole_and_alone(site, tmp_path):
    url = site.put("a.bin", CONTENT)
    get(url, tmp_path / "new" / "a.bin", size=len(CONTENT), checksum=SHA)
    assert (tmp_path / "new" / "a.bin").read_bytes() == CONTENT
    assert leftovers(tmp_path / "new") == [] and site.asked == [None]


def test_broken_connections_are_taken_up_where_they_broke(site, tmp_path):
    url = site.put("a.bin", CONTENT)
    site.breaks = [300_000, 1, 600_000]
    get(url, tmp_path / "a.bin", checksum=SHA)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    assert site.asked == [None, "bytes=300000-", "bytes=300001-", "bytes=900001-"]


def test_a_later_call_goes_on(site, tmp_path):
    url = site.put("a.bin", CONTENT)
    site.breaks = [400_000, 0, 0, 0, 0, 0]
    with pytest.raises(DataError, match=r"connection ended early, 5 times in a row.*\(400000 bytes are kept"):
        get(url, tmp_path / "a.bin", checksum=SHA)
    assert leftovers(tmp_path) == ["a.bin.part", "a.bin.part.tag"] and not (tmp_path / "a.bin").exists()
    site.asked.clear(), site.breaks.clear()
    get(url, tmp_path / "a.bin", checksum=SHA)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT and site.asked == ["bytes=400000-"]


def test_a_part_that_is_whole_is_only_checked(site, tmp_path):
    url = site.put("a.bin", CONTENT)
    (tmp_path / "a.bin.part").write_bytes(CONTENT)
    (tmp_path / "a.bin.part.tag").write_text('"v1"')
    get(url, tmp_path / "a.bin", checksum=SHA)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT and site.asked == ["bytes=1000000-"]


@pytest.mark.parametrize("length", [500_000, 2_000_000])
def test_a_file_that_changed_meanwhile_is_fetched_anew(site, tmp_path, length):
    url = site.put("a.bin", CONTENT, etag='"v2"')
    (tmp_path / "a.bin.part").write_bytes(b"x" * length)
    (tmp_path / "a.bin.part.tag").write_text('"v1"')
    get(url, tmp_path / "a.bin", checksum=SHA)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


def test_a_part_longer_than_the_file_is_fetched_anew(site, tmp_path):
    url = site.put("a.bin", CONTENT)
    (tmp_path / "a.bin.part").write_bytes(b"x" * 2_000_000)
    (tmp_path / "a.bin.part.tag").write_text('"v1"')
    get(url, tmp_path / "a.bin", checksum=SHA)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


@pytest.mark.parametrize(("ranges", "etag"), [(False, '"v1"'), (True, ""), (True, 'W/"weak"')])
def test_a_server_without_ranges_or_versions_starts_again(site, tmp_path, ranges, etag):
    url = site.put("a.bin", CONTENT, etag=etag)
    site.ranges, site.breaks = ranges, [300_000, 200_000]
    get(url, tmp_path / "a.bin", checksum=SHA)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT and len(site.asked) == 3


def test_a_server_without_lengths(site, tmp_path):
    url = site.put("a.bin", CONTENT)
    site.says_length = False
    get(url, tmp_path / "a.bin", checksum=SHA)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


def test_a_wrong_file_is_thrown_away(site, tmp_path):
    url = site.put("a.bin", CONTENT)
    with pytest.raises(DataError, match=r"a\.bin has sha256 [0-9a-f]{64}, expected 00; .* get it again"):
        get(url, tmp_path / "a.bin", checksum="sha256:00")
    with pytest.raises(DataError, match="has 1000000 bytes, expected 7; it is another version"):
        get(url, tmp_path / "a.bin", size=7)
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_file_does_not_touch_the_old_one(site, tmp_path):
    (tmp_path / "a.bin").write_bytes(b"old")
    with pytest.raises(DataError):
        get(site.put("a.bin", CONTENT), tmp_path / "a.bin", checksum="sha256:00")
    assert (tmp_path / "a.bin").read_bytes() == b"old"


@pytest.mark.parametrize("status", [404, 403, 410])
def test_a_refusal_says_what_to_do(site, tmp_path, status):
    site.statuses = [status]
    with pytest.raises(DataError, match=rf"the server says {status} .*scr-lens data import"):
        get(f"{site.address}/absent.bin", tmp_path / "a.bin")
    assert len(site.asked) == 1 and list(tmp_path.iterdir()) == []


def test_a_busy_server_is_asked_again(site, tmp_path):
    url = site.put("a.bin", CONTENT)
    site.statuses = [503, 500, 429]
    get(url, tmp_path / "a.bin", checksum=SHA)
    assert len(site.asked) == 4
    site.statuses = [503] * 5
    with pytest.raises(DataError, match=r"503 .*5 times in a row; check the network"):
        get(url, tmp_path / "b.bin", checksum=SHA)


def test_nobody_there(tmp_path, site):
    address = site.address.rpartition(":")[0] + ":9"  # the discard port, closed
    with pytest.raises(DataError, match="times in a row; check the network"):
        get(f"{address}/a.bin", tmp_path / "a.bin")


def test_only_http(tmp_path):
    for url in ("file:///etc/hostname", "ftp://x/y", "a.bin"):
        with pytest.raises(DataError, match="is not an http or https address"):
            get(url, tmp_path / "a.bin")


def test_redirects_keep_their_protection(site, tmp_path):
    target = site.put("b.bin", CONTENT)
    handler = _NoDowngrade()
    request = urllib.request.Request("https://example.org/a.bin")
    with pytest.raises(DataError, match="redirects to the unprotected http://"):
        handler.redirect_request(request, None, 302, "Found", {}, target)
    plain = urllib.request.Request(f"{site.address}/a.bin")
    assert handler.redirect_request(plain, None, 302, "Found", {}, target).full_url == target
