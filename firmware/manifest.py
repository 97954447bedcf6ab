# What a MicroPython with this firmware frozen in has more than one without.

package("p1", opt=2)
package("dongle", opt=2)
module("slots.py", opt=2)
