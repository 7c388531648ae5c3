"""The applications of wsgiref_test.go in Python, each run as a CGI program by the standard library's gateway.

The environment variable GATEWAY_TEST_APPLICATION says which. Each function has a twin of the same name in Go; the two
are to be read side by side.
"""

import io
import os
import sys
from wsgiref.handlers import CGIHandler
from wsgiref.util import request_uri

PLAIN = [("Content-Type", "text/plain")]

applications = {}


def application(f):
    applications["wsgiref/" + f.__name__.replace("_", " ")] = f
    return f


@application
def hello(environ, start_response):
    start_response("200 OK", PLAIN)
    return [b"Hello World !\n"]


@application
def late_start(environ, start_response):
    start_response("200 OK", PLAIN)
    yield b"Hello "
    yield b"World !\n"


@application
def list_of_blocks(environ, start_response):
    start_response("200 OK", PLAIN)
    return [b"one,", b"", b"two"]


@application
def many_blocks(environ, start_response):
    start_response("200 OK", PLAIN)
    return (bytes([i % 256]) * 5000 for i in range(500))


@application
def printed(environ, start_response):
    write = start_response("200 OK", PLAIN)
    write(b"one,")
    write(b"two,")
    return [b"three"]


@application
def printed_nothing(environ, start_response):
    write = start_response("200 OK", PLAIN)
    write(b"")
    raise ValueError("too late")


@application
def no_block(environ, start_response):
    start_response("200 OK", PLAIN)
    return []


@application
def no_block_of_many(environ, start_response):
    start_response("200 OK", PLAIN)
    return iter(())


@application
def empty_block(environ, start_response):
    start_response("200 OK", PLAIN)
    return [b""]


@application
def empty_blocks_first(environ, start_response):
    start_response("200 OK", PLAIN)
    yield b""
    yield b""
    yield b"block"


@application
def empty_block_then_error(environ, start_response):
    start_response("200 OK", PLAIN)
    yield b""
    raise ValueError("in time")


@application
def error_before_start(environ, start_response):
    raise ValueError("before start")


@application
def error_after_start(environ, start_response):
    start_response("200 OK", PLAIN)
    raise ValueError("after start")


@application
def error_in_first_step(environ, start_response):
    start_response("200 OK", PLAIN)
    raise ValueError("in the first step")
    yield b"block"


@application
def error_after_output(environ, start_response):
    start_response("200 OK", PLAIN)
    yield b"half"
    raise ValueError("after output")


class Closing:
    def __init__(self, *blocks):
        self.blocks = blocks

    def __iter__(self):
        return iter(self.blocks)

    def close(self):
        raise ValueError("in close")


@application
def error_in_close(environ, start_response):
    start_response("200 OK", PLAIN)
    return Closing(b"block")


@application
def no_start(environ, start_response):
    return [b"block"]


@application
def no_start_no_block(environ, start_response):
    return []


@application
def no_body(environ, start_response):
    start_response("200 OK", PLAIN)
    return None


@application
def start_twice(environ, start_response):
    start_response("200 OK", PLAIN)
    start_response("201 Created", PLAIN)
    return [b"block"]


@application
def start_twice_and_ignore_it(environ, start_response):
    start_response("200 OK", PLAIN)
    try:
        start_response("201 Created", PLAIN)
    except AssertionError:
        pass
    return [b"block"]


@application
def replaced(environ, start_response):
    start_response("200 OK", PLAIN + [("X-First", "yes")])
    try:
        raise ValueError("better say so")
    except ValueError:
        start_response("503 Service Unavailable", [("Content-Type", "text/html"), ("Retry-After", "5")], sys.exc_info())
    return [b"<p>later"]


@application
def replaced_after_bad_status(environ, start_response):
    try:
        start_response("200", PLAIN)
    except AssertionError:
        start_response("502 Bad Gateway", PLAIN, sys.exc_info())
    return [b"bad gateway"]


@application
def replaced_too_late(environ, start_response):
    start_response("200 OK", PLAIN)
    yield b"half"
    try:
        raise ValueError("too late")
    except ValueError:
        start_response("503 Service Unavailable", PLAIN, sys.exc_info())
    yield b"the other half"


