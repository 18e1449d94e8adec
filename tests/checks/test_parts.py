import pandas as pd

from runtree.checks.table import check_classes, check_duplicates, check_groups, check_time


def test_every_class_in_every_part_passes(looked_at):
    found = check_classes(looked_at("iris"))
    assert (found.state, found.found) == ("passed", "all 3 in each part; the smallest: 'setosa' with 10 in validation")
    assert check_classes(looked_at("diabetes", "algorithm=ridge")).state == "skipped"


def test_a_part_without_a_class_fails(looked_at, tables):
    frame = tables().assign(day=range(200))
    frame.loc[:5, "y"] = "rare"
    found = check_classes(looked_at(frame, "data.time=day"))
    assert found.state == "failed"
    assert "the validation part has no row of class 'rare'" in found.found
    assert "data.validation_size" in found.advice
    assert check_classes(looked_at(frame)).state == "warned"


def test_rows_that_stand_in_two_parts_are_warned_of(looked_at, tables):
    found = check_duplicates(looked_at(pd.concat([tables(), tables()])))
    assert found.state == "warned"
    assert "test rows" in found.found
    assert check_duplicates(looked_at(tables())).state == "passed"


def test_a_group_in_two_parts_fails(looked_at, tables):
    frame = tables().assign(site=[n % 20 for n in range(200)])
    assert check_groups(looked_at(frame, "data.group=site")).found == "20 groups of 'site', each in one part"
    found = check_groups(looked_at(frame, "data.group=site", "data.split=random"))
    assert (found.state, found.advice) == ("failed", "type: data.split=group")
    assert check_groups(looked_at(frame)).state == "skipped"


def test_a_shuffled_time_fails(looked_at, tables):
    frame = tables().assign(day=pd.date_range("2020-01-01", periods=200))
    assert check_time(looked_at(frame, "data.time=day")).state == "passed"
    found = check_time(looked_at(frame, "data.time=day", "data.split=stratified"))
    assert (found.state, found.advice) == ("failed", "type: data.split=time")
    assert check_time(looked_at(frame)).state == "skipped"
