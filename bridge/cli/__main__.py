"""`python -m bridge.cli` is `particle-bridge`."""

from bridge.cli import main

if __name__ == "__main__":
    main()
