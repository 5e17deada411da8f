"""Calls a WSGI application for a request that came in as plain values, and functions that answer by themselves."""

import io
import sys

import app


def respond(method, path, query, headers, body):
    """The status, headers and body of the application's response."""
    environ = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in headers:
        key = name.upper().replace("-", "_")
        environ[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
    begun = []

    def start_response(status, headers, exc_info=None):
        begun[:] = int(status.split()[0]), [(name, value) for name, value in headers]

    parts = app.app(environ, start_response)
    try:
        content = b"".join(parts)
    finally:
        if hasattr(parts, "close"):
            parts.close()
    return *begun, content


def primes(below):
    """How many primes are below a number."""
    return sum(all(n % divisor for divisor in range(2, int(n**0.5) + 1)) for n in range(2, below))


def stuck():
    """One call of a C function, which nothing interrupts: some seconds."""
    return sum(range(3 * 10**8))
