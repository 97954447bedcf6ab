# MQTT: the connection to the broker, and what Home Assistant needs.
