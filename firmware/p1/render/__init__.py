# Reading -> bytes, one form a file.
