# The HTTP server and its documents.
