# The P1 port, and what follows its telegrams.
