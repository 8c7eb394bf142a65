"""The key of a shard, by which an interrupted build recognizes what it has counted."""

import os
from pathlib import Path

import pytest

from docnvil.corpus.shards import split_into_shards
from docnvil.text.documents import SourceOptions
from docnvil.text.reading_report import ReadingReport
from docnvil.text.tokens import TokenRules


def keys(source: Path) -> list[str]:
    return [shard.key(TokenRules()) for shard in split_into_shards(source, SourceOptions(), ReadingReport())]


@pytest.mark.parametrize("is_folder", [False, True])
@pytest.mark.parametrize("is_renamed", [False, True])
def test_a_change_that_keeps_size_and_time_changes_the_key(tmp_path, is_folder, is_renamed):
    source, other = tmp_path / "texts", tmp_path / "other"
    file = source / "a.txt" if is_folder else tmp_path / "a.txt"
    file.parent.mkdir(exist_ok=True)
    file.write_text("cats purr\n")
    place = source if is_folder else file
    status, before = file.stat(), keys(place)
    assert keys(place) == before
    changed = other if is_renamed else file
    changed.write_text("dogs bark\n")
    os.utime(changed, ns=(status.st_atime_ns, status.st_mtime_ns))
    changed.replace(file)
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (status.st_size, status.st_mtime_ns)
    assert keys(place) != before
