"""The used part of an archive, whole or not at all."""

import io
import tarfile
from pathlib import Path

import pytest

from lakehouse.runtime.unpack import unpack
from specs.errors import Unavailable


def archive(path: Path, *, link: bool = True) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name in ("top/plugin/unused/shared.jar", "top/lib/a.jar", "top/plugin/unused/b.jar"):
            member = tarfile.TarInfo(name)
            member.size = len(name)
            tar.addfile(member, io.BytesIO(name.encode()))
        if link:
            member = tarfile.TarInfo("top/plugin/used/shared.jar")
            member.type, member.linkname = tarfile.LNKTYPE, "top/plugin/unused/shared.jar"
            tar.addfile(member)
    return path


def test_wanted_files_and_hard_links_to_unwanted_ones_are_kept_and_nothing_else(
    tmp_path: Path,
) -> None:
    unpack(archive(tmp_path / "a.tgz"), tmp_path / "out", lambda path: "unused" not in path.parts)
    found = {str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*")}
    assert found == {"lib", "lib/a.jar", "plugin", "plugin/used", "plugin/used/shared.jar"}
    linked = (tmp_path / "out" / "plugin" / "used" / "shared.jar").read_text()
    assert linked == "top/plugin/unused/shared.jar"


def test_a_damaged_archive_leaves_nothing(tmp_path: Path) -> None:
    whole = archive(tmp_path / "a.tgz").read_bytes()
    (tmp_path / "b.tgz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(Unavailable, match="cannot unpack"):
        unpack(tmp_path / "b.tgz", tmp_path / "out", lambda path: True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.tgz", "b.tgz"]
