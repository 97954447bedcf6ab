# What the stand-ins offer, for the comparison with what the firmware has.

import json
import socket

import esp32
import machine
import network

print(
    json.dumps(
        {
            "machine": dir(machine),
            "network": dir(network),
            "esp32": dir(esp32),
            "socket": dir(socket),
            "<class 'Pin'>": dir(machine.Pin),
            "<class 'Signal'>": dir(machine.Signal),
            "<class 'UART'>": dir(machine.UART),
            "<class 'WDT'>": dir(machine.WDT),
            "<class 'RTC'>": dir(machine.RTC),
            "<class 'WLAN'>": dir(network.WLAN),
            "<class 'NVS'>": dir(esp32.NVS),
            "<class 'Partition'>": dir(esp32.Partition),
        }
    )
)
