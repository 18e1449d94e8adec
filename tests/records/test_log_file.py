import logging

import pytest

from runtree.records.log import logged

log = logging.getLogger("runtree.tested")


@pytest.mark.parametrize("place", ["log.txt", "gone/log.txt", "/dev/full"])
def test_a_log_that_cannot_be_written_ends_nothing_and_says_nothing(tmp_path, capsys, place):
    with logged(tmp_path / place):
        log.error("half a surrogate: \udcff")
        log.error("and more")
    assert capsys.readouterr().err == ""
    if place == "log.txt":
        assert "half a surrogate: \\udcff" in (tmp_path / place).read_text()
