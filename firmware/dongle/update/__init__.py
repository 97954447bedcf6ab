# Firmware updates over the network.
