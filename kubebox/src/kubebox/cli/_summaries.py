"""What each command does. Commands are imported when they are used, and the list of them says what they do all the same."""

from typing import Final

PURPOSE: Final = "Computers that LLM agents may break."
COMPLETION: Final = "Have your shell complete kubebox's command lines."

RUN: Final = """Run a command in a sandbox, as if it ran here: kubebox run [options] -- COMMAND…

Its output comes byte for byte, standard error apart. It gets this command's standard input where that is no terminal.
Ctrl-C sends it SIGINT, a second one kills it. Where no sandbox is named, one is made for it and removed afterwards.

The exit code is the command's; 128+N where signal N ended it, 124 after its timeout, 126 or 127 where there is no such
program, 255 where Kubebox itself failed.
"""

SHELL: Final = """A terminal in a sandbox, to leave and come back to: kubebox shell [options] [-- COMMAND…]

At the start of a line, ~d leaves the terminal and says how to come back, ~. ends what runs in it, ~? lists these.
All other keys go to the program, Ctrl-C too. Where no sandbox is named, one is made for it and removed afterwards.
"""

CP: Final = """Copy a file or a folder into a sandbox, or out of it: kubebox cp [options] SOURCE TO

[NAME]:PATH is in a sandbox: of that NAME, or, with nothing before the colon, in the one that flags and settings mean. PATH is
relative to the session's folder. All else is on this machine; ./a:b is a file of it, too, and - its standard input or output.

Where TO is a folder, what is copied goes into it under its own name; folder/. is what is in a folder. Files appear whole or not
at all, with their permission bits and times. Where the connection is lost, a file goes on at the exact byte.

The exit code is 1 where something of a folder could not be read, or changed meanwhile.
"""

SIGNING: Final = """Print a token for one request, good once and for a minute.

curl -H "Authorization: Bearer $(kubebox token GET /v1/sessions --url URL)" URL/v1/sessions
"""

MCP: Final = """Serve sandboxes to a model, over the Model Context Protocol: on standard input and output, or with --http.

Sandboxes end with the client that made them, or with this command. Over HTTP each session is a client of its own and sees its
own sandboxes alone, and $KUBEBOX_MCP_TOKEN, where it is set, is the bearer token that each request must bring; anywhere but on
this machine itself it must be set. What the sandboxes may be is said here, and no model can go beyond it.
"""

COMMANDS: Final = {
    "run": RUN,
    "shell": SHELL,
    "ps": "List the commands of a sandbox.",
    "logs": "Print what a command wrote, byte for byte.",
    "stop": "End a command and all that it started, or send it a signal.",
    "cp": CP,
    "ls": "List a folder of a sandbox.",
    "forward": "Put ports of a sandbox on this machine, until Ctrl-C.",
    "create": "Make a sandbox in a cluster, and print its name.",
    "list": "List the sandboxes of a cluster.",
    "kill": "End sandboxes of a cluster.",
    "mcp": MCP,
    "config": "Print where sandboxes are made and found, and who said so.",
    "demo": "Make a sandbox on this machine, and show what it is good for.",
    "doctor": "Say what a cluster gives and lacks, each with its consequence.",
    "gc": "Remove sandboxes that have ended or expired, with everything of them.",
    "token": SIGNING,
    "version": "Print the versions that a bug report needs.",
}

KEYS: Final = {
    "generate": "Make a new private key, and print its public half.",
    "show": "Print the public key that sandboxes are given, and where its private half lies.",
}
