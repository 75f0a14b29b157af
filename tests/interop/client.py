"""A client of Python's websockets, for tests/e2e/serve/other_websocket_programs.test.mjs: sends a request,
prints each message and LF, then "closed CODE".

    client.py URL REQUEST plain|deflate [CA_FILE]
"""
import asyncio
import ssl
import sys

import websockets


async def main(url, request, how, ca=None):
    trust = {"ssl": ssl.create_default_context(cafile=ca)} if ca else {}
    async with websockets.connect(url, compression="deflate" if how == "deflate" else None, max_size=None, **trust) as ws:
        await ws.send(request)
        try:
            while True:
                print(await ws.recv())
        except websockets.ConnectionClosed as end:
            print("closed", end.rcvd.code if end.rcvd else 1006)


asyncio.run(main(*sys.argv[1:]))
