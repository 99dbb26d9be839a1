"""Importing what a connection needs, a third of a second's worth, while something else is waited for."""

from kubebox._transport import http as http
from kubebox._transport import realtime as realtime
from kubebox._transport import socket as socket