@application
def own_length(environ, start_response):
    start_response("200 OK", PLAIN + [("content-length", "5")])
    return [b"block"]


@application
def own_length_and_no_block(environ, start_response):
    start_response("200 OK", PLAIN + [("Content-Length", "1000")])
    return []


@application
def more_than_declared(environ, start_response):
    start_response("200 OK", PLAIN + [("Content-Length", "6")])
    return iter((b"four", b"four", b"four"))


@application
def less_than_declared(environ, start_response):
    start_response("200 OK", PLAIN + [("Content-Length", "6")])
    return [b"four"]


@application
def many_headers(environ, start_response):
    headers = [("Set-Cookie", "a=1"), ("X-Tab", "a\tb"), ("set-cookie", "b=2"), ("X-Latin", "\xe9\xff"), ("X-Empty", "")]
    headers += [("X-Number", str(i)) for i in range(100)]
    start_response("404 Not \xe9 Found", headers + [("Content-Type", "text/plain"), ("Set-Cookie", "a=1")])
    return [b"block"]


@application
def redirect(environ, start_response):
    start_response("302 Found", [("X-First", "1"), ("Location", "https://example.com/"), ("Content-Type", "text/plain")])
    return [b"there"]


@application
def no_content(environ, start_response):
    start_response("204 No Content", [])
    return []


@application
def not_modified(environ, start_response):
    start_response("304 Not Modified", [("ETag", '"x"')])
    return [b""]


@application
def not_modified_with_a_block(environ, start_response):
    start_response("304 Not Modified", [("ETag", '"x"')])
    return [b"block"]


@application
def hop_by_hop(environ, start_response):
    start_response("200 OK", PLAIN + [("connection", "close")])
    return [b"block"]


@application
def trailer(environ, start_response):
    start_response("200 OK", PLAIN + [("Trailer", "X-Sum")])
    return [b"block"]


@application
def status_header(environ, start_response):
    start_response("200 OK", PLAIN + [("Status", "404 Not Found")])
    return [b"block"]


@application
def status_without_reason(environ, start_response):
    start_response("200 ", PLAIN)
    return [b"block"]


@application
def status_without_space(environ, start_response):
    start_response("200OK", PLAIN)
    return [b"block"]


@application
def early_hints(environ, start_response):
    start_response("103 Early Hints", [("Link", "</a.css>")])
    return [b"block"]


@application
def body(environ, start_response):
    length = int(environ.get("CONTENT_LENGTH") or 0)
    data = environ["wsgi.input"].read(length)
    start_response("200 OK", PLAIN)
    return [str(len(data)).encode() + b" " + data]


@application
def body_to_its_end(environ, start_response):
    data = environ["wsgi.input"].read()
    start_response("200 OK", PLAIN)
    return [str(len(data)).encode() + b" " + data]


@application
def body_by_line(environ, start_response):
    start_response("200 OK", PLAIN)
    for line in environ["wsgi.input"]:
        yield str(len(line)).encode() + b" " + line


@application
def file(environ, start_response):
    start_response("200 OK", PLAIN)
    return environ["wsgi.file_wrapper"](io.BytesIO(b"x" * 10000), 4096)


@application
def log(environ, start_response):
    start_response("200 OK", PLAIN)
    environ["wsgi.errors"].write("a line\n")
    environ["wsgi.errors"].write("and another\n")
    environ["wsgi.errors"].flush()
    return [b"block"]


@application
def url(environ, start_response):
    start_response("200 OK", PLAIN)
    yield request_uri(environ).encode("latin-1")


@application
def dictionary(environ, start_response):
    start_response("200 OK", PLAIN)
    for key, value in sorted(environ.items()):
        line = key
        if isinstance(value, (str, bool, tuple)):
            line += "=" + str(value)
        yield line.encode("latin-1") + b"\n"


if __name__ == "__main__":
    CGIHandler().run(applications[os.environ["GATEWAY_TEST_APPLICATION"]])
