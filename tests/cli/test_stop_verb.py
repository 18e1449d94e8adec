import pytest


@pytest.mark.parametrize(
    ("flags", "request_", "says"),
    [
        ([], "finish", "it begins no new runs, and the 1 run at work may finish (to end them too: --now)"),
        (["--now"], "terminate", "it begins no new runs, and ends the 1 run at work: 7 s to save what is there"),
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
    assert "there is nothing to stop" in said.out
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
