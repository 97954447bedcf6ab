# Readings to servers that want them pushed.
