import subprocess
import sys


def test_python_m_is_the_same_command_line_with_the_same_exit_codes(folder):
    def typed(*words):
        return subprocess.run([sys.executable, "-m", "runtree", *words], capture_output=True, text=True)

    assert typed("--version").stdout.startswith("runtree ")
    mistaken = typed("tarin")
    assert (mistaken.returncode, mistaken.stderr.split("\n")[1].strip()) == (2, "did you mean: train?")
    assert typed("show", "latest").returncode == 5
