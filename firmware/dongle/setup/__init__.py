# The first set-up of a dongle, by phone, without a computer.
