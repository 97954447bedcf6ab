# Puts every other value in every place of a telegram and feeds the result. Prints the places and
# values with which it was delivered nonetheless, and how many there were in all.
#
#   core_corruption.py FILE

import sys

from p1.framer import Framer

with open(sys.argv[1], "rb") as file:
    telegram = bytearray(file.read())
framer = Framer(lambda buffer, size: None)
tried = 0
for place in range(len(telegram)):
    right = telegram[place]
    for value in range(256):
        if value == right:
            continue
        tried += 1
        telegram[place] = value
        good = framer.good
        framer.feed(telegram, len(telegram))
        framer.reset()
        if framer.good != good:
            print(place, value)
    telegram[place] = right
print(tried)
