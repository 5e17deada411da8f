"""A small Flask application, as any WSGI server runs it."""

from flask import Flask, render_template_string, request

app = Flask(__name__)

_PAGE = """<table>
{% for number, factors in rows %}<tr><td>{{ number }}</td><td>{{ factors | join(" × ") }}</td></tr>
{% endfor %}</table>
"""


@app.get("/app/factors")
def factors():
    """A page with the prime factors of some numbers."""
    first = request.args.get("first", type=int)
    return render_template_string(_PAGE, rows=[(n, _factors(n)) for n in range(first, first + 60)])


@app.post("/app/echo")
def echo():
    """What was sent."""
    return request.get_data(), 200, {"Content-Type": request.content_type}


def _factors(n):
    found, divisor = [], 2
    while divisor * divisor <= n:
        while n % divisor == 0:
            found.append(divisor)
            n //= divisor
        divisor += 1
    return found + [n] if n > 1 else found
