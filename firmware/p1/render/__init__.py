# Writes a Reading as bytes. Each file here is one format.
