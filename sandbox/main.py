"""The server's entry point."""

from kubebox_sandbox.serve import main

if __name__ == "__main__":
    main()
