"""Names of Socket.IO events. Each client event is answered by `{"ok": …}` or `{"error": ErrorBody}`."""

from typing import Final

INITIALIZE_SESSION: Final = "session.initialize"
LIST_SESSIONS: Final = "session.list"
START: Final = "execution.start"
ATTACH: Final = "execution.attach"
DETACH: Final = "execution.detach"
CREDIT: Final = "execution.credit"
STATUS: Final = "execution.status"
LIST_EXECUTIONS: Final = "execution.list"
KILL: Final = "execution.kill"
KILL_ALL: Final = "execution.kill-all"
SIGNAL: Final = "execution.signal"
INPUT: Final = "execution.input"
RESIZE: Final = "execution.resize"
SHELL_RUN: Final = "shell.run"
RENEW_TOKEN: Final = "token.renew"  # noqa: S105 - an event, not a token

OUTPUT: Final = "execution.output"
GAP: Final = "execution.gap"
ENDED: Final = "execution.ended"
