"""Symbolic links that may travel: those that stay in the folder, whatever else is in it."""


def leads_out(depth: int, target: str) -> bool:
    """Whether a link could lead out of the folder, by its text alone.

    A name in it may be a link itself, so that only the folders above it pay for its `..`. Absolute ones lead out, too.

    Args:
        depth: Folders between the link and the top.
        target: What the link says.
    """
    if not target or target.startswith("/") or "\0" in target:
        return True
    return target.split("/").count("..") > depth
