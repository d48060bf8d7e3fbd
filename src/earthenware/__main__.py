"""``python -m earthenware`` is the ``earthenware`` command."""

from earthenware.cli import main

if __name__ == "__main__":
    main()
