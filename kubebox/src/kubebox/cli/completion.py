"""`kubebox --install-completion`: the shell completes command lines."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from kubebox.cli.app import app, write
from kubebox.errors import ConfigurationError


def install(
    *,
    shell: Literal["bash", "zsh", "fish", "powershell"] | None = None,
    output: Path | None = None,
    startup: Annotated[bool, Parameter(negative="--no-startup")] = True,
) -> None:
    """Have your shell complete kubebox's command lines, and print the script's path.

    Args:
        shell: Which one; the one that this was called from unless given.
        output: The script to write, instead of where the shell looks for it.
        startup: Add what loads it to the shell's own start.
    """
    from cyclopts.completion.detect import ShellDetectionError

    try:
        write(str(app.install_completion(shell=shell, output=output, add_to_startup=startup)))
    except ShellDetectionError:
        raise ConfigurationError("it does not show which shell this is; give --shell") from None
    except OSError as error:
        raise ConfigurationError(f"the script cannot be written: {error}; --output says where") from None
