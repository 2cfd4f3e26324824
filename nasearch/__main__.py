"""`python -m nasearch`: the command line where no `nasearch` is on the path."""

from __future__ import annotations

from nasearch.cli.main import main

if __name__ == "__main__":
    main(prog_name="python -m nasearch")
