"""Fetches many files, with asyncio or with threads, and may compute something of each."""

import asyncio
import urllib.request
from concurrent.futures import ThreadPoolExecutor

N_AT_ONCE = 64


def with_asyncio(port, numbers, computes):
    """Something of each file, by one thread that waits for all."""
    return asyncio.run(_fetch_all(port, numbers, computes))


async def _fetch_all(port, numbers, computes):
    room = asyncio.Semaphore(N_AT_ONCE)

    async def fetch(number):
        async with room:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(f"GET /{number} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            answer = await reader.read()
            writer.close()
        return _result(answer.partition(b"\r\n\r\n")[2], computes)

    return await asyncio.gather(*map(fetch, numbers))


def with_threads(port, numbers, computes):
    """Something of each file, by threads that wait for one each."""

    def fetch(number):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{number}") as response:
            return _result(response.read(), computes)

    with ThreadPoolExecutor(N_AT_ONCE) as threads:
        return list(threads.map(fetch, numbers))


def _result(content, computes):
    return _checksum(content) if computes else len(content)


def _checksum(content):
    """Adler-32, in Python."""
    a, b = 1, 0
    for byte in content:
        a = (a + byte) % 65521
        b = (b + a) % 65521
    return b << 16 | a
