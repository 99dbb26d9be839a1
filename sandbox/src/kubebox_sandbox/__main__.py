import gc

# What is imported stays, so to look through it for garbage again and again only makes the start longer, by a seventh.
# The server turns this on when it begins to serve.
gc.disable()

from kubebox_sandbox.serve import main  # noqa: E402 - as said

main()
