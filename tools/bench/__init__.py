"""What the firmware costs: the figures that the README states, measured."""
