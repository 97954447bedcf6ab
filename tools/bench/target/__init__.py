"""What the shipped machine code costs on the ESP32s' own instruction sets, without an ESP32."""

from bench.target.counts import figures

__all__ = ["figures"]
