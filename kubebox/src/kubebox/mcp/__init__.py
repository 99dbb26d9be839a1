"""`kubebox mcp`: sandboxes for whatever speaks the Model Context Protocol. Needs `pip install "kubebox[mcp]"`."""
