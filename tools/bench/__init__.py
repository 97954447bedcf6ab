"""What the firmware costs: the figures that docs/figures.md states, measured."""
