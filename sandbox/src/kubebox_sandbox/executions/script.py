"""What is written to a shell, and what its answers look like.

A shell reads its script from its standard input. A command is lines of that script, which use no word that it could give to a
function or an alias, but one:

- an `eval` of the quoted text, which keeps open quotes and the like to itself. Its word is the one that may be a function by
  now, so the shell is asked after each command whether it still is what it was, and another one is taken where it is not;
- the code, as the name of a file that cannot be opened: the shell says that name on the descriptor of the answers.

What is longer than a pipe takes at once is written in pieces that end within the quotes: so of a command whose server was
killed in the middle there is nothing that the shell could run, and a question closes the quotes.
"""

import re
import select
from collections.abc import Iterable, Iterator
from typing import Final

ANSWERS: Final = 9
"""The descriptor on which a shell answers: the highest that every shell can name, so that scripts hardly want it."""

PROLOGUE: Final = f"exec {ANSWERS}>&3 3>&-\n".encode()

WORDS: Final = (r"\command eval", r"\builtin eval", r"\eval")
"""What can run text, the best first. Only bash has `builtin`; and without either, a shell that is not bash ends at what is no
command. The backslash is against aliases."""

NOTHING: Final = b"\n"
"""What every shell reads over."""

CODE: Final = "$?"
"""The answer to a command, before the shell puts the code in its place."""

GENUINE: Final = {f"+{place}0": word for place, word in enumerate(WORDS)}
"""The answers that only words give that run text: what is written is `$?` in place of the zero, so no trace is taken for them."""

BEGUN: Final = "?"
"""The first answer to a question."""

DONE: Final = "="
"""The answer to a question, when everything before it was done."""

CUT_OFF: Final = "~"
"""The answer of a command that was cut off, when a question closes its quotes."""

ANSWER: Final = re.compile(rb"/:(\d{1,18}) (\d{1,3}|\+\d0|[?=~])(?: (\d{1,18}))?;")
"""The last command's number, what is answered, and the question's number, where it was a question."""

PIECE_CHARACTERS: Final = 1000
"""Characters that are quoted together: none has more than four bytes then, so they fit into a piece."""

# Does nothing: `set -e` must not take these failures for a command's.
_SURE: Final = f"||{ANSWERS}>&{ANSWERS}"


def first(command: str) -> Iterator[bytes]:
    """A command whose end is nobody's concern, in pieces."""
    return _pieces([_begin(WORDS[0]), *_quoted(command), _end()])


def command(number: int, command: str, word: str, before: int) -> Iterator[bytes]:
    """A command, in pieces.

    Args:
        number: Comes with its code, and when the word was still genuine after it.
        command: Its text.
        word: One of `WORDS`, which is known to be genuine.
        before: What it finds in `$?`.
    """
    # A subshell may become what bash calls POSIX mode: in that, no function takes `exit`.
    last = f"(POSIXLY_CORRECT=y; \\exit {before}) 2>&- &&{ANSWERS}>&{ANSWERS}\n" if before else ""
    # No keyword may be in what says the code: after an open quote, bash does not know one at the beginning of a line.
    after = _says(number, CODE) + _checks(number, word)
    return _pieces([last + _begin(word), *_quoted(command), _end() + after])


def question(number: int, question: int) -> bytes:
    """Ask which words are genuine, and whether the shell has done all that came before.

    Where that was cut off, it is within quotes: they are closed, and nothing of it is run, since its redirection fails.
    Everywhere else, that line is a comment.

    Args:
        number: The last command's that may have been sent.
        question: Comes with the answers.
    """
    closed, begun, done = (_says(number, f"{what} {question}") for what in (CUT_OFF, BEGUN, DONE))
    checks = "".join(_checks(number, word, f" {question}") for word in WORDS)
    return f"#' {closed}{begun}{checks}{done}".encode()


def _says(number: int, what: str) -> str:
    return f"2>&{ANSWERS} {_fails(number, what)}\n"


def _checks(number: int, word: str, question: str = "") -> str:
    # In braces, so that whatever a function of that name, a trace or a trap may print is no command's output.
    proof = _fails(number, f"+{WORDS.index(word)}{CODE}{question}")
    return f"{{ {word} '{proof}';}}<&{ANSWERS} >&{ANSWERS} 2>&{ANSWERS}{_SURE}\n"


def _fails(number: int, what: str) -> str:
    return f'{ANSWERS}<"/:{number} {what};"{_SURE}'


def _begin(word: str) -> str:
    return f"{word} '"


def _quoted(text: str) -> Iterator[str]:
    for start in range(0, len(text), PIECE_CHARACTERS):
        yield text[start : start + PIECE_CHARACTERS].replace("'", r"'\''")


def _end() -> str:
    return f"' </dev/null {ANSWERS}>&-\n"  # It is kept from its shell's own pipes.


def _pieces(parts: Iterable[str]) -> Iterator[bytes]:
    """As few pieces as there can be that a pipe takes as a whole or not at all."""
    piece = b""
    for part in parts:
        data = part.encode()
        if len(piece) + len(data) > select.PIPE_BUF:
            yield piece
            piece = b""
        piece += data
    yield piece
