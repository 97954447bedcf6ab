# Sends readings to servers by HTTP POST.
