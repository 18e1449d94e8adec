"""`python -m runtree`: the command line of that very Python, whatever `runtree` is first in PATH."""

from runtree.cli.main import main

if __name__ == "__main__":
    main()
