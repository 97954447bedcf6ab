def feed(sink, names, size=100):
    """sink.feed() gets the contents of the files, in chunks of `size` bytes."""
    chunk = bytearray(size)
    for name in names:
        with open(name, "rb") as file:
            got = file.readinto(chunk)
            while got:
                sink.feed(chunk, got)
                got = file.readinto(chunk)
