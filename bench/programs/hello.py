"""What people write today: PEP 3333's simple_app under wsgiref's CGIHandler."""
from wsgiref.handlers import CGIHandler


def hello(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"Hello World !\n"]


CGIHandler().run(hello)
