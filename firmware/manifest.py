# What a MicroPython with this firmware frozen in has more than one without.

package("p1", opt=2)
package("dongle", opt=2)
for started in ("slots.py", "boot.py", "main.py"):
    module(started, opt=2)
