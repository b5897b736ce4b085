#!/usr/bin/env python3
"""Leads clients whose hosts are fixed to Writ: a CONNECT proxy that knows a few names and refuses all others.

    connect_proxy.py LISTEN_PORT WRIT_HOST:PORT [NAME ...]      for graph.microsoft.com and login.microsoftonline.com if none is given

It listens on loopback only, and passes bytes on without reading them: the client still checks Writ's certificate, which must
be for each NAME too.
"""
import asyncio
import sys

LISTEN = int(sys.argv[1])
HOST, PORT = sys.argv[2].rsplit(':', 1)
NAMES = sys.argv[3:] or ['graph.microsoft.com', 'login.microsoftonline.com']


async def pump(source, sink):
    try:
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    except OSError:
        pass
    finally:
        sink.close()


async def serve(reader, writer):
    asked = (await reader.readline()).decode('latin-1').split()
    while (await reader.readline()).strip():
        pass
    name = asked[1].rsplit(':', 1)[0] if len(asked) > 1 and asked[0] == 'CONNECT' else ''
    if name not in NAMES:
        writer.write(b'HTTP/1.1 403 Forbidden\r\n\r\n')
        writer.close()
        return
    try:
        there, back = await asyncio.open_connection(HOST, int(PORT))
    except OSError:
        writer.write(b'HTTP/1.1 502 Bad Gateway\r\n\r\n')
        writer.close()
        return
    writer.write(b'HTTP/1.1 200 OK\r\n\r\n')
    await asyncio.gather(pump(reader, back), pump(there, writer))


async def main():
    async with await asyncio.start_server(serve, '127.0.0.1', LISTEN) as server:
        await server.serve_forever()


try:
    asyncio.run(main())
except KeyboardInterrupt:
    pass
