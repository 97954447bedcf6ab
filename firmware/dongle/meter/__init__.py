# The P1 port, and parts that are updated with each telegram.
