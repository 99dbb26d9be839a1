"""Executions: one run of one command, its output and its end."""

from kubebox_sandbox.executions.executions import Executions
from kubebox_sandbox.executions.output import Attachment, small_output
from kubebox_sandbox.executions.pieces import Gap, Piece
from kubebox_sandbox.executions.record import Record
from kubebox_sandbox.executions.segment import STREAMS

__all__ = ["STREAMS", "Attachment", "Executions", "Gap", "Piece", "Record", "small_output"]
