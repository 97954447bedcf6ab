# The first set-up, without a computer.
