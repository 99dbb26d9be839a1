"""The ways in: REST and Socket.IO. Thin: they read requests, call the rooms, and put answers into words."""
