"""`python -m slt_cli` and the `slt` executable."""

from slt_cli.cli.main import main

if __name__ == "__main__":
    main()
