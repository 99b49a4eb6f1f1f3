"""Imported first: every host name is the simulated venue, and its certificate authority is trusted.

For clients whose URLs can't be changed. They keep their URLs, TLS and Host header; no packet leaves this machine.
"""

import os
import socket

PORT, CA = int(os.environ["SIM_PORT"]), os.environ["SIM_CA"]
for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "WEBSOCKET_CLIENT_CA_BUNDLE", "CURL_CA_BUNDLE"):
    os.environ[name] = CA

_getaddrinfo = socket.getaddrinfo


def getaddrinfo(host, port, *args, **options):
    if host in ("127.0.0.1", "localhost", "::1", None):
        return _getaddrinfo(host, port, *args, **options)
    return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", PORT))]


socket.getaddrinfo = getaddrinfo

try:
    import certifi
except ImportError:
    pass
else:
    certifi.where = lambda: CA
