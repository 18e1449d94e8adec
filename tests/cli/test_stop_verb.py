import pytest


@pytest.mark.parametrize(
    ("flags", "request_", "says"),
    [
        ([], "finish", "it starts no new runs, and ends when 1 running job has finished (at once: --now)"),
        (
            ["--now"],
            "terminate",
            "it starts no new runs, and terminates 1 running job after at most 7 s to save their state",
        ),
    ],
)
@pytest.mark.parametrize("named", [[], ["latest"]])
def test_the_one_that_is_running_is_asked_to_end(runtree, write_sweep, told, flags, request_, says, named):
    folder = write_sweep(told.opened(), told.asked(0))
    with folder.held():
        said = runtree("stop", *named, *flags)
    assert said.code == 0, said.err
    assert folder.request.read_text() == request_
    assert says in said.out
    assert "runtree status 20260102-030405-sweep --watch" in said.out
    assert "runtree resume 20260102-030405-sweep" in said.out


@pytest.mark.parametrize("named", [[], ["latest"]])
def test_where_nobody_works_there_is_nothing_to_stop(runtree, copied, named):
    said = runtree("stop", *named)
    assert said.code == 0
    assert ("is not running" if named else "no sweep is running") in said.out
    assert not copied.request.exists()


def test_of_several_one_has_to_be_named(runtree, write_sweep, told):
    one, other = write_sweep(told.opened()), write_sweep(told.opened(), name="20260103-030405-sweep")
    with one.held(), other.held():
        said = runtree("stop")
        assert said.code == 2
        assert "2 sweeps are running: 20260102-030405-sweep, 20260103-030405-sweep" in said.err
        assert runtree("stop", "20260103").code == 0
    assert (one.request.exists(), other.request.exists()) == (False, True)


def test_no_such_sweep_is_exit_code_5(runtree, copied):
    assert runtree("stop", "nix").code == 5
