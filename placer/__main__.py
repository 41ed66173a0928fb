"""``python -m placer`` is the program ``placer``."""

from placer.cli.main import main

if __name__ == "__main__":
    main()
