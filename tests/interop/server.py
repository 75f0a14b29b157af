"""A server of Python's websockets, for tests/e2e/serve/other_websocket_programs.test.mjs: it acknowledges
the first request as the exchange does, sends each line of a file as a message, every third one in fragments, and closes with 1001.

    server.py FILE plain|deflate [CERTIFICATE KEY]      prints its port; until it is killed
"""
import asyncio
import ssl
import sys

import websockets


async def main(file, how, cert=None, key=None):
    trust = {}
    if cert:
        trust["ssl"] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        trust["ssl"].load_cert_chain(cert, key)

    async def serve(ws):
        request = await ws.recv()
        await ws.send('{"success":true,"ret_msg":"","conn_id":"c","request":' + request + "}")
        with open(file, encoding="utf-8", newline="\n") as lines:
            for i, line in enumerate(lines):
                text = line.rstrip("\n")
                await ws.send([text[:7], text[7:20], text[20:]] if i % 3 == 1 else text)
        await ws.close(1001)

    async with websockets.serve(serve, "127.0.0.1", 0, compression="deflate" if how == "deflate" else None, **trust) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.Future()


asyncio.run(main(*sys.argv[1:]))
