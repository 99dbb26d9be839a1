"""Importing what a connection needs, a third of a second's worth, while something else is waited for."""

import socketio as socketio

from kubebox._transport import http as http
from kubebox._transport import realtime as realtime
from kubebox._transport import socket as socket
