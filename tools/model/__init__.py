"""The memory of the chip, as a model that the firmware runs against on a laptop."""
