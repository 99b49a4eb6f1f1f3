"""The protocol that Upbit and Bithumb share. Pure: nothing here waits, reads a clock, draws a nonce or opens a socket.

Bithumb took over Upbit's protocol in 2024: tokens, queries, market names, books, streams and errors have one form, and
the names of some fields differ. Its package is built on these modules; `wire` of each venue is what to work with.
"""
