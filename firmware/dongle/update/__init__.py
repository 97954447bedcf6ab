# A new firmware over the network.
