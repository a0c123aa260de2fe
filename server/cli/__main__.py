"""`python -P -m server.cli`: how the command starts itself in the background."""

from server.cli.main import main

if __name__ == "__main__":
    main()
