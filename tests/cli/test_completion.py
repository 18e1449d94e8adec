import pytest
from click.shell_completion import ShellComplete

from runtree.cli.main import runtree as front


def completed(typed: list[str], incomplete: str) -> list[str]:
    """Return what a shell would be offered."""
    return [
        item.value
        for item in ShellComplete(front, {}, "runtree", "_RUNTREE_COMPLETE").get_completions(typed, incomplete)
    ]


@pytest.mark.parametrize(
    ("typed", "incomplete", "offered"),
    [
        ([], "tr", ["train"]),
        (["train"], "algo", ["algorithm="]),
        (["train"], "algorithm=random_f", ["algorithm=random_forest"]),
        (["train", "-m"], "algorithm=ridge,random_f", ["algorithm=ridge,random_forest"]),
        (["train", "algorithm=ridge"], "algorithm.al", ["algorithm.alpha="]),
        (["train", "data=csv"], "data.pa", ["data.path="]),
        (["train"], "see", ["seed="]),
        (["describe"], "algorithm=rid", ["algorithm=ridge"]),
    ],
)
def test_what_can_follow_is_offered(folder, typed, incomplete, offered):
    found = completed(typed, incomplete)
    assert [name for name in offered if name not in found] == []
    assert all(name.startswith(incomplete) for name in found)


def test_options_of_the_users_own_folder_are_offered(folder):
    (folder / "conf" / "algorithm").mkdir(parents=True)
    (folder / "conf" / "algorithm" / "zebra.yaml").write_text("name: zebra\n")
    assert completed(["train"], "algorithm=z") == ["algorithm=zebra"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_line_for_the_shell_is_printed(runtree, shell):
    assert f"_RUNTREE_COMPLETE={shell}_source runtree" in runtree("completion", shell).out
