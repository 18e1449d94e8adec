"""`python -m runtree`: the command line of this Python, independent of PATH."""

from runtree.cli.main import main

if __name__ == "__main__":
    main()
