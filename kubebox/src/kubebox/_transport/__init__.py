"""The way to a sandbox's server. Nothing outside this package knows HTTP or Socket.IO."""
