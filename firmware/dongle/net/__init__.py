# The network: Wi-Fi or Ethernet, sockets, DNS and multicast DNS.
