"""Executions: one run of one command, its output and its end."""

from kubebox_sandbox.executions.executions import Executions
from kubebox_sandbox.executions.output import Attachment, small_output
from kubebox_sandbox.executions.pieces import Gap, Piece
from kubebox_sandbox.executions.record import Record

__all__ = ["Attachment", "Executions", "Gap", "Piece", "Record", "small_output"]
